import { Code, fail, forget } from "./errors";
import { decode } from "./text";
import { ERRNO_ACCESS, ERRNO_NO_ENTRY, RIGHT_READ, fd_close, host_log, open, transfer } from "./wasi";

/** Levels of the log. */
export enum Level {
  DEBUG = -4,
  INFO = 0,
  WARN = 4,
  ERROR = 8,
}

/** Writes a line to hearth's log, under the plugin's name. */
export function log(level: Level, line: string): void {
  const b = String.UTF8.encode(line);
  host_log(level, changetype<usize>(b), b.byteLength);
}

const MOST_SECRET = 1 << 20;

/**
 * A secret, without a line end at its end; null and the error DENIED if it is not granted. It is read at each call, so that a
 * new one counts at once: don't keep it.
 */
export function secret(name: string): string | null {
  if (name.length == 0 || name.startsWith(".") || name.includes("/")) {
    fail(Code.INVALID_REQUEST, 'secret: "' + name + '" is not a name');
    return null;
  }
  const fd = open("secrets/" + name, RIGHT_READ, 0);
  if (fd == -ERRNO_ACCESS || fd == -ERRNO_NO_ENTRY) {
    fail(Code.DENIED, 'secret "' + name + "\" is not granted: give it in the plugin's grant.secrets");
    return null;
  }
  let n = fd < 0 ? fd : 1;
  let all = 0;
  const room = heap.alloc(MOST_SECRET + 1); // not of the collector's: only its address is at hand
  while (n > 0 && all <= MOST_SECRET) {
    n = transfer(fd, room + all, MOST_SECRET + 1 - all, false);
    all += n;
  }
  if (fd >= 0) fd_close(fd);
  let text = n == 0 ? decode(room, all) : "";
  heap.free(room);
  if (n != 0) {
    fail(Code.INTERNAL, 'secret "' + name + '": ' + (n < 0 ? "error " + (-n).toString() : "it is larger than 1 MiB"));
    return null;
  }
  if (text.endsWith("\n")) text = text.slice(0, -1);
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

/** Whether a secret is granted. */
export function hasSecret(name: string): bool {
  if (secret(name) != null) return true;
  forget();
  return false;
}

/** What the compiler calls where the language has an error, as an index out of range: it ends the instance. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const words = (message == null ? "aborted" : message) + " at " + (file == null ? "?" : file) + ":" + line.toString() + ":" + column.toString() + "\n";
  const b = String.UTF8.encode(words);
  transfer(2, changetype<usize>(b), b.byteLength, true);
  unreachable();
}
