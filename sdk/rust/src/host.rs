//! What the host gives: the log, secrets, and the functions that plugins import.

use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Read};

use crate::error::{Code, Error, Result};

#[link(wasm_import_module = "hearth_v1")]
extern "C" {
    #[link_name = "log"]
    fn host_log(level: i32, line: *const u8, n: usize);
    fn net_attach(token: *const u8, n: usize, fd: i32) -> i32;
    fn net_status(fd: i32, reason: *mut u8, n: usize) -> i32;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug = -4,
    Info = 0,
    Warn = 4,
    Error = 8,
}

/// Writes a line to hearth's log, under the plugin's name.
pub fn log(level: Level, line: impl Display) {
    let line = line.to_string();
    // SAFETY: the host reads n bytes of a live string.
    unsafe { host_log(level as i32, line.as_ptr(), line.len()) }
}

/// Tells the host which descriptor an opened path of /net became. The error is one of WASI's numbers.
pub(crate) fn attach(token: &str, fd: i32) -> std::result::Result<(), i32> {
    // SAFETY: the host reads n bytes of a live string.
    match unsafe { net_attach(token.as_ptr(), token.len(), fd) } {
        0 => Ok(()),
        errno => Err(errno),
    }
}

/// How dialling goes.
pub(crate) enum Status {
    Connected,
    Dialling,
    Failed(String),
}

pub(crate) fn status(fd: i32) -> Status {
    let mut reason = [0u8; 512];
    // SAFETY: the host writes at most n bytes into a buffer that has them.
    match unsafe { net_status(fd, reason.as_mut_ptr(), reason.len()) } {
        0 => Status::Connected,
        -1 => Status::Dialling,
        n if n > 0 => Status::Failed(String::from_utf8_lossy(&reason[..(n as usize).min(reason.len())]).into_owned()),
        errno => Status::Failed(format!("net_status: error {}", -errno)),
    }
}

const MOST_SECRET: u64 = 1 << 20;

/// The secret of that name, without a line end at its end. It is read at each call, so that a new one counts at once: don't
/// keep it. One that is not granted is `Code::Denied`.
pub fn secret(name: &str) -> Result<String> {
    if name.is_empty() || name.starts_with('.') || name.contains(|c| c == '/' || c == '\0') {
        return Err(Error::new(Code::InvalidRequest, format!("secret: \"{}\" is not a name", name)));
    }
    let internal = |e: &dyn Display| Error::new(Code::Internal, format!("secret \"{}\": {}", name, e));
    let file = File::open(format!("/secrets/{}", name)).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            Error::new(Code::Denied, format!("secret \"{}\" is not granted: give it in the plugin's grant.secrets", name))
        }
        _ => internal(&e),
    })?;
    let mut text = String::new();
    file.take(MOST_SECRET + 1).read_to_string(&mut text).map_err(|e| internal(&e))?;
    if text.len() as u64 > MOST_SECRET {
        return Err(internal(&"it is larger than 1 MiB"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_string())
}
