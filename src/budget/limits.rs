//! Limits on what reading one photo may cost, which callers may change.

use std::time::Duration;

/// What reading one photo may cost. The defaults suit every photo that a camera or phone takes; a photo beyond a limit is an
/// error that names it.
///
/// Raising a limit never frees a photo from the proportion of memory to what it holds: 64 MiB, four bytes for each byte of
/// the file and, as soon as its header has declared them, 24 bytes or so for each pixel (see docs/reliability.md). So the
/// limits of pixels and bytes bound the memory of a photo. None of them changes an embedding.
///
/// ```
/// use std::time::Duration;
/// use clippie_rs::photo::Limits;
///
/// let limits = Limits::new().pixels(500_000_000).time(Duration::from_secs(600));
/// assert_eq!(limits.most_pixels(), 500_000_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "limits do nothing until something is read with them"]
pub struct Limits {
    pixels: u64,
    bytes: u64,
    time: Duration,
}

/// Pillow's threshold for a decompression bomb. Fuzz targets use a smaller one, which makes them try more files in the
/// same time.
const PIXELS: u64 = if cfg!(fuzzing) { 1 << 20 } else { 178_956_970 };

/// Larger than any photo, and small enough for one buffer per thread.
const BYTES: u64 = 1 << 29;

/// A hundred times what a large photo takes, so that neither a slow machine nor a busy one reaches it.
const TIME: Duration = Duration::from_secs(120);

impl Default for Limits {
    fn default() -> Self {
        Limits { pixels: PIXELS, bytes: BYTES, time: TIME }
    }
}

impl Limits {
    /// The most pixels that [`pixels`](Self::pixels) sets: as many as three bytes each can be held of.
    pub const MOST_PIXELS: u64 = if usize::BITS < 64 { PIXELS } else { 1 << 30 };

    /// The most bytes that [`bytes`](Self::bytes) sets.
    pub const MOST_BYTES: u64 = if usize::BITS < 64 { BYTES } else { 1 << 32 };

    /// The longest time that [`time`](Self::time) sets.
    pub const MOST_TIME: Duration = Duration::from_secs(24 * 60 * 60);

    /// The default limits: 178,956,970 pixels, 512 MiB, 120 seconds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many pixels a photo may have: width times height, at most [`MOST_PIXELS`](Self::MOST_PIXELS).
    pub fn pixels(mut self, pixels: u64) -> Self {
        self.pixels = pixels.min(Self::MOST_PIXELS);
        self
    }

    /// Sets how many bytes a file may have, at most [`MOST_BYTES`](Self::MOST_BYTES).
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes.min(Self::MOST_BYTES);
        self
    }

    /// Sets how long decoding a photo may take, at most [`MOST_TIME`](Self::MOST_TIME).
    ///
    /// A photo that needs far more steps than its size justifies, such as a JPEG of a thousand scans, is refused long
    /// before. More than the default allows it as many steps as take about this time. Time in which the process is stopped
    /// counts a few seconds at most.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time.min(Self::MOST_TIME);
        self
    }

    /// How many pixels a photo may have.
    #[must_use]
    pub fn most_pixels(&self) -> u64 {
        self.pixels
    }

    /// How many bytes a file may have.
    #[must_use]
    pub fn most_bytes(&self) -> u64 {
        self.bytes
    }

    /// How long decoding may take.
    #[must_use]
    pub fn most_time(&self) -> Duration {
        self.time
    }

    /// Units of work that the caller allows whatever the size of the photo: a unit takes about a nanosecond.
    pub(crate) fn extra_work(&self) -> u64 {
        if self.time > TIME { nanoseconds(self.time) } else { 0 }
    }
}

/// Nanoseconds of a duration.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_on_and_have_ends() {
        let limits = Limits::new();
        assert_eq!((limits.most_pixels(), limits.most_bytes()), (178_956_970, 512 << 20));
        assert_eq!((limits.most_time(), limits.extra_work()), (Duration::from_secs(120), 0));
        let most = limits.pixels(u64::MAX).bytes(u64::MAX).time(Duration::MAX);
        assert_eq!((most.most_pixels(), most.most_bytes()), (Limits::MOST_PIXELS, Limits::MOST_BYTES));
        assert_eq!((most.most_time(), most.extra_work()), (Limits::MOST_TIME, 86_400_000_000_000));
        assert_eq!(limits.time(Duration::from_millis(1)).extra_work(), 0);
    }
}
