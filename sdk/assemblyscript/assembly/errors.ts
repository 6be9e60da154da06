/** Codes of errors, which decide what the host and the operator do about them. */
export namespace Code {
  /** The settings or the request are wrong; the operator must change something. */
  export const INVALID_REQUEST: string = "invalid_request";
  /** A right is missing: in the grant, or at the other end. */
  export const DENIED: string = "denied";
  /** The other end does not know who asks. */
  export const UNAUTHENTICATED: string = "unauthenticated";
  /** The other end can't be reached or has trouble. */
  export const UNAVAILABLE: string = "unavailable";
  /** No time left. */
  export const TIMEOUT: string = "timeout";
  /** A fault of the plugin. */
  export const INTERNAL: string = "internal";
}

class Failure {
  constructor(
    public code: string,
    public message: string,
    public retryable: bool,
    public afterMs: i64,
  ) {}
}

let failure: Failure | null = null;

/** Says why the call fails, for the operator, without secrets. Returns false. */
export function fail(code: string, message: string): bool {
  failure = new Failure(code, message, false, 0);
  return false;
}

/** The same for an error after which the same call may succeed later; afterMs is how long to wait at least, or 0. */
export function retry(code: string, afterMs: i64, message: string): bool {
  failure = new Failure(code, message, true, afterMs);
  return false;
}

/** Forgets the last error. */
export function forget(): void {
  failure = null;
}

/** The error body. */
export function body(): string {
  let f = failure;
  if (f == null) f = new Failure(Code.INTERNAL, "the plugin failed and did not say why", false, 0);
  let text = '{"code":' + quote(f.code) + ',"message":' + quote(f.message);
  if (f.retryable) text += ',"retryable":true';
  if (f.afterMs > 0) text += ',"retry_after_ms":' + f.afterMs.toString();
  return text + "}";
}

/** A text as JSON. */
export function quote(s: string): string {
  const parts: string[] = ['"'];
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c == 0x22 || c == 0x5c) parts.push("\\" + s.charAt(i));
    else if (c < 0x20) parts.push("\\u00" + (c < 16 ? "0" : "") + c.toString(16));
    else parts.push(s.charAt(i));
  }
  parts.push('"');
  return parts.join("");
}
