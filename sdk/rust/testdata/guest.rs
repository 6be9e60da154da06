//! guest does what the tests of the host ask for: the same in each language, so that all SDKs are held to the same vectors.

use std::io::{Read, Write};
use std::time::Duration;

use hearth::{is_missing, Batch, Bucket, Code, Error, Function, Level, Plugin, Result, Settings, Writer};

struct Guest {
    name: String,
    factor: f64,
    loud: bool,
    parts: usize,
}

impl Plugin for Guest {
    const EXPORTER: bool = true;
    const FUNCTIONS: &'static [(&'static str, Function<Guest>)] = &[("guest_scale", scale), ("guest_sum", sum)];

    fn configure(s: &mut Settings) -> Result<Self> {
        let g = Guest {
            name: s.string("name", "nobody")?,
            factor: s.number("factor", 2.0)?,
            loud: s.bool("loud", false)?,
            parts: s.json("parts").and_then(|p| p.as_array().map(<[_]>::len)).unwrap_or(0),
        };
        if g.factor < 0.0 {
            return Err(Error::new(Code::InvalidRequest, "settings: factor must not be negative"));
        }
        Ok(g)
    }

    fn collect(&mut self, address: &str, w: &mut Writer) -> Result<()> {
        match address {
            "exposition" => exposition(w),
            "settings" => w.gauge("guest_settings", "The settings.", &["name", "factor", "loud", "parts"]).sample(
                1.0,
                &[&self.name, &self.factor.to_string(), &self.loud.to_string(), &self.parts.to_string()],
            ),
            "secret" => w.gauge("guest_secret", "The secret.", &["value"]).sample(1.0, &[&hearth::secret("key")?]),
            "fail" => return Err(Error::retry(Code::Unavailable, Duration::from_millis(1500), "told to \"fail\",\nand so it does")),
            "a bad name" => w.gauge("a bad name", "", &[]).sample(1.0, &[]),
            "two kinds" => {
                w.gauge("twice", "", &[]).sample(1.0, &[]);
                w.counter("twice", "", &[]).sample(1.0, &[]);
            }
            "too few values" => w.gauge("labelled", "", &["a", "b"]).sample(1.0, &["x"]),
            "log" => hearth::log(Level::Warn, format!("told to log n={}", 7)),
            "loop" => loop {
                hearth::in_time()?;
            },
            _ => match address.strip_prefix("tcp://") {
                Some(address) => talk(address, w)?,
                None => w.gauge("guest_address", "The address.", &["address"]).sample(1.0, &[address]),
            },
        }
        Ok(())
    }
}

/// What sdk/abi/testdata/exposition.txt has.
fn exposition(w: &mut Writer) {
    let odd = w.gauge("odd_values", "Values that are hard to write:\n\"quotes\" and a back\\slash.", &["which"]);
    for (which, v) in [
        ("sum", 0.1 + 0.2),
        ("nan", f64::NAN),
        ("inf", f64::INFINITY),
        ("less", f64::NEG_INFINITY),
        ("large", 1e300),
        ("small", 5e-324),
        ("exact", 9007199254740993.0),
        ("minus zero", -0.0),
    ] {
        odd.sample(v, &[which]);
    }
    w.counter("calls_total", "Calls.", &["path", "code"]).sample(3.0, &["C:\\tmp\n\"x\"", "200"]);
    w.gauge("odd_values", "", &["which"]).sample(-12.5, &["\u{fffd}é\u{fffd}\u{fffd}"]);
    w.counter("calls_total", "", &["path", "code"]).sample(1e15, &["", "500"]);
    w.untyped("unknown", "", &[]).sample(1.0, &[]);
    let seconds = w.histogram("call_seconds", "Time of a call.", &["path"]);
    seconds.distribution(5, 1.75, &[Bucket { upper: 0.1, count: 1 }, Bucket { upper: 1.0, count: 4 }], &["/"]);
    seconds.distribution(0, 0.0, &[Bucket { upper: 0.1, count: 0 }, Bucket { upper: f64::INFINITY, count: 0 }], &[""]);
    w.gauge("nothing", "A family without samples is left out.", &[]);
}

fn talk(address: &str, w: &mut Writer) -> Result<()> {
    let mut conn = hearth::dial(address)?;
    conn.write_all(b"hello\n")?;
    let mut answer = Vec::new();
    conn.read_to_end(&mut answer)?;
    w.gauge("guest_answer_bytes", "Bytes of the answer.", &[]).sample(answer.len() as f64, &[]);
    Ok(())
}

/// guest_scale(v instant-vector, by scalar = the setting factor)
fn scale(g: &mut Guest, b: &mut Batch) -> Result<()> {
    for i in 0..b.series() {
        for (k, v) in b.values(i).iter().enumerate().filter(|(_, v)| !is_missing(**v)) {
            b.out(i)[k] = v * b.number(0, k, g.factor);
        }
    }
    Ok(())
}

/// guest_sum(v range-vector, what string = "values"): of values, or of milliseconds since the window began
fn sum(_: &mut Guest, b: &mut Batch) -> Result<()> {
    let times = b.text(0, "values") == "times";
    for i in 0..b.series() {
        for w in b.windows(i) {
            let begin = b.time(w.step) - b.range();
            b.out(i)[w.step] = match times {
                true => w.times.iter().map(|t| (t - begin) as f64).sum(),
                false => w.samples.iter().sum(),
            };
        }
    }
    hearth::in_time()
}

hearth::plugin!(Guest);
