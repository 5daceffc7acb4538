//! Parsers of argument values; errors are the reason for a message.

use std::ops::Range;

use super::Rgb;
use crate::preprocess::PreprocessConfig;

/// Maximum number of threads; more than any CPU has.
const MAX_THREADS: usize = 1024;

/// Maximum duration of a measurement, in seconds.
const MAX_SECONDS: f64 = 3600.0;

/// Parses a number of threads. An empty environment variable counts as unset and gives 0.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text.is_empty() => Ok(0),
        Ok(threads) if (1..=MAX_THREADS).contains(&threads) => Ok(threads),
        _ => Err(format!("not a number from 1 to {MAX_THREADS}")),
    }
}

/// A parser of numbers in a range.
#[cfg(feature = "serve")]
pub(super) fn count(least: usize, most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("not a number from {least} to {most}")),
    }
}

/// Maximum number of parts of the inputs.
const MAX_PARTS: usize = 1_000_000;

/// One of several parts of equal size of all inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Partition {
    /// From 1 on.
    number: usize,
    count: usize,
}

impl Partition {
    /// The inputs of this part among `total`; all parts in order are all inputs in order.
    pub fn of(self, total: usize) -> Range<usize> {
        let bound = |parts: usize| (parts as u128 * total as u128 / self.count as u128) as usize;
        bound(self.number - 1)..bound(self.number)
    }
}

/// Parses a part, such as `2/8`.
pub(super) fn partition(text: &str) -> Result<Partition, String> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| (1..=MAX_PARTS).contains(number));
    match text.split_once('/').map(|(part, count)| (number(part), number(count))) {
        Some((Some(part), Some(count))) if part <= count => Ok(Partition { number: part, count }),
        _ => Err(format!("not a part such as 1/8 to 8/8, of at most {MAX_PARTS} parts")),
    }
}

/// Parses a duration in seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=MAX_SECONDS).contains(&seconds) => Ok(seconds),
        _ => Err(format!("not a number of seconds from 0 to {MAX_SECONDS}")),
    }
}

/// Maximum time between shots, in minutes: a year.
#[cfg(feature = "library")]
const MAX_MINUTES: f64 = 525_600.0;

/// Parses a time in minutes.
#[cfg(feature = "library")]
pub(super) fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.0..=MAX_MINUTES).contains(&minutes) => Ok(minutes),
        _ => Err(format!("not a number of minutes from 0 to {MAX_MINUTES}")),
    }
}

/// Maximum number of results.
#[cfg(feature = "library")]
const MAX_RESULTS: u32 = 1_000_000;

/// Parses a number of results.
#[cfg(feature = "library")]
pub(super) fn results(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(results) if (1..=MAX_RESULTS).contains(&results) => Ok(results),
        _ => Err(format!("not a number of photos from 1 to {MAX_RESULTS}")),
    }
}

/// Parses a cosine.
#[cfg(feature = "library")]
pub(super) fn cosine(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(cosine) if (-1.0..=1.0).contains(&cosine) => Ok(cosine),
        _ => Err("not a number from -1 to 1".into()),
    }
}

/// Parses a mean of red, green and blue.
pub(super) fn mean(text: &str) -> Result<Rgb, String> {
    let mean = rgb(text)?;
    let config = PreprocessConfig { mean, ..PreprocessConfig::openai(1) };
    config.validate().map(|()| mean).map_err(|error| error.to_string())
}

/// Parses a standard deviation of red, green and blue.
pub(super) fn std(text: &str) -> Result<Rgb, String> {
    let std = rgb(text)?;
    let config = PreprocessConfig { std, ..PreprocessConfig::openai(1) };
    config.validate().map(|()| std).map_err(|error| error.to_string())
}

fn rgb(text: &str) -> Result<Rgb, String> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "not three numbers such as 0.48,0.46,0.41".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_inputs_in_order() {
        for (total, count) in [(0, 1), (0, 7), (5, 7), (23, 4), (8, 8), (1000, 999)] {
            let part = |number: usize| partition(&format!("{number}/{count}")).unwrap().of(total);
            let parts: Vec<_> = (1..=count).map(part).collect();
            assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), (0..total).collect::<Vec<_>>());
            assert!(parts.iter().all(|part| (total / count..=total.div_ceil(count)).contains(&part.len())));
        }
        assert_eq!(partition("1000000/1000000").unwrap().of(usize::MAX).end, usize::MAX);
        for wrong in ["", "1", "/", "0/1", "2/1", "1/0", "1/1000001", "a/b", "-1/2", "1/2/3", "1.5/2", " 1/2"] {
            assert!(partition(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn values_are_validated() {
        assert_eq!(threads("8"), Ok(8));
        assert_eq!(threads(""), Ok(0));
        for bad in ["0", "-1", "1025", "9999", "two", "1.5"] {
            assert!(threads(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("0.25"), Ok(0.25));
        for bad in ["", "-1", "3601", "nan", "inf", "soon"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(mean("0.5, 0,-1e-3"), Ok([0.5, 0.0, -0.001]));
        for bad in ["", "1,2", "1,2,3,4", "1,2,x", "1,2,nan", "1,2,inf"] {
            assert!(mean(bad).is_err(), "{bad}");
        }
        for (bad, value) in [("1,1,0", "0.0"), ("1,1,-1", "-1.0"), ("1e-40,1,1", "1e-40"), ("1,1e39,1", "1e39")] {
            let range = "it must be a number above zero, from 1.1754944e-38 to 3.4028235e38";
            assert_eq!(std(bad), Err(format!("preprocessing has a standard deviation of {value}; {range}")));
        }
        // The bounds of the message.
        assert!(std("1.1754944e-38,3.4028235e38,1").is_ok() && mean("-3.4028235e38,3.4028235e38,1").is_ok());
        let range = "it must be a number from -3.4028235e38 to 3.4028235e38";
        assert_eq!(mean("1e39,0,0"), Err(format!("preprocessing has a mean of 1e39; {range}")));
        assert_eq!(std("0.5,0.5,0.5"), Ok([0.5; 3]));
    }
}
