// What is imported from WASI's preview 1, and from the host. Results are numbers of errors; 0 is none.

@external("wasi_snapshot_preview1", "path_open")
export declare function path_open(dir: i32, look: i32, path: usize, n: usize, how: i32, rights: i64, inherit: i64, flags: i32, fd: usize): i32;
@external("wasi_snapshot_preview1", "fd_read")
export declare function fd_read(fd: i32, parts: usize, n: i32, done: usize): i32;
@external("wasi_snapshot_preview1", "fd_write")
export declare function fd_write(fd: i32, parts: usize, n: i32, done: usize): i32;
@external("wasi_snapshot_preview1", "fd_close")
export declare function fd_close(fd: i32): i32;
@external("wasi_snapshot_preview1", "clock_time_get")
export declare function clock_time_get(clock: i32, precision: i64, time: usize): i32;
@external("wasi_snapshot_preview1", "poll_oneoff")
export declare function poll_oneoff(subscriptions: usize, events: usize, n: i32, ready: usize): i32;

@external("hearth_v1", "log")
export declare function host_log(level: i32, line: usize, n: usize): void;
@external("hearth_v1", "net_attach")
export declare function net_attach(token: usize, n: usize, fd: i32): i32;
@external("hearth_v1", "net_status")
export declare function net_status(fd: i32, reason: usize, n: usize): i32;

export const ERRNO_ACCESS = 2;
export const ERRNO_AGAIN = 6;
export const ERRNO_INVALID = 28;
export const ERRNO_NO_ENTRY = 44;

export const RIGHT_READ: i64 = 1 << 1;
export const RIGHT_WRITE: i64 = 1 << 6;
export const NONBLOCK = 4;

/** Room for small results of the functions above. */
export const scratch: usize = memory.data(64, 8);

const ROOT = 3; // the folder / is the first descriptor

/** Opens a path from / on. Returns a descriptor, or an error's number as a negative one. */
export function open(path: string, rights: i64, flags: i32): i32 {
  const p = String.UTF8.encode(path);
  const errno = path_open(ROOT, 0, changetype<usize>(p), p.byteLength, 0, rights, 0, flags, scratch);
  return errno != 0 ? -errno : load<i32>(scratch);
}

/** Reads or writes n bytes at a place. Returns how many, or an error's number as a negative one. */
export function transfer(fd: i32, at: usize, n: usize, write: bool): i32 {
  store<usize>(scratch, at);
  store<usize>(scratch, n, 4);
  const errno = write ? fd_write(fd, scratch, 1, scratch + 8) : fd_read(fd, scratch, 1, scratch + 8);
  return errno != 0 ? -errno : load<i32>(scratch, 8);
}
