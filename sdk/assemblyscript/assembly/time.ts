import { Code, retry } from "./errors";
import { clock_time_get, scratch } from "./wasi";

let deadline: i64 = 0; // milliseconds of now; 0 if there is none

function now(): i64 {
  clock_time_get(1, 1000000, scratch);
  return load<i64>(scratch) / 1000000;
}

/** Begins a call for which the host waits so many milliseconds; 0 if it does not say. Some time is left to answer. */
export function begin(ms: f64): void {
  deadline = ms > 0 && ms < 86400e3 ? now() + <i64>(ms - Math.min(ms / 20, 100)) : 0;
}

/** Milliseconds until the plugin should give up, a little before the host stops it; i64.MAX_VALUE if the host did not say. */
export function leftMs(): i64 {
  return deadline == 0 ? i64.MAX_VALUE : max(0, deadline - now());
}

/** True while there is time, else the call fails with a timeout. Call it in long loops. */
export function inTime(): bool {
  return leftMs() > 0 || retry(Code.TIMEOUT, 0, "no time left");
}
