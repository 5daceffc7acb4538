//! The summary: the time of each kernel, its share of the peak or its traffic.

use clippie_rs::Isa;
use clippie_rs::internals::Probe;

/// The measured kernels.
pub struct Table {
    isa: Isa,
    /// The best measurement of the run, for one core.
    peak_gflops: f64,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    seconds: f64,
    flops: u64,
    bytes: u64,
}

impl Table {
    pub fn new(isa: Isa) -> Table {
        Table { isa, peak_gflops: 0.0, rows: Vec::new() }
    }

    /// Measures the peak again, since the machine may be less busy now.
    pub fn measure_peak(&mut self) {
        self.peak_gflops = self.peak_gflops.max(self.isa.peak_gflops());
    }

    /// Adds a kernel with the seconds of its samples.
    pub fn add(&mut self, name: String, probe: &Probe, samples: &mut [f64]) {
        samples.sort_by(f64::total_cmp);
        let seconds = samples[samples.len() / 2];
        self.rows.push(Row { name, seconds, flops: probe.flops, bytes: probe.bytes });
    }

    pub fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        println!("\n{:?}, {:.1} GFLOP/s at most on one core; medians", self.isa, self.peak_gflops);
        println!("{:width$}  {:>10}  {:>9}  {:>8}  {:>8}", "", "µs", "GFLOP/s", "of peak", "GB/s");
        for Row { name, seconds, flops, bytes } in &self.rows {
            let gflops = *flops as f64 / seconds / 1e9;
            let (of_work, of_peak) = match flops {
                0 => ("-".to_owned(), "-".to_owned()),
                _ => (format!("{gflops:.1}"), format!("{:.1} %", 100.0 * gflops / self.peak_gflops)),
            };
            let traffic = *bytes as f64 / seconds / 1e9;
            println!("{name:width$}  {:>10.2}  {of_work:>9}  {of_peak:>8}  {traffic:>8.1}", seconds * 1e6);
        }
    }
}
