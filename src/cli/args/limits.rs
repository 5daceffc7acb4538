//! Arguments that limit what reading one photo may cost.

use std::time::Duration;

use clap::Args;

use crate::photo;

/// What reading one photo may cost: a photo beyond a limit is an error that names it.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Limits {
    /// Largest photo, in millions of pixels [default: 178.95697]
    #[arg(long, value_name = "MEGAPIXELS", value_parser = pixels)]
    max_pixels: Option<u64>,
    /// Largest photo file, in MiB [default: 512]
    #[arg(long, value_name = "MIB", value_parser = mebibytes)]
    max_bytes: Option<u64>,
    /// Longest time for decoding a photo, in seconds; more than the default also allows as long to photos that need far more
    /// work than their size justifies [default: 120]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_seconds: Option<u64>,
}

impl Limits {
    /// The limits as the library takes them.
    pub fn limits(&self) -> photo::Limits {
        let mut limits = photo::Limits::new();
        if let Some(pixels) = self.max_pixels {
            limits = limits.pixels(pixels);
        }
        if let Some(bytes) = self.max_bytes {
            limits = limits.bytes(bytes);
        }
        if let Some(seconds) = self.max_seconds {
            limits = limits.time(Duration::from_secs(seconds));
        }
        limits
    }
}

const MEGAPIXEL: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

/// Parses millions of pixels; returns pixels.
fn pixels(text: &str) -> Result<u64, String> {
    let most = photo::Limits::MOST_PIXELS / MEGAPIXEL;
    match text.parse::<f64>() {
        // A limit of no pixel at all would refuse every photo.
        Ok(millions) if millions * MEGAPIXEL as f64 >= 1.0 && millions <= most as f64 => {
            Ok((millions * MEGAPIXEL as f64).round() as u64)
        }
        _ => Err(format!("not a number of megapixels from 0.000001 to {most}")),
    }
}

/// Parses MiB; returns bytes.
fn mebibytes(text: &str) -> Result<u64, String> {
    whole(text, photo::Limits::MOST_BYTES / MIB).map(|number| number * MIB)
}

fn seconds(text: &str) -> Result<u64, String> {
    whole(text, photo::Limits::MOST_TIME.as_secs())
}

fn whole(text: &str, most: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("not a number from 1 to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_in_units_of_people() {
        assert_eq!((pixels("178.95697"), pixels("0.000255")), (Ok(178_956_970), Ok(255)));
        assert_eq!((mebibytes("1"), seconds("86400")), (Ok(1 << 20), Ok(86_400)));
        assert_eq!(pixels("0.000001"), Ok(1));
        for text in ["", "0", "1e-300", "4e-7", "-1", "NaN", "inf", "1e9"] {
            assert!(pixels(text).is_err() && mebibytes(text).is_err() && seconds(text).is_err(), "{text}");
        }
        assert_eq!(Limits::default().limits(), photo::Limits::new());
    }
}
