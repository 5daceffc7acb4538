//! Times of calls; the same loop and the same constants as in ../worker.py.

use std::time::Instant;

use crate::Error;
use crate::engines::Run;

/// A job is tried for this long, in seconds.
pub const TRIAL: f64 = 0.4;
/// Turns begin with this much that is not timed: caches and clocks have seen other engines since.
pub const WARM: f64 = 0.05;
/// Longer calls warm themselves.
pub const LONG: f64 = 0.5;

/// Seconds of each call, at least one, until `seconds` are over.
pub fn calls(run: &mut Run, seconds: f64) -> Result<Vec<f64>, Error> {
    let (mut times, start) = (Vec::new(), Instant::now());
    loop {
        let before = Instant::now();
        run()?;
        times.push(before.elapsed().as_secs_f64());
        if start.elapsed().as_secs_f64() >= seconds {
            return Ok(times);
        }
    }
}
