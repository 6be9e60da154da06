//! What authors of hearth plugins in Rust import. A plugin is a type that implements [`Plugin`], and one line:
//!
//! ```ignore
//! use hearth::{Plugin, Result, Settings, Writer};
//!
//! struct Acme;
//!
//! impl Plugin for Acme {
//!     const EXPORTER: bool = true;
//!
//!     fn configure(_: &mut Settings) -> Result<Self> {
//!         Ok(Acme)
//!     }
//!
//!     fn collect(&mut self, _address: &str, w: &mut Writer) -> Result<()> {
//!         w.gauge("acme_up", "Whether the thing answers.", &[]).sample(1.0, &[]);
//!         Ok(())
//!     }
//! }
//!
//! hearth::plugin!(Acme);
//! ```
//!
//! Built as a `cdylib` for `wasm32-wasi` it is the WebAssembly module that hearth runs in a sandbox. An instance answers one
//! call at a time, and nothing runs between calls; a panic costs the instance. The contract beneath is `sdk/abi/ABI.md`;
//! README.md beside Cargo.toml is the manual. This crate needs the standard library alone.

mod batch;
mod error;
pub mod export;
mod host;
pub mod json;
mod metric;
mod net;
mod settings;
mod time;

pub use batch::{is_missing, Argument, Batch, Window, Windows, MISSING};
pub use error::{Code, Error, Result};
pub use host::{log, secret, Level};
pub use metric::{Bucket, Family, Writer};
pub use net::{dial, Conn};
pub use settings::Settings;
pub use time::{in_time, left};

/// What a program serves.
pub trait Plugin: Sized + 'static {
    /// Whether it is an exporter, which implements `collect`.
    const EXPORTER: bool = false;

    /// Its functions of PromQL, by the names the manifest has.
    const FUNCTIONS: &'static [(&'static str, Function<Self>)] = &[];

    /// Makes the plugin of the operator's settings, once, before anything else. Settings that were not asked for are errors.
    fn configure(settings: &mut Settings) -> Result<Self>;

    /// Writes the metrics of one target, whose address is as the operator wrote it.
    fn collect(&mut self, address: &str, w: &mut Writer) -> Result<()> {
        let _ = (address, w);
        Err(Error::new(Code::Internal, "an exporter without collect"))
    }
}

/// Computes a function of PromQL for many series: it sets `b.out(i)` of each, whose cells are [`MISSING`] before.
pub type Function<P> = fn(&mut P, &mut Batch<'_>) -> Result<()>;
