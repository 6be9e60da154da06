//! How calls fail.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

pub type Result<T> = std::result::Result<T, Error>;

/// What kind of error it is, which decides what the host and the operator do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The settings or the request are wrong; the operator must change something.
    InvalidRequest,
    /// A right is missing: in the grant, or at the other end.
    Denied,
    /// The other end does not know who asks.
    Unauthenticated,
    /// The other end can't be reached or has trouble.
    Unavailable,
    /// No time left.
    Timeout,
    /// The plugin has no such operation.
    Unimplemented,
    /// The plugin has no such function.
    UnknownFunction,
    /// A fault of the plugin.
    Internal,
}

impl Code {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid_request",
            Code::Denied => "denied",
            Code::Unauthenticated => "unauthenticated",
            Code::Unavailable => "unavailable",
            Code::Timeout => "timeout",
            Code::Unimplemented => "unimplemented",
            Code::UnknownFunction => "unknown_function",
            Code::Internal => "internal",
        }
    }
}

/// An error that the host understands. The message is for the operator and holds no secrets.
#[derive(Clone, Debug)]
pub struct Error {
    pub code: Code,
    pub message: String,
    /// The same call may succeed later.
    pub retryable: bool,
    /// How long to wait at least before that; zero leaves it to the host.
    pub retry_after: Duration,
}

impl Error {
    /// An error that will come again.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), retryable: false, retry_after: Duration::ZERO }
    }

    /// An error that may pass.
    pub fn retry(code: Code, after: Duration, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), retryable: true, retry_after: after }
    }

    /// The same error with what was tried before its message.
    pub fn of(mut self, what: impl fmt::Display) -> Error {
        self.message = format!("{}: {}", what, self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Time-outs and trouble with the network are retryable, missing rights are denied, everything else is internal.
impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        let message = e.to_string();
        match e.kind() {
            ErrorKind::TimedOut => Error::retry(Code::Timeout, Duration::ZERO, message),
            ErrorKind::PermissionDenied => Error::new(Code::Denied, message),
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
            | ErrorKind::UnexpectedEof => Error::retry(Code::Unavailable, Duration::ZERO, message),
            _ => Error::new(Code::Internal, message),
        }
    }
}
