import { expect, it } from "vitest";
import type { Target } from "../../api/targets";
import { matching, pools } from "./pools";

const target = (scrapePool: string, scrapeUrl: string, health: Target["health"], lastError = ""): Target => ({
  discoveredLabels: {},
  labels: { job: scrapePool, instance: scrapeUrl },
  scrapePool,
  scrapeUrl,
  health,
  lastError,
  lastScrape: "2026-01-01T00:00:00Z",
  lastScrapeDuration: 0.01,
  scrapeInterval: "15s",
  scrapeTimeout: "10s",
});

const all = [
  target("api", "http://b/metrics", "up"),
  target("node", "http://n/metrics", "up"),
  target("node", "http://m/metrics", "down", "connection refused"),
];

it("puts jobs and targets that fail first", () => {
  const p = pools(all);
  expect(p.map((x) => [x.name, x.up, x.targets.length])).toEqual([
    ["node", 1, 2],
    ["api", 1, 1],
  ]);
  expect(p[0]?.targets[0]?.health).toBe("down");
});

it("finds by label, address and error", () => {
  expect(matching(all, "all", "REFUSED")).toHaveLength(1);
  expect(matching(all, "all", "job=api")).toHaveLength(1);
  expect(matching(all, "up", "")).toHaveLength(2);
  expect(matching(all, "down", "b/metrics")).toHaveLength(0);
});
