//! Times of calls, by the same loop and the same constants as in ../worker.py, and what a core can do meanwhile.

use std::time::Instant;

use clippie_rs::Isa;
use clippie_rs::internals::{After, Layout, product};

use crate::Error;
use crate::engines::Run;

/// A job is tried for this long, in seconds.
pub const TRIAL: f64 = 0.4;
/// Turns begin with this much that is not timed: caches and clocks have seen other engines since.
pub const WARM: f64 = 0.05;
/// Longer calls warm themselves.
pub const LONG: f64 = 0.5;
/// A look at a core takes this long, behind as much as wakes its clock and fills its cache.
const LOOK: f64 = 0.006;
const WAKE: f64 = 0.003;

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

/// GFLOP/s that the core does now of a product whose operands fill half of its own cache: less while a stranger on its
/// other hyperthread computes, and also while one only moves memory, which multiply-adds on registers do not notice.
pub fn core_gflops() -> Result<f64, Error> {
    let mut probe = product(Isa::detect()?, [112, 256, 768], After::Store, [Layout::Blocks; 2], false);
    let mut mean = |least: f64| {
        let (mut operations, start) = (0, Instant::now());
        loop {
            probe.run();
            operations += probe.flops;
            let seconds = start.elapsed().as_secs_f64();
            if seconds >= least {
                return operations as f64 / seconds / 1e9;
            }
        }
    };
    mean(WAKE);
    Ok(mean(LOOK))
}
