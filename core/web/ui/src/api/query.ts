import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type Answer, ask, type Labels } from "./client";

/** A sample as the API sends it: unix seconds, and the value as text so that NaN and Inf survive. */
export type RawSample = [number, string];

export interface VectorElement {
  metric: Labels;
  value: RawSample;
}

export interface MatrixElement {
  metric: Labels;
  values: RawSample[];
}

export type QueryResult =
  | { resultType: "vector"; result: VectorElement[] }
  | { resultType: "matrix"; result: MatrixElement[] }
  | { resultType: "scalar" | "string"; result: RawSample };

/** The grid of a range query, unix seconds. */
export interface Grid {
  start: number;
  end: number;
  step: number;
}

/** Evaluates expr at one time (unix seconds). `run` changes when the user asks again. */
export function useInstant(expr: string, time: number, run: number, enabled: boolean) {
  return useQuery<Answer<QueryResult>>({
    queryKey: ["instant", expr, time, run],
    queryFn: ({ signal }) => ask("query", { query: expr, time: time.toFixed(3) }, signal),
    enabled: enabled && expr !== "",
    placeholderData: keepPreviousData,
    retry: false,
  });
}

/** Evaluates expr over a grid. `run` changes when the user asks again. */
export function useRange(expr: string, grid: Grid, run: number, enabled: boolean) {
  return useQuery<Answer<QueryResult>>({
    queryKey: ["range", expr, grid.start, grid.end, grid.step, run],
    queryFn: ({ signal }) =>
      ask(
        "query_range",
        { query: expr, start: grid.start.toFixed(3), end: grid.end.toFixed(3), step: grid.step.toString() },
        signal,
      ),
    enabled: enabled && expr !== "",
    placeholderData: keepPreviousData,
    retry: false,
  });
}
