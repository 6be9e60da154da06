import { Group, SegmentedControl, Skeleton, Stack, TextInput, Title } from "@mantine/core";
import { useSearchParams } from "wouter";
import { type Target, useTargets } from "../../api/targets";
import { Empty } from "../../components/Empty";
import { Problem } from "../../components/Problem";
import { PoolCard } from "./PoolCard";
import { matching, pools } from "./pools";

/** What hearth scrapes, by job; failing targets first. */
export function TargetsPage() {
  const { data, error, isPending } = useTargets();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? "all";
  const text = params.get("q") ?? "";
  const set = (name: string, value: string, standard: string) =>
    setParams(
      (old) => {
        const next = new URLSearchParams(old);
        if (value === standard) next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );

  if (isPending) return <Skeleton height={240} />;
  if (error) return <Problem title="Cannot list the targets" error={error} />;
  const all = data.activeTargets;
  const count = (health: Target["health"]) => all.filter((t) => t.health === health).length;
  const shown = pools(matching(all, state, text));
  return (
    <Stack maw={1500} mx="auto">
      <Group justify="space-between">
        <Title order={2}>Targets</Title>
        <Group>
          <TextInput
            placeholder="Filter by label, address or error"
            aria-label="Filter targets"
            value={text}
            onChange={(e) => set("q", e.currentTarget.value, "")}
            w={260}
          />
          <SegmentedControl
            aria-label="Health"
            value={state}
            onChange={(v) => set("state", v, "all")}
            data={[
              { value: "all", label: `All ${all.length}` },
              { value: "up", label: `Up ${count("up")}` },
              { value: "down", label: `Down ${count("down")}` },
              { value: "unknown", label: `Unknown ${count("unknown")}` },
            ]}
          />
        </Group>
      </Group>
      {all.length === 0 && <Empty>No targets. Add a [[scrape_configs]] entry to config.toml and reload.</Empty>}
      {all.length > 0 && shown.length === 0 && <Empty>No target matches this filter.</Empty>}
      {shown.map((p) => (
        <PoolCard key={p.name} pool={p} />
      ))}
    </Stack>
  );
}
