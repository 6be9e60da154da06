import { describe, expect, it } from "vitest";
import { pathBefore } from "../api/client";
import { formatAgo, formatNumber, formatSeries, formatSpan } from "./format";
import { toPlotData } from "./series";
import { formatSpanShort, gridFor, maxPoints, neighbour, parseSpan } from "./timerange";

describe("formatSeries", () => {
  it("writes what PromQL reads back", () => {
    expect(formatSeries({ __name__: "up", job: "a", instance: 'x"y' })).toBe('up{instance="x\\"y", job="a"}');
    expect(formatSeries({ __name__: "up" })).toBe("up");
    expect(formatSeries({ job: "a" })).toBe('{job="a"}');
    expect(formatSeries({})).toBe("{}");
    expect(formatSeries({ __name__: "my.metric", "a.b": "1" })).toBe('{"my.metric", "a.b"="1"}');
  });
});

describe("formatNumber", () => {
  it.each([
    [0, "0"],
    [1234, "1234"],
    [12345, "12.35k"],
    [-2.5e9, "-2.5G"],
    [0.125, "0.125"],
    [0.00001, "1.00e-5"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
  ])("%d is %s", (v, want) => expect(formatNumber(v)).toBe(want));
});

describe("spans", () => {
  it("reads what it writes", () => {
    for (const s of [1, 90, 3600, 5400, 90061]) expect(parseSpan(formatSpanShort(s))).toBe(s);
    for (const bad of ["", "5", "h", "-1h", "1h x"]) expect(parseSpan(bad)).toBeUndefined();
  });
  it("steps to the neighbours that are offered", () => {
    expect(neighbour(3600, 1)).toBe(7200);
    expect(neighbour(3600, -1)).toBe(1800);
    expect(neighbour(4000, -1)).toBe(3600);
    expect(neighbour(31536000, 1)).toBe(31536000);
  });
  it("asks for no more points than a graph shows, on multiples of the step", () => {
    const g = gridFor(86400, 1_700_000_123.4);
    expect((g.end - g.start) / g.step).toBeLessThanOrEqual(maxPoints);
    expect(g.end % g.step).toBe(0);
    expect(gridFor(60, 1000).step).toBe(1);
  });
});

describe("toPlotData", () => {
  it("leaves gaps where a series has no drawable value", () => {
    const data = toPlotData(
      [
        {
          metric: {},
          values: [
            [10, "1"],
            [30, "NaN"],
            [40, "4"],
          ],
        },
      ],
      10,
      40,
      10,
    );
    expect(data).toEqual([
      [10, 20, 30, 40],
      [1, null, null, 4],
    ]);
  });
});

describe("time words", () => {
  it("tells how long ago and how long", () => {
    expect(formatAgo(0, 1e12)).toBe("never");
    expect(formatAgo(1e12 - 12_000, 1e12)).toBe("12 s ago");
    expect(formatAgo(1e12 - 7_200_000, 1e12)).toBe("2 h ago");
    expect(formatSpan(0.0032)).toBe("3.2 ms");
    expect(formatSpan(0.0000042)).toBe("4.2 µs");
  });
});

describe("pathBefore", () => {
  it("finds the prefix hearth is served under", () => {
    expect(pathBefore("/query", ["/query", "/targets"])).toBe("");
    expect(pathBefore("/mon/hearth/targets", ["/query", "/targets"])).toBe("/mon/hearth");
    expect(pathBefore("/mon/", ["/query"])).toBe("/mon");
  });
});
