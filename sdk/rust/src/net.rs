//! Connections over TCP, which the host makes.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::wasi::io::AsRawFd;
use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::host::{attach, status, Status};
use crate::time::{in_time, left};

/// A connection. Reads and writes give up when the call's time is over, with an error of the kind `TimedOut`. It may be kept
/// between calls; dropped it is closed.
pub struct Conn {
    file: File,
}

/// Connects to `HOST:PORT`; the host resolves the name. The manifest must ask for the address and the operator grant it.
pub fn dial(address: &str) -> Result<Conn> {
    thread_local!(static DIALS: Cell<u64> = Cell::new(0));
    let fail = |code, message: String| Error::new(code, message).of(format!("dial {}", address));
    in_time()?;
    let token = DIALS.with(|d| {
        d.set(d.get() + 1);
        d.get().to_string()
    });
    let file = OpenOptions::new().read(true).write(true).open(format!("/net/tcp/{}#{}", address, token)).map_err(|e| match e.kind() {
        ErrorKind::PermissionDenied => fail(Code::Denied, "permission denied".to_string()),
        ErrorKind::InvalidInput => fail(Code::InvalidRequest, "the address is not HOST:PORT".to_string()),
        ErrorKind::WouldBlock => Error::retry(Code::Unavailable, Duration::ZERO, format!("dial {}: too many connections are open", address)),
        _ => fail(Code::Internal, e.to_string()),
    })?;
    let fd = file.as_raw_fd();
    nonblocking(fd).and_then(|_| attach(&token, fd)).map_err(|errno| fail(Code::Internal, format!("error {}", errno)))?;
    loop {
        match status(fd) {
            Status::Connected => return Ok(Conn { file }),
            Status::Failed(why) => return Err(Error::retry(Code::Unavailable, Duration::ZERO, format!("dial {}: {}", address, why))),
            Status::Dialling => wait(fd, EVENT_WRITE)?,
        }
    }
}

impl Conn {
    /// Repeats what would block until it has done something.
    fn patiently(&self, event: u8, mut call: impl FnMut(&File) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match call(&self.file) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => wait(self.file.as_raw_fd(), event)?,
                // EIO is all that the host has to say of a broken connection.
                Err(e) if e.raw_os_error() == Some(ERRNO_IO) => return Err(io::Error::new(ErrorKind::ConnectionReset, "the connection is broken")),
                other => return other,
            }
        }
    }
}

impl Read for Conn {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.patiently(EVENT_READ, |mut f| f.read(buf))
    }
}

impl Write for Conn {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.patiently(EVENT_WRITE, |mut f| f.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Error> for io::Error {
    fn from(e: Error) -> io::Error {
        let kind = if e.code == Code::Timeout { ErrorKind::TimedOut } else { ErrorKind::Other };
        io::Error::new(kind, e.message)
    }
}

const ERRNO_IO: i32 = 29;
const NONBLOCK: u16 = 4;
const EVENT_CLOCK: u8 = 0;
const EVENT_READ: u8 = 1;
const EVENT_WRITE: u8 = 2;
const MONOTONIC: u64 = 1;

/// What poll_oneoff waits for: a descriptor, or (with `at` its clock and `more` the nanoseconds, a precision and flags) a time.
#[repr(C)]
struct Subscription {
    mark: u64,
    event: u8,
    at: u64,
    more: [u64; 3],
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn fd_fdstat_set_flags(fd: i32, flags: u16) -> i32;
    fn poll_oneoff(subscriptions: *const Subscription, events: *mut [u64; 4], n: usize, ready: *mut usize) -> i32;
}

fn nonblocking(fd: i32) -> std::result::Result<(), i32> {
    // SAFETY: no memory is passed.
    match unsafe { fd_fdstat_set_flags(fd, NONBLOCK) } {
        0 => Ok(()),
        errno => Err(errno),
    }
}

/// Waits until a descriptor is ready, or fails when the call's time is over.
fn wait(fd: i32, event: u8) -> Result<()> {
    in_time()?;
    let mut subscriptions = vec![Subscription { mark: 0, event, at: fd as u64, more: [0; 3] }];
    if let Some(left) = left() {
        subscriptions.push(Subscription { mark: 1, event: EVENT_CLOCK, at: MONOTONIC, more: [left.as_nanos() as u64, 0, 0] });
    }
    let mut events = [[0u64; 4]; 2];
    let mut ready = 0;
    // SAFETY: the host reads n subscriptions and writes at most n events, of which there are two.
    match unsafe { poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), subscriptions.len(), &mut ready) } {
        0 => in_time(),
        errno => Err(Error::new(Code::Internal, format!("poll_oneoff: error {}", errno))),
    }
}
