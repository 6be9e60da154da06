import type { Labels } from "../api/client";

/** Writes a label set the way PromQL does: `up{instance="a", job="b"}`; names that need it are quoted. */
export function formatSeries(labels: Labels): string {
  const { __name__: name = "", ...rest } = labels;
  const plain = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
  const pairs = Object.keys(rest)
    .sort()
    .map((k) => `${/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(k) ? k : JSON.stringify(k)}=${JSON.stringify(rest[k])}`);
  if (name !== "" && !plain) pairs.unshift(JSON.stringify(name));
  if (plain && pairs.length === 0) return name;
  return `${plain ? name : ""}{${pairs.join(", ")}}`;
}

const units = [
  { over: 1e12, by: 1e12, suffix: "T" },
  { over: 1e9, by: 1e9, suffix: "G" },
  { over: 1e6, by: 1e6, suffix: "M" },
  { over: 1e4, by: 1e3, suffix: "k" },
];

/** Writes a number for an axis or a tooltip: at most `digits` significant digits, large ones with a suffix. */
export function formatNumber(v: number, digits = 4): string {
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(v);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return v.toExponential(2);
  for (const u of units) if (size >= u.over) return trim(v / u.by, digits) + u.suffix;
  return trim(v, digits);
}

function trim(v: number, digits: number): string {
  return Number.parseFloat(v.toPrecision(digits)).toString();
}

/** Writes a time (unix seconds) in the browser's zone, to the second. */
export function formatTime(seconds: number): string {
  const d = new Date(seconds * 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** Writes how long ago a time was, in one unit: `12 s ago`. */
export function formatAgo(thenMs: number, nowMs: number): string {
  if (!Number.isFinite(thenMs) || thenMs <= 0) return "never";
  const s = Math.max(0, (nowMs - thenMs) / 1000);
  if (s < 90) return `${Math.round(s)} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  if (s < 129600) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} d ago`;
}

/** Writes a span of seconds in the unit that suits it: `3.2 ms`. */
export function formatSpan(seconds: number): string {
  if (seconds < 1e-3) return `${Number.parseFloat((seconds * 1e6).toPrecision(3))} µs`;
  if (seconds < 1) return `${Number.parseFloat((seconds * 1e3).toPrecision(3))} ms`;
  return `${Number.parseFloat(seconds.toPrecision(3))} s`;
}
