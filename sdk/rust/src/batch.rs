//! Batches: many series at once, and the steps at which a function of PromQL is to be computed. Nothing is copied: what the
//! methods return lies where the host has written it.

use crate::error::{Code, Error, Result};

/// No value, in data and in results. It is a NaN, so ask [`is_missing`] and do not compare.
// SAFETY: all bits are a number. (f64::from_bits is not const before Rust 1.83.)
pub const MISSING: f64 = unsafe { std::mem::transmute(MISSING_BITS) };

const MISSING_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Tells whether there is no value.
#[inline]
pub fn is_missing(v: f64) -> bool {
    v.to_bits() == MISSING_BITS
}

/// An argument besides the data.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// One number, or one for each step.
    Numbers(&'a [f64]),
    Text(&'a str),
}

/// What a [`Function`](crate::Function) is called with.
pub struct Batch<'a> {
    series: usize,
    steps: usize,
    start: i64,
    step: i64,
    range: i64,
    values: &'a [f64],
    offsets: &'a [u32],
    times: &'a [i64],
    samples: &'a [f64],
    arguments: Vec<Argument<'a>>,
    out: &'a mut [f64],
}

impl<'a> Batch<'a> {
    /// The number of series.
    #[inline]
    pub fn series(&self) -> usize {
        self.series
    }

    /// The number of steps.
    #[inline]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The time of a step in Unix milliseconds: for a function of range vectors the end of its window.
    #[inline]
    pub fn time(&self, step: usize) -> i64 {
        self.start + step as i64 * self.step
    }

    /// The width of the windows in milliseconds, of a function of range vectors: a window is (time - range, time].
    #[inline]
    pub fn range(&self) -> i64 {
        self.range
    }

    /// The values of a series at each step, of a function of instant vectors. Some may be [`MISSING`].
    #[inline]
    pub fn values(&self, series: usize) -> &'a [f64] {
        &self.values[series * self.steps..][..self.steps]
    }

    /// The samples of a series that lie in any window, of a function of range vectors: times in Unix milliseconds, rising, and
    /// values.
    #[inline]
    pub fn samples(&self, series: usize) -> (&'a [i64], &'a [f64]) {
        let of = self.offsets[series] as usize..self.offsets[series + 1] as usize;
        (&self.times[of.clone()], &self.samples[of])
    }

    /// Where the result for a series goes, a cell for each step.
    #[inline]
    pub fn out(&mut self, series: usize) -> &mut [f64] {
        &mut self.out[series * self.steps..][..self.steps]
    }

    /// The windows of a series that have samples, step by step.
    #[inline]
    pub fn windows(&self, series: usize) -> Windows<'a> {
        let (times, samples) = self.samples(series);
        Windows { times, samples, at: self.start, step: self.step, range: self.range, steps: self.steps, next: 0, lo: 0, hi: 0 }
    }

    /// The arguments besides the data.
    pub fn arguments(&self) -> &[Argument<'a>] {
        &self.arguments
    }

    /// Argument i, a scalar, at a step; `standard` if it was left out.
    #[inline]
    pub fn number(&self, i: usize, step: usize, standard: f64) -> f64 {
        match self.arguments.get(i) {
            Some(Argument::Numbers([one])) => *one,
            Some(Argument::Numbers(all)) => all[step],
            _ => standard,
        }
    }

    /// Argument i, a string; `standard` if it was left out.
    pub fn text(&self, i: usize, standard: &'a str) -> &'a str {
        match self.arguments.get(i) {
            Some(Argument::Text(s)) => s,
            _ => standard,
        }
    }
}

/// The samples of one series at one step.
pub struct Window<'a> {
    pub step: usize,
    pub times: &'a [i64],
    pub samples: &'a [f64],
}

/// Walks over windows, see [`Batch::windows`].
pub struct Windows<'a> {
    times: &'a [i64],
    samples: &'a [f64],
    at: i64,
    step: i64,
    range: i64,
    steps: usize,
    next: usize,
    lo: usize,
    hi: usize,
}

impl<'a> Iterator for Windows<'a> {
    type Item = Window<'a>;

    #[inline]
    fn next(&mut self) -> Option<Window<'a>> {
        while self.next < self.steps {
            let (step, end) = (self.next, self.at);
            self.next += 1;
            self.at += self.step;
            while self.hi < self.times.len() && self.times[self.hi] <= end {
                self.hi += 1;
            }
            while self.lo < self.hi && self.times[self.lo] <= end - self.range {
                self.lo += 1;
            }
            if self.lo < self.hi {
                return Some(Window { step, times: &self.times[self.lo..self.hi], samples: &self.samples[self.lo..self.hi] });
            }
        }
        None
    }
}

const MAGIC: u32 = 0x3154_4248;
const HEAD: usize = 56;
const SAMPLES: u32 = 1;
const MAX_CELLS: u64 = (16 << 20) / 8;

/// A batch as the host writes it: whose function, by when.
pub(crate) struct Parsed<'a> {
    pub name: &'a str,
    pub deadline_ms: u64,
    pub batch: Batch<'a>,
}

/// Reads a batch, for which `cells` gets the results.
pub(crate) fn parse<'a>(request: &'a [u8], cells: &'a mut Vec<f64>) -> Result<Parsed<'a>> {
    let mut r = Parts { rest: request };
    let head = r.take(HEAD as u64)?;
    let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let i64_at = |at: usize| u32_at(at) as i64 | (u32_at(at + 4) as i64) << 32;
    if u32_at(0) != MAGIC {
        return malformed("it does not begin as one");
    }
    let (series, steps, samples) = (u32_at(8), u32_at(12), u32_at(40));
    let all = series as u64 * steps as u64;
    let name = r.text(u32_at(48))?;
    let mut arguments = Vec::new();
    for _ in 0..u32_at(44) {
        arguments.push(r.argument(steps)?);
    }
    if all > MAX_CELLS {
        return Err(Error::new(Code::InvalidRequest, format!("eval: {} series at {} steps are more than {} cells", series, steps, MAX_CELLS)));
    }
    let (mut values, mut offsets, mut times, mut data): (&[f64], &[u32], &[i64], &[f64]) = (&[], &[], &[], &[]);
    match u32_at(4) {
        0 => values = r.numbers(all)?,
        SAMPLES => {
            offsets = r.numbers(series as u64 + 1)?;
            times = r.numbers(samples as u64)?;
            data = r.numbers(samples as u64)?;
            if offsets.windows(2).any(|o| o[0] > o[1]) || offsets[0] != 0 || offsets[series as usize] != samples {
                return malformed("its series are not all of its samples, in order");
            }
        }
        _ => return malformed("its flags are not known"),
    }
    if !r.rest.is_empty() {
        return malformed("there is something after its end");
    }
    cells.clear();
    cells.resize(all as usize, MISSING);
    let batch = Batch {
        series: series as usize,
        steps: steps as usize,
        start: i64_at(16),
        step: i64_at(24),
        range: i64_at(32),
        values,
        offsets,
        times,
        samples: data,
        arguments,
        out: cells,
    };
    Ok(Parsed { name, deadline_ms: u32_at(52) as u64, batch })
}

fn malformed<T>(why: &str) -> Result<T> {
    Err(Error::new(Code::InvalidRequest, format!("eval: malformed batch: {}", why)))
}

/// Numbers that can be read where they lie: all bits are one.
trait Plain {}
impl Plain for u32 {}
impl Plain for i64 {}
impl Plain for f64 {}

/// What is left of a batch.
struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes n bytes and those that pad them to a multiple of 8.
    fn take(&mut self, n: u64) -> Result<&'a [u8]> {
        let padded = (n + 7) & !7;
        if padded > self.rest.len() as u64 {
            return malformed("it ends too early");
        }
        let (part, rest) = self.rest.split_at(padded as usize);
        self.rest = rest;
        Ok(&part[..n as usize])
    }

    fn text(&mut self, n: u32) -> Result<&'a str> {
        std::str::from_utf8(self.take(n as u64)?).or_else(|_| malformed("a text is not UTF-8"))
    }

    fn numbers<T: Plain>(&mut self, n: u64) -> Result<&'a [T]> {
        let bytes = self.take(n * std::mem::size_of::<T>() as u64)?;
        // SAFETY: T is a number for all bits. The module is little endian, as the batch is.
        match unsafe { bytes.align_to::<T>() } {
            ([], numbers, []) => Ok(numbers),
            _ => malformed("it does not lie at a multiple of 8"),
        }
    }

    fn argument(&mut self, steps: u32) -> Result<Argument<'a>> {
        let head: &[u32] = self.numbers(2)?;
        match (head[0], head[1]) {
            (0, 1) => Ok(Argument::Numbers(self.numbers(1)?)),
            (1, n) if n == steps => Ok(Argument::Numbers(self.numbers(n as u64)?)),
            (2, n) => Ok(Argument::Text(self.text(n)?)),
            _ => malformed("an argument has the wrong number of values"),
        }
    }
}
