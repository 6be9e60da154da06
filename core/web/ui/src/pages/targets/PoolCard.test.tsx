import { MantineProvider } from "@mantine/core";
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import type { Target } from "../../api/targets";
import { PoolCard } from "./PoolCard";

const up: Target = {
  discoveredLabels: {},
  labels: { job: "node", instance: "a:9100" },
  scrapePool: "node",
  scrapeUrl: "http://a:9100/metrics",
  lastError: "",
  lastScrape: new Date().toISOString(),
  lastScrapeDuration: 0.0032,
  health: "up",
  scrapeInterval: "15s",
  scrapeTimeout: "10s",
};
const down: Target = { ...up, scrapeUrl: "hearth/node this-host", health: "down", lastError: "connection refused" };

afterEach(cleanup);

it("shows the health, the error and the labels of each target", () => {
  render(
    <MantineProvider>
      <PoolCard pool={{ name: "node", targets: [down, up], up: 1 }} />
    </MantineProvider>,
  );
  expect(screen.getByText("1 of 2 up")).toBeDefined();
  const rows = within(screen.getByRole("table", { name: "Targets of node" })).getAllByRole("row");
  expect(rows).toHaveLength(3);
  expect(within(rows[1] as HTMLElement).getByText("connection refused")).toBeDefined();
  expect(within(rows[2] as HTMLElement).getByText('instance="a:9100"')).toBeDefined();
  expect(within(rows[2] as HTMLElement).getByText("3.2 ms")).toBeDefined();
});

it("links what a browser can open, and nothing else", () => {
  render(
    <MantineProvider>
      <PoolCard pool={{ name: "node", targets: [down, up], up: 1 }} />
    </MantineProvider>,
  );
  expect(screen.getAllByRole("link").map((a) => a.getAttribute("href"))).toEqual(["http://a:9100/metrics"]);
});
