import { expect, it } from "vitest";
import { readState, writeState } from "./useQueryState";

it("reads back what it writes", () => {
  const s = { expr: 'rate(x{a="&"}[5m])', tab: "table" as const, span: 5400, end: 1_700_000_000 };
  expect(readState(new URLSearchParams(writeState(s).toString()))).toEqual(s);
});

it("leaves the defaults out of the link", () => {
  expect(writeState({ expr: "", tab: "graph", span: 3600, end: undefined }).toString()).toBe("");
});

it("understands links made for Prometheus", () => {
  const s = readState(new URLSearchParams("g0.expr=up&g0.tab=1&g0.range_input=2h"));
  expect(s).toEqual({ expr: "up", tab: "table", span: 7200, end: undefined });
});
