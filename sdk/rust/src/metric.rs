//! Metrics in the text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::error::{Code, Error, Result};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Untyped,
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Untyped => "untyped",
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Collects families of metrics. They come out whole and sorted by name, whatever the order of writing. The first mistake (a
/// bad name, one name with two types, a wrong number of values) makes the call fail.
#[derive(Default)]
pub struct Writer {
    families: BTreeMap<String, Family>,
    strays: Vec<Family>, // made by mistakes
}

impl Writer {
    /// The family of a value that only grows; its name should end in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[&str]) -> &mut Family {
        self.family(Kind::Counter, name, help, labels)
    }

    /// The family of a value that may go up and down.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[&str]) -> &mut Family {
        self.family(Kind::Gauge, name, help, labels)
    }

    /// The family of a value of which nothing is known.
    pub fn untyped(&mut self, name: &str, help: &str, labels: &[&str]) -> &mut Family {
        self.family(Kind::Untyped, name, help, labels)
    }

    /// The family of a distribution in buckets.
    pub fn histogram(&mut self, name: &str, help: &str, labels: &[&str]) -> &mut Family {
        self.family(Kind::Histogram, name, help, labels)
    }

    fn family(&mut self, kind: Kind, name: &str, help: &str, labels: &[&str]) -> &mut Family {
        let other = match self.families.get(name) {
            Some(f) if f.kind == kind && f.labels == labels => None,
            Some(f) => Some(f.kind),
            None => {
                self.families.insert(name.to_string(), Family::new(kind, name, help, labels));
                None
            }
        };
        if let Some(other) = other {
            let mut stray = Family::new(kind, name, help, labels);
            stray.mistake(format!("{} is a {} already, and cannot be a {} or have other labels as well", name, other.text(), kind.text()));
            self.strays.push(stray);
            return self.strays.last_mut().expect("just pushed");
        }
        self.families.get_mut(name).expect("just inserted")
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        let mut out = String::new();
        for f in self.strays.iter().chain(self.families.values()) {
            if let Some(m) = &f.mistake {
                return Err(Error::new(Code::Internal, m.clone()));
            }
            if f.lines.is_empty() {
                continue;
            }
            if !f.help.is_empty() {
                out.push_str(&format!("# HELP {} ", f.name));
                escape(&mut out, &f.help, false);
                out.push('\n');
            }
            out.push_str(&format!("# TYPE {} {}\n", f.name, f.kind.text()));
            out.push_str(&f.lines);
        }
        Ok(out.into_bytes())
    }
}

/// One metric: a name, what it means, the names of its labels.
pub struct Family {
    kind: Kind,
    name: String,
    help: String,
    labels: Vec<String>,
    lines: String,
    mistake: Option<String>, // the first
}

/// One bound of a histogram.
pub struct Bucket {
    /// Inclusive.
    pub upper: f64,
    /// Of observations at or below the bound.
    pub count: u64,
}

impl Family {
    fn new(kind: Kind, name: &str, help: &str, labels: &[&str]) -> Family {
        let owned = labels.iter().map(|l| l.to_string()).collect();
        let mut f = Family { kind, name: name.to_string(), help: help.to_string(), labels: owned, lines: String::new(), mistake: None };
        if !valid_name(name, true) {
            f.mistake(format!("\"{}\" is not a metric name", name));
        }
        for (i, l) in labels.iter().enumerate() {
            if !valid_name(l, false) || l.starts_with("__") || labels[..i].contains(l) || (kind == Kind::Histogram && *l == "le") {
                f.mistake(format!("{}: \"{}\" cannot be the name of a label", name, l));
            }
        }
        f
    }

    fn mistake(&mut self, m: String) {
        self.mistake.get_or_insert(m);
    }

    fn fits(&mut self, distribution: bool, values: &[&str]) -> bool {
        if (self.kind == Kind::Histogram) != distribution {
            let what = if distribution { "histogram" } else { "plain sample" };
            self.mistake(format!("{} is a {} and takes no {}", self.name, self.kind.text(), what));
        } else if values.len() != self.labels.len() {
            self.mistake(format!("{}: {} values for {} labels", self.name, values.len(), self.labels.len()));
        } else {
            return true;
        }
        false
    }

    /// Adds a value of a counter, gauge or untyped family, with the values of its labels. An empty value is no label.
    pub fn sample(&mut self, v: f64, values: &[&str]) {
        if self.fits(false, values) {
            self.line("", values, None, v);
        }
    }

    /// Adds a histogram. Buckets rise in bound and count; the one for infinity may be left out.
    pub fn distribution(&mut self, count: u64, sum: f64, buckets: &[Bucket], values: &[&str]) {
        if !self.fits(true, values) {
            return;
        }
        let rising = buckets.windows(2).all(|b| b[1].upper > b[0].upper && b[1].count >= b[0].count);
        if !rising || buckets.iter().any(|b| b.count > count) {
            self.mistake(format!("{}: buckets must rise in bound and count, up to {}", self.name, count));
            return;
        }
        for b in buckets.iter().filter(|b| b.upper != f64::INFINITY) {
            self.line("_bucket", values, Some(b.upper), b.count as f64);
        }
        self.line("_bucket", values, Some(f64::INFINITY), count as f64);
        self.line("_sum", values, None, sum);
        self.line("_count", values, None, count as f64);
    }

    fn line(&mut self, suffix: &str, values: &[&str], bound: Option<f64>, v: f64) {
        let out = &mut self.lines;
        let mut before = '{';
        out.push_str(&self.name);
        out.push_str(suffix);
        for (label, value) in self.labels.iter().zip(values).filter(|(_, v)| !v.is_empty()) {
            out.push(before);
            before = ',';
            out.push_str(label);
            out.push_str("=\"");
            escape(out, value, true);
            out.push('"');
        }
        if let Some(bound) = bound {
            out.push(before);
            before = ',';
            out.push_str("le=\"");
            number(out, bound);
            out.push('"');
        }
        out.push_str(if before == '{' { " " } else { "} " });
        number(out, v);
        out.push('\n');
    }
}

fn valid_name(s: &str, colons: bool) -> bool {
    !s.is_empty()
        && !s.starts_with(|c: char| c.is_ascii_digit())
        && s.bytes().all(|c| c == b'_' || c.is_ascii_alphanumeric() || (colons && c == b':'))
}

fn escape(out: &mut String, s: &str, quotes: bool) {
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// Writes v so that it reads back to the same number.
fn number(out: &mut String, v: f64) {
    let done = if v.is_nan() {
        out.write_str("NaN")
    } else if v.is_infinite() {
        out.write_str(if v > 0.0 { "+Inf" } else { "-Inf" })
    } else if v == v.trunc() && v.abs() < 1e15 && (v != 0.0 || v.is_sign_positive()) {
        write!(out, "{}", v as i64)
    } else {
        write!(out, "{:e}", v)
    };
    done.expect("strings take everything");
}
