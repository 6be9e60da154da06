/** What hearth's HTTP API answers, and how to ask it. Only this folder fetches. */

/** Labels of a series: name to value; `__name__` is the metric name. */
export type Labels = Record<string, string>;

interface Envelope<T> {
  status: "success" | "error";
  data: T;
  errorType?: string;
  error?: string;
  warnings?: string[];
  infos?: string[];
}

/** An answer with what the server remarked about it. */
export interface Answer<T> {
  data: T;
  notes: string[];
  /** Wall time of the request as this browser saw it, milliseconds. */
  took: number;
}

/** An error as the API words it; `kind` is its errorType, or "network" when no answer came. */
export class ApiError extends Error {
  readonly kind: string;
  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The path hearth is served under, without a trailing slash: pages live right below it. */
export const basePath = pathBefore(globalThis.location?.pathname ?? "/", ["/query", "/targets"]);

/** Returns what stands before the first of the given page paths, or the path without its last slash. */
export function pathBefore(pathname: string, pages: string[]): string {
  for (const page of pages) {
    const at = pathname.lastIndexOf(page);
    if (at >= 0) return pathname.slice(0, at);
  }
  return pathname.replace(/\/$/, "");
}

/** Asks the API: GET without params, POST form with them, so that long queries fit. */
export async function ask<T>(path: string, params?: Record<string, string>, signal?: AbortSignal): Promise<Answer<T>> {
  const began = performance.now();
  let response: Response;
  try {
    response = await fetch(`${basePath}/api/v1/${path}`, {
      method: params ? "POST" : "GET",
      body: params ? new URLSearchParams(params) : undefined,
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("network", "hearth does not answer. Is it running, and is the network up?");
  }
  let body: Envelope<T>;
  try {
    body = await response.json();
  } catch {
    throw new ApiError("network", `unexpected answer from the server: ${response.status} ${response.statusText}`);
  }
  if (body.status !== "success") throw new ApiError(body.errorType ?? "error", body.error ?? response.statusText);
  const notes = [...(body.warnings ?? []), ...(body.infos ?? [])];
  return { data: body.data, notes, took: performance.now() - began };
}
