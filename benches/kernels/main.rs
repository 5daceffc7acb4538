//! Kernels at the shapes of the models, on one core, compared with the peak that the same run measures.
//!
//! `cargo bench --features internals --bench kernels [-- FILTER]`; `CLIPPIE_ISA` selects the instruction set. Criterion
//! reports each kernel and its change since the last run; a table of all kernels follows. Every result is first
//! compared with that of the portable kernels.

mod shapes;
mod table;

use std::time::{Duration, Instant};

use clippie_rs::Isa;
use clippie_rs::internals::Probe;
use criterion::{Criterion, SamplingMode, Throughput};

use shapes::{Case, Group};
use table::Table;

/// Samples of each kernel. Few and short, so that all take two or three minutes.
const SAMPLES: usize = 20;

fn main() {
    let isa = Isa::detect().unwrap_or_else(|error| panic!("{error}"));
    let mut criterion = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .nresamples(2000)
        .configure_from_args();
    let mut table = Table::new(isa);
    for group in shapes::groups() {
        bench(&mut criterion, isa, group, &mut table);
    }
    criterion.final_summary();
    table.print();
}

fn bench(criterion: &mut Criterion, isa: Isa, (name, cases): Group, table: &mut Table) {
    table.measure_peak();
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    for case in cases {
        let mut probe = (case.probe)(isa);
        group.throughput(match probe.flops {
            0 => Throughput::Bytes(probe.bytes),
            flops => Throughput::Elements(flops),
        });
        let mut times = Vec::new();
        group.bench_function(&case.name, |bencher| {
            if times.is_empty() {
                check(&case, &mut probe);
            }
            bencher.iter_custom(|runs| {
                let start = Instant::now();
                (0..runs).for_each(|_| probe.run());
                let time = start.elapsed();
                times.push(time.as_secs_f64() / runs as f64);
                time
            });
        });
        // The samples come last, after those of the warm-up. A test run has none.
        if let Some(first) = times.len().checked_sub(SAMPLES) {
            table.add(format!("{name}/{}", case.name), &probe, &mut times[first..]);
        }
    }
    group.finish();
}

/// Runs a fresh probe once and compares its result with that of the portable kernels.
fn check(case: &Case, probe: &mut Probe) {
    let portable = Isa::named("portable").unwrap_or_else(|error| panic!("{error}"));
    let mut expected = (case.probe)(portable);
    probe.run();
    expected.run();
    let largest = expected.output().iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    assert!(largest > 0.0 && probe.output().len() == expected.output().len(), "{}: no result", case.name);
    for (i, (value, expected)) in probe.output().iter().zip(expected.output()).enumerate() {
        let bound = case.tolerance * largest;
        assert!((value - expected).abs() <= bound, "{}: {value} instead of {expected} at {i}", case.name);
    }
}
