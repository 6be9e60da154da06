import { ActionIcon, Button, Group, Select, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { formatTime } from "../../lib/format";
import { formatSpanShort, neighbour, parseSpan } from "../../lib/timerange";
import type { QueryState, Tab } from "./useQueryState";

interface TimeControlsProps {
  tab: Tab;
  span: number;
  end: number | undefined;
  now: number;
  refresh: number;
  onRefresh: (seconds: number) => void;
  onChange: (patch: Partial<QueryState>) => void;
}

/** Which span the graph shows, where it ends, and how often it is asked again. */
export function TimeControls({ tab, span, end, now, refresh, onRefresh, onChange }: TimeControlsProps) {
  const [text, setText] = useState(formatSpanShort(span));
  useEffect(() => setText(formatSpanShort(span)), [span]);
  const commit = () => {
    const parsed = parseSpan(text);
    if (parsed) onChange({ span: parsed });
    else setText(formatSpanShort(span));
  };
  const at = end ?? now;
  return (
    <Group gap="md">
      {tab === "graph" && (
        <Group gap={4}>
          <ActionIcon
            variant="default"
            size="lg"
            aria-label="Shorter range"
            onClick={() => onChange({ span: neighbour(span, -1) })}
          >
            −
          </ActionIcon>
          <TextInput
            w={92}
            value={text}
            aria-label="Range"
            error={parseSpan(text) === undefined}
            onChange={(e) => setText(e.currentTarget.value)}
            onBlur={commit}
            onKeyDown={(e) => e.key === "Enter" && commit()}
          />
          <ActionIcon
            variant="default"
            size="lg"
            aria-label="Longer range"
            onClick={() => onChange({ span: neighbour(span, 1) })}
          >
            +
          </ActionIcon>
        </Group>
      )}
      <Group gap={4}>
        <ActionIcon variant="default" size="lg" aria-label="Earlier" onClick={() => onChange({ end: at - span / 2 })}>
          ‹
        </ActionIcon>
        <Button variant="default" px="sm" onClick={() => onChange({ end: undefined })} disabled={end === undefined}>
          {end === undefined ? "Until now" : `Until ${formatTime(end)} ✕`}
        </Button>
        <ActionIcon
          variant="default"
          size="lg"
          aria-label="Later"
          disabled={end === undefined}
          onClick={() => onChange({ end: at + span / 2 >= Date.now() / 1000 ? undefined : at + span / 2 })}
        >
          ›
        </ActionIcon>
      </Group>
      <Select
        w={150}
        aria-label="Refresh"
        allowDeselect={false}
        value={String(refresh)}
        onChange={(v) => onRefresh(Number(v))}
        data={[
          { value: "0", label: "No refresh" },
          { value: "5", label: "Every 5 s" },
          { value: "15", label: "Every 15 s" },
          { value: "60", label: "Every minute" },
        ]}
      />
    </Group>
  );
}
