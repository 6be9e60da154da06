//! How long the host waits for a call.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = Cell::new(None);
}

/// Begins a call for which the host waits so many milliseconds; 0 if it does not say. Some time is left to answer.
pub(crate) fn begin(ms: u64) {
    let give = ms > 0 && ms < 86_400_000;
    DEADLINE.with(|d| d.set(give.then(|| Instant::now() + Duration::from_millis(ms - (ms / 20).min(100)))));
}

/// How long the plugin may still work, a little less than the host will wait; `None` if the host did not say.
pub fn left() -> Option<Duration> {
    DEADLINE.with(|d| d.get()).map(|d| d.saturating_duration_since(Instant::now()))
}

/// `Ok` while there is time, else the error for the host. Call it in long loops.
pub fn in_time() -> Result<()> {
    match left() {
        Some(d) if d.is_zero() => Err(Error::retry(Code::Timeout, Duration::ZERO, "no time left")),
        _ => Ok(()),
    }
}
