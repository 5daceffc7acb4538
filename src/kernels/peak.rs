//! The peak speed of one core, measured with multiply-adds on registers only.
//!
//! Kernels and models are compared with it. It is measured, because a program can query neither the clock under load
//! nor the number of units.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::Isa;
use super::simd::{Kernel, Simd};

/// Time of a measurement.
const BUDGET: Duration = Duration::from_millis(50);

/// Time of one of its runs: long compared with the clock's resolution, short enough that some are not interrupted.
const RUN: Duration = Duration::from_micros(500);

impl Isa {
    /// Measures the peak of one core: billions of `f32` operations per second, a multiply-add counting two, with the
    /// vectors of this instruction set. A set without fused multiply-add uses a product and a sum.
    ///
    /// Takes about 50 ms on the calling thread and returns the best of many short runs. Other work on the same core
    /// lowers it; on many processors, so does work on the others.
    pub fn peak_gflops(self) -> f64 {
        let start = Instant::now();
        let mut steps = 1 << 10;
        let mut best: f64 = 0.0;
        loop {
            let (gflops, time) = self.timed(steps);
            best = best.max(gflops);
            if start.elapsed() > BUDGET {
                return best;
            }
            if time < RUN {
                steps *= 2;
            }
        }
    }

    /// Measures GFLOP/s of chains of `steps` multiply-adds, and their time.
    fn timed(self, steps: u64) -> (f64, Duration) {
        let start = Instant::now();
        let done = self.run(Chains { factor: black_box(1.0), steps: black_box(steps) });
        black_box(done.sum);
        let time = start.elapsed();
        (done.operations as f64 / time.as_secs_f64().max(1e-9) / 1e9, time)
    }
}

/// Independent chains of multiply-adds, each in one register from start to end.
struct Chains {
    /// One, unknown to the compiler.
    factor: f32,
    /// Multiply-adds of each chain.
    steps: u64,
}

/// Result of [`Chains`].
struct Done {
    /// Sum of all chains: every step adds one to every lane, up to 2²⁴, where a float cannot represent it.
    sum: f32,
    operations: u64,
}

impl Kernel for Chains {
    type Output = Done;

    #[inline(always)]
    fn call<S: Simd>(self, s: S) -> Done {
        // Enough to hide the latency of all units, and no more than there are registers.
        if S::REGISTERS >= 32 { self.chains::<S, 24>(s) } else { self.chains::<S, 12>(s) }
    }
}

impl Chains {
    #[inline(always)]
    fn chains<S: Simd, const CHAINS: usize>(self, s: S) -> Done {
        let one = s.splat(self.factor);
        let mut chains = [s.splat(0.0); CHAINS];
        for _ in 0..self.steps {
            for chain in &mut chains {
                // A fused multiply-add overwrites its addend. In two instructions, the product must depend on the
                // chain: a product of constants would be computed once.
                *chain = if S::FUSED { s.mul_add(one, one, *chain) } else { s.mul_add(*chain, one, one) };
            }
        }
        let mut lanes = [[0.0; 16]; CHAINS];
        for (lanes, chain) in lanes.iter_mut().zip(chains) {
            // SAFETY: sixteen floats hold any vector.
            unsafe { s.store(lanes.as_mut_ptr(), chain) };
        }
        Done { sum: lanes.as_flattened().iter().sum(), operations: 2 * (S::LANES * CHAINS) as u64 * self.steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_runs_in_every_lane() {
        for isa in Isa::available() {
            for steps in [0, 1, 1000] {
                let done = isa.run(Chains { factor: 1.0, steps });
                assert_eq!(f64::from(done.sum), done.operations as f64 / 2.0, "{isa:?}");
            }
        }
    }

    #[test]
    fn a_peak_is_measured_for_every_set() {
        for isa in Isa::available() {
            let peak = isa.peak_gflops();
            // Far below the slowest machine, and a hundred times a fast core.
            assert!(peak > 0.01 && peak < 50_000.0, "{isa:?}: {peak}");
        }
    }
}
