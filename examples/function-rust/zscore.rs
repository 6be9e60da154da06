//! zscore adds a function to PromQL that tells how far the newest sample of a series is from those before it. It computes
//! what `anomaly_zscore` of plugins/functions/anomaly does, to the last bit.

use hearth::{Batch, Code, Error, Function, Plugin, Result, Settings};

struct Zscore;

impl Plugin for Zscore {
    const FUNCTIONS: &'static [(&'static str, Function<Zscore>)] = &[("example_zscore", zscore)];

    fn configure(_: &mut Settings) -> Result<Self> {
        Ok(Zscore)
    }
}

/// How many samples must be in a window before the newest one, unless the query says another number.
const LEAST_BEFORE: f64 = 5.0;

/// example_zscore(v range-vector, least scalar = 5)
fn zscore(_: &mut Zscore, b: &mut Batch) -> Result<()> {
    for step in 0..b.steps() {
        let least = b.number(0, step, LEAST_BEFORE);
        if least < 1.0 || least.is_infinite() {
            return Err(Error::new(Code::InvalidRequest, format!("least is {}, must be at least 1 and finite", least)));
        }
    }
    for i in 0..b.series() {
        hearth::in_time()?;
        for w in b.windows(i) {
            let least = b.number(0, w.step, LEAST_BEFORE); // NaN, which a query may have for it, is never reached
            if let [before @ .., x] = w.samples {
                if let Some(score) = score(*x, before, least) {
                    b.out(i)[w.step] = score;
                }
            }
        }
    }
    Ok(())
}

/// The distance of x from the mean of the samples before it, in their standard deviations. Those that are not finite do not
/// count.
fn score(x: f64, before: &[f64], least: f64) -> Option<f64> {
    let first = *before.first()?;
    let sum: f64 = before.iter().map(|v| v - first).sum();
    if !sum.is_finite() && before.iter().any(|v| !v.is_finite()) {
        let finite: Vec<f64> = before.iter().copied().filter(|v| v.is_finite()).collect();
        return score(x, &finite, least);
    }
    let n = before.len() as f64;
    (n >= least).then(|| distance(x, before, first + sum / n))
}

/// mean is a first guess: what rounding left of it is added in a second pass. T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms
/// for Computing the Sample Variance, The American Statistician 37, 1983.
fn distance(x: f64, before: &[f64], mean: f64) -> f64 {
    let n = before.len() as f64;
    let (mut squares, mut rest) = (0.0, 0.0);
    for v in before {
        let d = v - mean;
        squares += d * d;
        rest += d;
    }
    let sum = squares - rest * rest / n;
    let sum = if sum > 0.0 || sum.is_nan() { sum } else { 0.0 };
    let (distance, spread) = (x - mean - rest / n, (sum / n).sqrt());
    // Samples that were all the same have no spread: another value is infinitely far away, the same is not.
    match spread == 0.0 && distance == 0.0 {
        true => 0.0,
        false => distance / spread,
    }
}

hearth::plugin!(Zscore);
