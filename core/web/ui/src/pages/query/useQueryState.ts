import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { formatSpanShort, parseSpan } from "../../lib/timerange";

export type Tab = "graph" | "table";

/** What the page shows; all of it stands in the URL, so that a link shows the same. */
export interface QueryState {
  expr: string;
  tab: Tab;
  /** Seconds shown by the graph. */
  span: number;
  /** The last moment shown, unix seconds; undefined is now. */
  end: number | undefined;
}

/** Reads the state from URL parameters; also those of links made for Prometheus (`g0.expr`). */
export function readState(params: URLSearchParams): QueryState {
  const end = Number(params.get("end"));
  return {
    expr: params.get("expr") ?? params.get("g0.expr") ?? "",
    tab: params.get("tab") === "table" || params.get("g0.tab") === "1" ? "table" : "graph",
    span: parseSpan(params.get("range") ?? params.get("g0.range_input") ?? "") ?? 3600,
    end: Number.isFinite(end) && end > 0 ? end : undefined,
  };
}

/** Writes the state as URL parameters, leaving out what is the default. */
export function writeState(s: QueryState): URLSearchParams {
  const p = new URLSearchParams();
  if (s.expr) p.set("expr", s.expr);
  if (s.tab !== "graph") p.set("tab", s.tab);
  if (s.span !== 3600) p.set("range", formatSpanShort(s.span));
  if (s.end !== undefined) p.set("end", String(Math.round(s.end)));
  return p;
}

/** The page's state, and a way to change part of it. */
export function useQueryState(): [QueryState, (patch: Partial<QueryState>) => void] {
  const [params, setParams] = useSearchParams();
  const state = useMemo(() => readState(params), [params]);
  const change = useCallback(
    (patch: Partial<QueryState>) => setParams((old) => writeState({ ...readState(old), ...patch })),
    [setParams],
  );
  return [state, change];
}
