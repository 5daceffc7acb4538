//! Times calls, with the same loop and constants as ../worker.py, and measures the speed of the core.

use std::time::Instant;

use clippie_rs::Isa;
use clippie_rs::internals::{After, Layout, product};

use crate::Error;
use crate::engines::Run;

/// Length of a trial of a job, in seconds.
pub const TRIAL: f64 = 0.4;
/// Untimed warm-up of each turn, in seconds: caches and clocks are in the state that other engines left.
pub const WARM: f64 = 0.05;
/// Calls longer than this need no warm-up.
pub const LONG: f64 = 0.5;
/// Seconds of a measurement of a core, and of the warm-up of its clock and cache before it.
const LOOK: f64 = 0.006;
const WAKE: f64 = 0.003;

/// Times calls, at least one, for `seconds`; returns the seconds of each.
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

/// Current GFLOP/s of the core in a product whose operands fill half of its private cache. Drops while another process
/// on its hyperthread computes or only moves memory; multiply-adds on registers would not show the latter.
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
