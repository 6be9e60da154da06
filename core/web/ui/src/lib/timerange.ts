import type { Grid } from "../api/query";

/** Points a graph asks for at the most: about one for each two pixels of a wide screen. */
export const maxPoints = 600;

/** The spans offered for a graph, in seconds. */
export const spans = [
  300, 900, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000,
];

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

/** Reads a span such as 90s, 1h30m or 2d; undefined if it is not one. */
export function parseSpan(text: string): number | undefined {
  const t = text.trim();
  if (!/^(\d+[smhdwy])+$/.test(t)) return undefined;
  let sum = 0;
  for (const m of t.matchAll(/(\d+)([smhdwy])/g)) sum += Number(m[1]) * (unitSeconds[m[2] ?? "s"] ?? 1);
  return sum > 0 ? sum : undefined;
}

/** Writes a span the way parseSpan reads it, largest units first. */
export function formatSpanShort(seconds: number): string {
  let left = Math.max(1, Math.round(seconds));
  let out = "";
  for (const [unit, size] of [
    ["d", 86400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const n = Math.floor(left / size);
    if (n > 0) out += `${n}${unit}`;
    left -= n * size;
  }
  return out;
}

/** The next shorter or longer span offered. */
export function neighbour(span: number, direction: -1 | 1): number {
  const candidates = spans.filter((s) => (direction > 0 ? s > span : s < span));
  return (direction > 0 ? candidates[0] : candidates[candidates.length - 1]) ?? span;
}

/** The grid of a graph that ends at `end`: whole seconds, aligned to the step so that panning keeps the points. */
export function gridFor(span: number, end: number): Grid {
  const step = Math.max(1, Math.ceil(span / maxPoints));
  const last = Math.floor(end / step) * step;
  return { start: last - Math.floor(span / step) * step, end: last, step };
}
