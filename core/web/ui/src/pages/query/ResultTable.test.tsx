import { MantineProvider } from "@mantine/core";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import type { QueryResult } from "../../api/query";
import { ResultTable } from "./ResultTable";

afterEach(cleanup);

function show(result: QueryResult) {
  render(
    <MantineProvider>
      <ResultTable result={result} />
    </MantineProvider>,
  );
}

it("shows values as the server wrote them", () => {
  show({ resultType: "vector", result: [{ metric: { __name__: "up", job: "a" }, value: [1, "0.30000000000000004"] }] });
  expect(screen.getByRole("cell", { name: 'up{job="a"}' })).toBeDefined();
  expect(screen.getByRole("cell", { name: "0.30000000000000004" })).toBeDefined();
});

it("shows a scalar as one row", () => {
  show({ resultType: "scalar", result: [1, "NaN"] });
  expect(screen.getByRole("cell", { name: "NaN" })).toBeDefined();
});

it("says so when there is nothing", () => {
  show({ resultType: "vector", result: [] });
  expect(screen.getByText(/No series at this time/)).toBeDefined();
});
