import { Code, fail, retry } from "./errors";
import { decode } from "./text";
import { inTime, leftMs } from "./time";
import {
  ERRNO_ACCESS,
  ERRNO_AGAIN,
  ERRNO_INVALID,
  NONBLOCK,
  RIGHT_READ,
  RIGHT_WRITE,
  fd_close,
  net_attach,
  net_status,
  open,
  poll_oneoff,
  transfer,
} from "./wasi";

const EVENT_READ: u8 = 1;
const EVENT_WRITE: u8 = 2;
const POLL_RIGHT: i64 = 1 << 27;
const REASON = 512;
const reason: usize = memory.data(REASON);

let dials: u32 = 0;

/**
 * Connects to HOST:PORT on TCP; the host resolves the name. The manifest must ask for the address and the operator grant it.
 * Null after an error.
 */
export function dial(address: string): Conn | null {
  if (!inTime()) return null;
  const token = (++dials).toString();
  const what = "dial " + address + ": ";
  const fd = open("net/tcp/" + address + "#" + token, RIGHT_READ | RIGHT_WRITE | POLL_RIGHT, NONBLOCK);
  if (fd < 0) {
    if (fd == -ERRNO_ACCESS) fail(Code.DENIED, what + "permission denied");
    else if (fd == -ERRNO_AGAIN) retry(Code.UNAVAILABLE, 0, what + "too many connections are open");
    else if (fd == -ERRNO_INVALID) fail(Code.INVALID_REQUEST, what + "the address is not HOST:PORT");
    else fail(Code.INTERNAL, what + "error " + (-fd).toString());
    return null;
  }
  const name = String.UTF8.encode(token);
  const errno = net_attach(changetype<usize>(name), name.byteLength, fd);
  if (errno != 0) fail(Code.INTERNAL, what + "error " + errno.toString());
  else if (connected(fd, what)) return new Conn(fd);
  fd_close(fd);
  return null;
}

/** Waits until the host has dialled. */
function connected(fd: i32, what: string): bool {
  while (true) {
    const status = net_status(fd, reason, REASON);
    if (status == 0) return true;
    if (status > 0) return retry(Code.UNAVAILABLE, 0, what + decode(reason, status));
    if (status < -1) return fail(Code.INTERNAL, what + "error " + (-status).toString());
    if (!wait(fd, EVENT_WRITE)) return false;
  }
}

const subscriptions: usize = memory.data(96, 8);
const events: usize = memory.data(72, 8);

/** Waits until a descriptor is ready; fails when the call's time is over. */
function wait(fd: i32, event: u8): bool {
  const left = leftMs();
  if (left == 0) return inTime();
  memory.fill(subscriptions, 0, 96);
  store<u8>(subscriptions, event, 8);
  store<i32>(subscriptions, fd, 16);
  // The second one is a clock, the monotonic, from now on.
  store<i32>(subscriptions, 1, 48 + 16);
  store<i64>(subscriptions, min(left, 86400000) * 1000000, 48 + 24);
  const errno = poll_oneoff(subscriptions, events, left == i64.MAX_VALUE ? 1 : 2, events + 64);
  return errno == 0 ? inTime() : fail(Code.INTERNAL, "poll_oneoff: error " + errno.toString());
}

/** A connection. All it does gives up when the call's time is over. It stays open between calls until it is closed. */
export class Conn {
  private buffer: StaticArray<u8> = new StaticArray<u8>(4096);
  private at: i32 = 0;
  private end: i32 = 0;

  constructor(private fd: i32) {}

  close(): void {
    fd_close(this.fd);
  }

  /** Writes a text as UTF-8. */
  write(text: string): bool {
    const b = String.UTF8.encode(text);
    return this.writeBytes(changetype<usize>(b), b.byteLength);
  }

  /** Writes n bytes of memory. */
  writeBytes(at: usize, n: usize): bool {
    while (n > 0) {
      const k = transfer(this.fd, at, n, true);
      if (k >= 0) {
        at += k;
        n -= k;
      } else if (k != -ERRNO_AGAIN) return retry(Code.UNAVAILABLE, 0, "write: the connection is broken");
      else if (!wait(this.fd, EVENT_WRITE)) return false;
    }
    return true;
  }

  /** Reads what there is into the buffer: how many bytes, 0 at the end of the stream, -1 after an error. */
  private fill(): i32 {
    while (true) {
      const k = transfer(this.fd, changetype<usize>(this.buffer), this.buffer.length, false);
      if (k >= 0) {
        this.at = 0;
        this.end = k;
        return k;
      }
      if (k != -ERRNO_AGAIN) {
        retry(Code.UNAVAILABLE, 0, "read: the connection is broken");
        return -1;
      }
      if (!wait(this.fd, EVENT_READ)) return -1;
    }
  }

  /** Reads up to n bytes to a place in memory: how many, 0 at the end of the stream, -1 after an error. */
  readBytes(at: usize, n: i32): i32 {
    if (this.at == this.end) {
      const k = this.fill();
      if (k <= 0) return k;
    }
    const k = min(n, this.end - this.at);
    memory.copy(at, changetype<usize>(this.buffer) + this.at, k);
    this.at += k;
    return k;
  }

  /** Reads n bytes as text; null after an error, of which the end of the stream is one. */
  readText(n: i32): string | null {
    const room = heap.alloc(n); // not of the collector's: only its address is at hand
    let text: string | null = null;
    if (this.readAll(room, n)) text = decode(room, n);
    heap.free(room);
    return text;
  }

  /** Reads n bytes to a place in memory. */
  private readAll(at: usize, n: i32): bool {
    for (let done = 0; done < n; ) {
      const k = this.readBytes(at + done, n - done);
      if (k < 0) return false;
      if (k == 0) return retry(Code.UNAVAILABLE, 0, "read: the server closed the connection");
      done += k;
    }
    return true;
  }

  /** Reads a line, without its end, of at most so many bytes; null after an error. */
  readLine(most: i32 = 4096): string | null {
    const room = heap.alloc(most);
    let line: string | null = null;
    let n = 0;
    let sound = true;
    while (n < most && sound && (n == 0 || load<u8>(room + n - 1) != 0x0a)) {
      sound = this.readAll(room + n, 1);
      n++;
    }
    if (sound && load<u8>(room + n - 1) != 0x0a) fail(Code.INTERNAL, "read: a line has more than " + most.toString() + " bytes");
    else if (sound) line = decode(room, n > 1 && load<u8>(room + n - 2) == 0x0d ? n - 2 : n - 1);
    heap.free(room);
    return line;
  }
}
