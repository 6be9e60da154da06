import type { MatrixElement } from "../api/query";

/** Columns as uPlot takes them: times in unix seconds, then a column a series with null where it has no value. */
export type PlotData = [number[], ...(number | null)[][]];

/** Puts a matrix on its grid. Values that cannot be drawn (NaN, Inf) leave a gap. */
export function toPlotData(matrix: MatrixElement[], start: number, end: number, step: number): PlotData {
  const n = Math.floor((end - start) / step + 1e-9) + 1;
  const times = Array.from({ length: Math.max(n, 0) }, (_, i) => start + i * step);
  const columns = matrix.map((series) => {
    const column: (number | null)[] = new Array(times.length).fill(null);
    for (const [t, text] of series.values) {
      const v = Number(text);
      const i = Math.round((t - start) / step);
      if (i >= 0 && i < column.length && Number.isFinite(v)) column[i] = v;
    }
    return column;
  });
  return [times, ...columns];
}

const hues = [18, 205, 145, 275, 48, 330, 180, 95, 240, 0, 300, 65];

/** A colour for the i-th series, readable on light and dark: hues apart first, then lighter ones of the same. */
export function seriesColor(i: number): string {
  const round = Math.floor(i / hues.length) % 3;
  return `hsl(${hues[i % hues.length]} ${70 - round * 15}% ${48 + round * 10}%)`;
}
