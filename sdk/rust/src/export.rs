//! The exports of the ABI, which [`plugin!`](crate::plugin) puts into a program.

use std::cell::RefCell;

use crate::batch;
use crate::error::{Code, Error, Result};
use crate::json::{self, Value};
use crate::metric::Writer;
use crate::settings::Settings;
use crate::{time, Plugin};

/// Makes a program the plugin that a type is. Use it once.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        std::thread_local! {
            static HEARTH_INSTANCE: std::cell::RefCell<$crate::export::Instance<$plugin>> = std::default::Default::default();
        }

        #[no_mangle]
        pub extern "C" fn hearth_abi_v1() -> i32 {
            $crate::export::MINOR
        }

        #[no_mangle]
        pub extern "C" fn hearth_alloc(n: u32) -> *mut u8 {
            $crate::export::alloc(n)
        }

        #[no_mangle]
        pub extern "C" fn hearth_describe() -> u64 {
            HEARTH_INSTANCE.with(|i| i.borrow_mut().describe())
        }

        /// # Safety
        /// The request must lie in memory, as hearth_alloc gave it.
        #[no_mangle]
        pub unsafe extern "C" fn hearth_configure(request: *const u8, n: u32) -> u64 {
            HEARTH_INSTANCE.with(|i| i.borrow_mut().configure(request, n))
        }

        /// # Safety
        /// The request must lie in memory, as hearth_alloc gave it.
        #[no_mangle]
        pub unsafe extern "C" fn hearth_collect(request: *const u8, n: u32) -> u64 {
            HEARTH_INSTANCE.with(|i| i.borrow_mut().collect(request, n))
        }

        /// # Safety
        /// The request must lie in memory, as hearth_alloc gave it.
        #[no_mangle]
        pub unsafe extern "C" fn hearth_eval(request: *const u8, n: u32) -> u64 {
            HEARTH_INSTANCE.with(|i| i.borrow_mut().eval(request, n))
        }
    };
}

/// The minor version of the ABI.
pub const MINOR: i32 = 1;
const ABI: &str = "1.1";

const MAX_BYTES: usize = 16 << 20;

/// Returns a buffer for a request of n bytes, aligned to 8 and valid until the next; null if n is more than a request may have.
pub fn alloc(n: u32) -> *mut u8 {
    thread_local!(static REQUEST: RefCell<Vec<u64>> = RefCell::new(Vec::new()));
    if n as usize > MAX_BYTES {
        return std::ptr::null_mut();
    }
    REQUEST.with(|r| {
        let mut r = r.borrow_mut();
        let words = (n as usize + 7) / 8;
        if r.len() < words.max(1) {
            *r = Vec::new(); // before more is taken
            r.resize(words.max(1), 0);
        }
        r.as_mut_ptr() as *mut u8
    })
}

/// One plugin and the bytes of its last answer.
pub struct Instance<P> {
    plugin: Option<P>, // once it is configured
    out: Vec<u8>,
    cells: Vec<f64>,
}

impl<P> Default for Instance<P> {
    fn default() -> Self {
        Instance { plugin: None, out: Vec::new(), cells: Vec::new() }
    }
}

/// # Safety
/// The bytes must be alive and unchanged as long as the result is used; null is allowed if n is 0.
unsafe fn bytes<'a>(at: *const u8, n: u32) -> &'a [u8] {
    if n == 0 {
        return &[];
    }
    std::slice::from_raw_parts(at, n as usize)
}

fn packed<T>(at: &[T], failed: bool) -> u64 {
    (failed as u64) << 63 | (at.as_ptr() as usize as u64) << 32 | std::mem::size_of_val(at) as u64
}

fn object(what: &str, text: &[u8]) -> Result<Value> {
    match json::parse(text) {
        Some(v @ Value::Object(_)) => Ok(v),
        _ => Err(Error::new(Code::InvalidRequest, format!("{} not a JSON object", what))),
    }
}

impl<P: Plugin> Instance<P> {
    fn answer(&mut self, result: Result<Vec<u8>>) -> u64 {
        let result = result.and_then(|out| match out.len() {
            0..=MAX_BYTES => Ok(out),
            n => Err(Error::new(Code::Internal, format!("the answer has {} bytes, at most {} are allowed", n, MAX_BYTES))),
        });
        let failed = result.is_err();
        self.out = result.unwrap_or_else(|e| body(&e));
        packed(&self.out, failed)
    }

    /// Answers hearth_describe.
    pub fn describe(&mut self) -> u64 {
        let mut out = format!("{{\"abi\":\"{}\",\"sdk\":\"rust\",\"kinds\":[", ABI);
        let function = (!P::FUNCTIONS.is_empty()).then(|| "\"function\"");
        out.push_str(&P::EXPORTER.then(|| "\"exporter\"").into_iter().chain(function).collect::<Vec<_>>().join(","));
        out.push_str("],\"functions\":[");
        for (i, (name, _)) in P::FUNCTIONS.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            json::quote(&mut out, name);
        }
        out.push_str("]}");
        self.answer(Ok(out.into_bytes()))
    }

    fn configured(&mut self, settings: Value) -> Result<&mut P> {
        let members = match settings {
            Value::Object(members) => members,
            _ => Vec::new(),
        };
        let mut settings = Settings::new(members);
        let plugin = P::configure(&mut settings)?;
        settings.finish()?;
        Ok(self.plugin.insert(plugin))
    }

    /// The plugin, configured now if the host had no settings for it.
    fn ready(&mut self) -> Result<&mut P> {
        if self.plugin.is_none() {
            self.configured(Value::Null)?;
        }
        Ok(self.plugin.as_mut().expect("configured"))
    }

    /// Answers hearth_configure.
    ///
    /// # Safety
    /// The request must be n bytes of memory.
    pub unsafe fn configure(&mut self, request: *const u8, n: u32) -> u64 {
        time::begin(0);
        let settings = match n {
            0 => Ok(Value::Null),
            _ => object("settings: they are", bytes(request, n)),
        };
        let result = settings.and_then(|s| match self.plugin {
            Some(_) => Err(Error::new(Code::InvalidRequest, "configured already")),
            None => self.configured(s).map(|_| Vec::new()),
        });
        self.answer(result)
    }

    /// Answers hearth_collect.
    ///
    /// # Safety
    /// The request must be n bytes of memory.
    pub unsafe fn collect(&mut self, request: *const u8, n: u32) -> u64 {
        let result = self.collected(bytes(request, n));
        self.answer(result)
    }

    fn collected(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        if !P::EXPORTER {
            return Err(Error::new(Code::Unimplemented, "this plugin has no operation \"collect\""));
        }
        let request = object("collect: the request is", request)?;
        time::begin(request.get("deadline_ms").and_then(Value::as_f64).unwrap_or(0.0) as u64);
        let mut w = Writer::default();
        self.ready()?.collect(request.get("address").and_then(Value::as_str).unwrap_or(""), &mut w)?;
        w.finish()
    }

    /// Answers hearth_eval.
    ///
    /// # Safety
    /// The request must be n bytes of memory.
    pub unsafe fn eval(&mut self, request: *const u8, n: u32) -> u64 {
        match self.evaluated(bytes(request, n)) {
            Ok(()) => packed(&self.cells, false),
            Err(e) => self.answer(Err(e)),
        }
    }

    fn evaluated(&mut self, request: &[u8]) -> Result<()> {
        if P::FUNCTIONS.is_empty() {
            return Err(Error::new(Code::Unimplemented, "this plugin has no operation \"eval\""));
        }
        let mut cells = std::mem::take(&mut self.cells);
        let mut parsed = batch::parse(request, &mut cells)?;
        let (_, compute) = P::FUNCTIONS.iter().find(|(name, _)| *name == parsed.name).ok_or_else(|| {
            Error::new(Code::UnknownFunction, format!("this plugin has no function \"{}\"", parsed.name))
        })?;
        time::begin(parsed.deadline_ms);
        compute(self.ready()?, &mut parsed.batch)?;
        self.cells = cells;
        Ok(())
    }
}

fn body(e: &Error) -> Vec<u8> {
    let mut out = format!("{{\"code\":\"{}\",\"message\":", e.code.text());
    json::quote(&mut out, &e.message);
    if e.retryable {
        out.push_str(",\"retryable\":true");
    }
    if !e.retry_after.is_zero() {
        out.push_str(&format!(",\"retry_after_ms\":{}", e.retry_after.as_millis()));
    }
    out.push('}');
    out.into_bytes()
}
