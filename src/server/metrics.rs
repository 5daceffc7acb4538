//! Counts what the server does, and writes it in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Upper bounds of the latency buckets, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Upper bounds of the buckets of batch sizes.
const SIZES: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// What a server counts.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By route and status.
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    latencies: Mutex<BTreeMap<String, Histogram<12>>>,
    /// By tower.
    batches: Mutex<BTreeMap<&'static str, Histogram<6>>>,
    pub in_flight: AtomicUsize,
    pub cache_hits: AtomicU64,
    pub cache_misses: AtomicU64,
    /// Times that a model gave its memory back.
    pub releases: AtomicU64,
}

/// Counts of values up to each bound, their number and their sum.
#[derive(Clone, Debug)]
struct Histogram<const N: usize> {
    counts: [u64; N],
    count: u64,
    sum: f64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Histogram { counts: [0; N], count: 0, sum: 0.0 }
    }
}

impl<const N: usize> Histogram<N> {
    fn add(&mut self, bounds: &[f64; N], value: f64) {
        // A bucket counts what is at most its bound, so those above count it too.
        let counts = self.counts.iter_mut().zip(bounds);
        counts.filter(|(_, bound)| value <= **bound).for_each(|(count, _)| *count += 1);
        self.count += 1;
        self.sum += value;
    }

    fn write(&self, out: &mut String, name: &str, label: &str, bounds: &[f64; N]) {
        for (bound, count) in bounds.iter().zip(&self.counts) {
            let _ = writeln!(out, "{name}_bucket{{{label},le=\"{bound}\"}} {count}");
        }
        let (count, sum) = (self.count, self.sum);
        let _ = writeln!(out, "{name}_bucket{{{label},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{{{label}}} {sum}\n{name}_count{{{label}}} {count}");
    }
}

/// What others count, at the moment of writing.
pub(super) struct Gauges {
    pub waiting: usize,
    pub models: usize,
    pub cached_texts: usize,
    pub cached_bytes: usize,
}

impl Metrics {
    /// Counts a request that was answered. `route` is the pattern of the route, of which there are few.
    pub fn answered(&self, route: &str, status: u16, time: Duration) {
        *lock(&self.requests).entry((route.to_owned(), status)).or_default() += 1;
        lock(&self.latencies).entry(route.to_owned()).or_default().add(&SECONDS, time.as_secs_f64());
    }

    /// Counts a batch of a tower.
    pub fn batch(&self, tower: &'static str, size: usize) {
        lock(&self.batches).entry(tower).or_default().add(&SIZES, size as f64);
    }

    /// Writes everything.
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut out = String::new();
        let out = &mut out;
        header(out, "clippie_requests_total", "counter", "Requests that were answered.");
        for ((route, status), count) in lock(&self.requests).iter() {
            let _ = writeln!(out, "clippie_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}");
        }
        header(out, "clippie_errors_total", "counter", "Requests that were answered with a status of 400 and more.");
        let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
        let requests = lock(&self.requests).clone();
        for ((route, status), count) in &requests {
            *errors.entry(route).or_default() += if *status >= 400 { *count } else { 0 };
        }
        for (route, count) in errors {
            let _ = writeln!(out, "clippie_errors_total{{route=\"{route}\"}} {count}");
        }
        header(out, "clippie_request_seconds", "histogram", "Time from the head of a request to its answer.");
        for (route, histogram) in lock(&self.latencies).iter() {
            histogram.write(out, "clippie_request_seconds", &format!("route=\"{route}\""), &SECONDS);
        }
        header(out, "clippie_batch_size", "histogram", "Inputs that shared a pass.");
        for (tower, histogram) in lock(&self.batches).iter() {
            histogram.write(out, "clippie_batch_size", &format!("tower=\"{tower}\""), &SIZES);
        }
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, help, value) in [
            ("clippie_text_cache_hits_total", "Texts that were not encoded again.", load(&self.cache_hits)),
            ("clippie_text_cache_misses_total", "Texts that were encoded.", load(&self.cache_misses)),
            ("clippie_releases_total", "Times that an idle model gave its memory back.", load(&self.releases)),
        ] {
            header(out, name, "counter", help);
            let _ = writeln!(out, "{name} {value}");
        }
        let mut all = vec![
            ("clippie_requests_in_flight", "Requests without an answer yet.", self.in_flight.load(Ordering::Relaxed)),
            ("clippie_requests_waiting", "Requests in the queue.", gauges.waiting),
            ("clippie_models_open", "Models that are open.", gauges.models),
            ("clippie_text_cache_entries", "Texts in the cache.", gauges.cached_texts),
            ("clippie_text_cache_bytes", "Memory of the texts in the cache.", gauges.cached_bytes),
        ];
        if let Some(bytes) = resident_memory() {
            all.push(("process_resident_memory_bytes", "Resident memory, mapped weights included.", bytes));
        }
        for (name, help, value) in all {
            header(out, name, "gauge", help);
            let _ = writeln!(out, "{name} {value}");
        }
        std::mem::take(out)
    }
}

fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Nothing that can panic runs while a lock is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resident memory of this process in bytes, where the system tells.
fn resident_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.answered("/predict", 200, Duration::from_millis(20));
        metrics.answered("/predict", 200, Duration::from_secs(20));
        metrics.answered("/predict", 501, Duration::from_micros(10));
        metrics.batch("image", 3);
        let text = metrics.text(&Gauges { waiting: 2, models: 1, cached_texts: 0, cached_bytes: 0 });
        for line in [
            "# TYPE clippie_requests_total counter",
            "clippie_requests_total{route=\"/predict\",status=\"200\"} 2",
            "clippie_requests_total{route=\"/predict\",status=\"501\"} 1",
            "clippie_errors_total{route=\"/predict\"} 1",
            "clippie_request_seconds_bucket{route=\"/predict\",le=\"0.01\"} 1",
            "clippie_request_seconds_bucket{route=\"/predict\",le=\"0.025\"} 2",
            "clippie_request_seconds_bucket{route=\"/predict\",le=\"10\"} 2",
            "clippie_request_seconds_bucket{route=\"/predict\",le=\"+Inf\"} 3",
            "clippie_request_seconds_count{route=\"/predict\"} 3",
            "clippie_batch_size_bucket{tower=\"image\",le=\"2\"} 0",
            "clippie_batch_size_bucket{tower=\"image\",le=\"4\"} 1",
            "clippie_batch_size_sum{tower=\"image\"} 3",
            "clippie_requests_waiting 2",
            "clippie_text_cache_hits_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // Each metric is described once, and each line is a comment or a value.
        let described = text.lines().filter(|line| line.starts_with("# TYPE "));
        assert_eq!(described.clone().count(), described.collect::<std::collections::BTreeSet<_>>().len());
        assert_eq!(cfg!(target_os = "linux"), text.contains("\nprocess_resident_memory_bytes "));
    }
}
