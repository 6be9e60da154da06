import { Box, Checkbox, Group, ScrollArea, Stack, Text, UnstyledButton, useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import type { Grid, MatrixElement } from "../../api/query";
import { formatNumber, formatSeries, formatTime } from "../../lib/format";
import { seriesColor, toPlotData } from "../../lib/series";
import classes from "./Graph.module.css";

interface GraphProps {
  matrix: MatrixElement[];
  grid: Grid;
  /** The user marked a span with the mouse; unix seconds. */
  onZoom: (start: number, end: number) => void;
}

interface Hover {
  series: number;
  time: number;
  value: number;
  left: number;
  top: number;
}

const height = 380;

// Tick labels by the distance of the ticks: text, then what a new year, month or day adds below it.
const timeTicks: uPlot.Axis.Values = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
];
const legendRows = 500;

/** Curves of a range query: crosshair with the nearest value, drag to zoom, click in the legend to single one out. */
export function Graph({ matrix, grid, onZoom }: GraphProps) {
  const { ref: frame, width } = useElementSize();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const [hover, setHover] = useState<Hover>();
  const [only, setOnly] = useState<number>();
  const [fromZero, setFromZero] = useState(false);
  const dark = useComputedColorScheme("light") === "dark";
  const names = useMemo(() => matrix.map((s) => formatSeries(s.metric)), [matrix]);
  const data = useMemo(() => toPlotData(matrix, grid.start, grid.end, grid.step), [matrix, grid]);

  // A new result is another set of series.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the effect is about the change itself
  useEffect(() => setOnly(undefined), [matrix]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: width follows by setSize below, the plot is not made anew
  useEffect(() => {
    if (!host.current || width === 0) return;
    const ink = dark ? "#b8b0aa" : "#5c5048";
    const lines = dark ? "#ffffff14" : "#00000012";
    const axis = { stroke: ink, grid: { stroke: lines, width: 1 }, ticks: { stroke: lines, width: 1 } };
    const made = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, focus: { prox: 1e6 }, points: { size: 7 } },
        focus: { alpha: 1 },
        scales: {
          x: { time: true, min: grid.start, max: grid.end },
          y: { range: (_, lo, hi) => yRange(lo, hi, fromZero) },
        },
        axes: [
          { ...axis, values: timeTicks, space: 80 },
          { ...axis, size: 64, values: (_, ticks) => ticks.map((v) => formatNumber(v)) },
        ],
        series: [
          {},
          ...matrix.map((_, i) => ({
            stroke: seriesColor(i),
            width: 1.5,
            spanGaps: false,
            show: only === undefined || only === i,
            points: { show: matrix.length <= 20 ? undefined : false },
          })),
        ],
        hooks: {
          setCursor: [(u) => setHover(nearest(u))],
          setSelect: [
            (u) => {
              if (u.select.width < 5) return;
              zoom.current(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
        },
      },
      data as uPlot.AlignedData,
      host.current,
    );
    plot.current = made;
    return () => {
      plot.current = null;
      setHover(undefined);
      made.destroy();
    };
  }, [data, matrix, grid, dark, only, fromZero, width === 0]);

  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height });
  }, [width]);

  return (
    <Stack gap="xs">
      <Box ref={frame} pos="relative" data-testid="graph">
        <div ref={host} />
        {hover && (
          <div className={classes.tip} style={tipPlace(hover, width)} role="status">
            <Text size="xs" c="dimmed">
              {formatTime(hover.time)}
            </Text>
            <Text size="sm" fw={600}>
              <span className={classes.dot} style={{ background: seriesColor(hover.series) }} />
              {formatNumber(hover.value, 6)}
            </Text>
            <Text size="xs" className={classes.name}>
              {names[hover.series]}
            </Text>
          </div>
        )}
      </Box>
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          {matrix.length} series{only !== undefined && ", one shown: click it again for all"}
        </Text>
        <Checkbox
          size="xs"
          label="Start at zero"
          checked={fromZero}
          onChange={(e) => setFromZero(e.currentTarget.checked)}
        />
      </Group>
      <ScrollArea.Autosize mah={260} type="auto">
        {names.slice(0, legendRows).map((name, i) => (
          <UnstyledButton
            key={name}
            className={classes.legend}
            data-off={only !== undefined && only !== i ? true : undefined}
            aria-pressed={only === i}
            onClick={() => setOnly(only === i ? undefined : i)}
          >
            <span className={classes.dot} style={{ background: seriesColor(i) }} />
            <span className={classes.name}>{name}</span>
          </UnstyledButton>
        ))}
        {names.length > legendRows && (
          <Text size="sm" c="dimmed">
            and {names.length - legendRows} more
          </Text>
        )}
      </ScrollArea.Autosize>
    </Stack>
  );
}

/** Room above and below the values, so that a flat line is not drawn on the edge. */
function yRange(lo: number | null, hi: number | null, fromZero: boolean): [number, number] {
  if (lo === null || hi === null) return [0, 1];
  if (fromZero) [lo, hi] = [Math.min(lo, 0), Math.max(hi, 0)];
  const pad = hi === lo ? Math.abs(hi) * 0.1 || 1 : (hi - lo) * 0.05;
  return [fromZero && lo === 0 ? 0 : lo - pad, hi + pad];
}

/** The value under the crosshair that is nearest to the pointer. */
function nearest(u: uPlot): Hover | undefined {
  const { idx, left = -1, top = -1 } = u.cursor;
  if (idx === null || idx === undefined || left < 0) return undefined;
  let best: Hover | undefined;
  let distance = Number.POSITIVE_INFINITY;
  for (let s = 1; s < u.data.length; s++) {
    const v = u.data[s]?.[idx];
    if (v === null || v === undefined || !u.series[s]?.show) continue;
    const d = Math.abs(u.valToPos(v, "y") - top);
    if (d < distance) {
      distance = d;
      best = { series: s - 1, time: u.data[0][idx] ?? 0, value: v, left: left + u.bbox.left / devicePixelRatio, top };
    }
  }
  return best;
}

function tipPlace(h: Hover, width: number) {
  return h.left > width / 2
    ? { right: width - h.left + 14, top: Math.max(0, h.top - 20) }
    : { left: h.left + 14, top: Math.max(0, h.top - 20) };
}
