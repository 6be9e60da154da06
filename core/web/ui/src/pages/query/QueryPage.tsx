import { Alert, Button, Card, Group, List, Loader, Stack, Tabs, Text } from "@mantine/core";
import { useInterval } from "@mantine/hooks";
import { useEffect, useMemo, useState } from "react";
import { type Grid, type QueryResult, useInstant, useRange } from "../../api/query";
import { Empty } from "../../components/Empty";
import { Problem } from "../../components/Problem";
import { formatSpan } from "../../lib/format";
import { gridFor } from "../../lib/timerange";
import { Editor } from "./Editor";
import { Graph } from "./Graph";
import { ResultTable } from "./ResultTable";
import { TimeControls } from "./TimeControls";
import { type Tab, useQueryState } from "./useQueryState";

/** Type an expression, see its curve or its values. */
export function QueryPage() {
  const [state, change] = useQueryState();
  const [draft, setDraft] = useState(state.expr);
  const [asked, setAsked] = useState(() => ({ run: 0, now: Date.now() / 1000 }));
  const [refresh, setRefresh] = useState(0);

  useEffect(() => setDraft(state.expr), [state.expr]);

  const again = () => setAsked((a) => ({ run: a.run + 1, now: Date.now() / 1000 }));
  const run = () => {
    change({ expr: draft.trim() });
    again();
  };
  const timer = useInterval(again, Math.max(1, refresh) * 1000);
  // biome-ignore lint/correctness/useExhaustiveDependencies: timer is made anew each render
  useEffect(() => {
    if (refresh > 0 && state.end === undefined) timer.start();
    return timer.stop;
  }, [refresh, state.end]);

  const end = state.end ?? asked.now;
  const grid = useMemo(() => gridFor(state.span, end), [state.span, end]);
  const range = useRange(state.expr, grid, asked.run, state.tab === "graph");
  const instant = useInstant(state.expr, end, asked.run, state.tab === "table");
  const { data, error, isFetching } = state.tab === "graph" ? range : instant;

  return (
    <Stack gap="md" maw={1500} mx="auto">
      <Group gap="xs" align="flex-start" wrap="nowrap">
        <Editor value={draft} onChange={setDraft} onRun={run} />
        <Button h={40} onClick={run}>
          Run
        </Button>
      </Group>
      <Group justify="space-between">
        <Tabs value={state.tab} onChange={(t) => change({ tab: (t ?? "graph") as Tab })} variant="pills">
          <Tabs.List>
            <Tabs.Tab value="graph">Graph</Tabs.Tab>
            <Tabs.Tab value="table">Table</Tabs.Tab>
          </Tabs.List>
        </Tabs>
        <Group gap="sm">
          {isFetching ? (
            <Loader size="xs" aria-label="Loading" />
          ) : (
            data && (
              <Text size="sm" c="dimmed">
                {formatSpan(data.took / 1000)}
              </Text>
            )
          )}
          <TimeControls
            tab={state.tab}
            span={state.span}
            end={state.end}
            now={asked.now}
            refresh={refresh}
            onRefresh={setRefresh}
            onChange={(patch) => {
              change(patch);
              if ("end" in patch && patch.end === undefined) again();
            }}
          />
        </Group>
      </Group>
      {error && <Problem title="The query was refused" error={error} />}
      {data && data.notes.length > 0 && !error && (
        <Alert color="yellow" title="The server remarks">
          <List size="sm">
            {data.notes.map((n) => (
              <List.Item key={n}>{n}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      <Card withBorder padding="md" opacity={isFetching && data ? 0.75 : 1}>
        {state.expr === "" ? (
          <Empty>Type an expression and press Enter. Metric names complete as you type.</Empty>
        ) : error ? (
          <Empty>No result: see above.</Empty>
        ) : data ? (
          <Result
            result={data.data}
            grid={grid}
            onZoom={(from, to) => change({ end: to, span: Math.max(10, Math.round(to - from)) })}
          />
        ) : (
          <Empty>Loading…</Empty>
        )}
      </Card>
    </Stack>
  );
}

interface ResultProps {
  result: QueryResult;
  grid: Grid;
  onZoom: (start: number, end: number) => void;
}

/** Curves for the matrix of a range query, a table for everything else. */
function Result({ result, grid, onZoom }: ResultProps) {
  if (result.resultType !== "matrix") return <ResultTable result={result} />;
  if (result.result.length === 0)
    return <Empty>No series in this range. Look at an earlier end, a longer range, or at the matchers.</Empty>;
  return <Graph matrix={result.result} grid={grid} onZoom={onZoom} />;
}
