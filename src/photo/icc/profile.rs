//! The parts of an ICC profile: header and tags (ICC.1:2022). Sizes and offsets are claims: nothing is allocated for them.

/// The bytes of a profile.
#[derive(Clone, Copy)]
pub(in crate::photo) struct Profile<'a>(pub &'a [u8]);

/// Where the table of tags begins: after the header.
const TAGS: usize = 128;

/// More tags than any profile has.
const MOST_TAGS: usize = 1024;

/// Reads four bytes as a number.
pub(in crate::photo) fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a number of the type s15Fixed16.
fn fixed(bytes: &[u8], at: usize) -> Option<f64> {
    four(bytes, at).map(|bits| f64::from(bits.cast_signed()) / 65536.0)
}

impl<'a> Profile<'a> {
    /// The signature at a place of the header.
    pub fn signature(&self, at: usize) -> Option<&'a [u8; 4]> {
        self.0.get(at..)?.first_chunk()
    }

    /// The content of a tag, which begins with its type.
    pub fn tag(&self, name: &[u8; 4]) -> Option<&'a [u8]> {
        let count = (four(self.0, TAGS)? as usize).min(MOST_TAGS);
        let mut tags = self.0.get(TAGS + 4..)?.as_chunks::<12>().0.iter().take(count);
        let tag = tags.find(|tag| tag.starts_with(name))?;
        let start = four(tag, 4)? as usize;
        self.0.get(start..start.checked_add(four(tag, 8)? as usize)?)
    }

    /// A tag that is one colour in the connection space.
    pub fn colour(&self, name: &[u8; 4]) -> Option<[f64; 3]> {
        let content = self.tag(name).filter(|content| content.starts_with(b"XYZ "))?;
        Some([fixed(content, 8)?, fixed(content, 12)?, fixed(content, 16)?])
    }

    /// A tag that is a curve, as the light of each level of eight bits.
    pub fn curve(&self, name: &[u8; 4]) -> Option<[f64; 256]> {
        let content = self.tag(name)?;
        let curve = Curve::read(content)?;
        Some(std::array::from_fn(|level| curve.at(level as f64 / 255.0)))
    }
}

/// From a level to light, both from 0 to 1.
enum Curve<'a> {
    Gamma(f64),
    /// Samples of 16 bits, most significant first.
    Samples(&'a [[u8; 2]]),
    /// The number of a function and its parameters.
    Function(u16, [f64; 7]),
}

impl<'a> Curve<'a> {
    fn read(content: &'a [u8]) -> Option<Curve<'a>> {
        match content.first_chunk()? {
            b"curv" => {
                let samples = content.get(12..)?.as_chunks::<2>().0;
                match four(content, 8)? as usize {
                    0 => Some(Curve::Gamma(1.0)),
                    1 => Some(Curve::Gamma(f64::from(u16::from_be_bytes(*samples.first()?)) / 256.0)),
                    count => Some(Curve::Samples(samples.get(..count)?)),
                }
            }
            b"para" => {
                const COUNTS: [usize; 5] = [1, 3, 4, 5, 7];
                let kind = u16::from_be_bytes(*content.get(8..)?.first_chunk()?);
                let mut parameters = [0.0; 7];
                for (index, parameter) in parameters.iter_mut().take(*COUNTS.get(usize::from(kind))?).enumerate() {
                    *parameter = fixed(content, 12 + 4 * index)?;
                }
                Some(Curve::Function(kind, parameters))
            }
            _ => None,
        }
    }

    fn at(&self, x: f64) -> f64 {
        let y = match *self {
            Curve::Gamma(gamma) => x.powf(gamma),
            Curve::Samples(samples) => {
                let place = x * (samples.len() - 1) as f64;
                let sample = |at: usize| f64::from(u16::from_be_bytes(samples[at.min(samples.len() - 1)])) / 65535.0;
                let (below, above) = (sample(place as usize), sample(place as usize + 1));
                below + (above - below) * place.fract()
            }
            // ICC.1:2022, table 68.
            Curve::Function(kind, [g, a, b, c, d, e, f]) => {
                let power = || (a * x + b).max(0.0).powf(g);
                match kind {
                    0 => x.powf(g),
                    1 if a * x >= -b => power(),
                    1 => 0.0,
                    2 if a * x >= -b => power() + c,
                    2 => c,
                    3 if x >= d => power(),
                    3 => c * x,
                    _ if x >= d => power() + e,
                    _ => c * x + f,
                }
            }
        };
        // Also of what is no number.
        if y.is_finite() { y.clamp(0.0, 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(content: &[u8], x: f64) -> Option<f64> {
        Curve::read(content).map(|curve| curve.at(x))
    }

    fn function(kind: u8, parameters: &[f64]) -> Vec<u8> {
        let bits = parameters.iter().map(|value| ((value * 65536.0).round() as i32).to_be_bytes());
        [&[b'p', b'a', b'r', b'a', 0, 0, 0, 0, 0, kind, 0, 0][..], &bits.collect::<Vec<_>>().concat()].concat()
    }

    #[test]
    fn curves_of_all_kinds() {
        assert_eq!(at(b"curv\0\0\0\0\0\0\0\0", 0.3), Some(0.3));
        assert_eq!(at(b"curv\0\0\0\0\0\0\0\x01\x02\0", 0.5), Some(0.25));
        let samples = b"curv\0\0\0\0\0\0\0\x03\0\0\x40\0\xff\xff";
        assert!((at(samples, 0.25).unwrap() - 0.125).abs() < 1e-4 && at(samples, 1.0) == Some(1.0));
        assert_eq!(at(&function(0, &[2.0]), 0.5), Some(0.25));
        assert_eq!(at(&function(1, &[2.0, 2.0, -1.0]), 0.75), Some(0.25));
        assert_eq!(at(&function(1, &[2.0, 2.0, -1.0]), 0.25), Some(0.0));
        assert_eq!(at(&function(2, &[2.0, 2.0, -1.0, 0.5]), 0.25), Some(0.5));
        assert_eq!(at(&function(3, &[2.0, 1.0, 0.0, 0.5, 0.5]), 0.25), Some(0.125));
        assert_eq!(at(&function(4, &[2.0, 1.0, 0.0, 0.5, 0.5, 0.25, 0.125]), 0.25), Some(0.25));
        assert_eq!(at(&function(4, &[2.0, 1.0, 0.0, 0.5, 0.5, 0.25, 0.125]), 0.5), Some(0.5));
        // Claims, and what gives no number.
        for content in [
            &b"curv\0\0\0\0\xff\xff\xff\xff\0\0"[..],
            b"curv\0\0\0\0\0\0\0\x01",
            b"para\0\0\0\0\0\x05\0\0",
            b"mft2",
            b"",
        ] {
            assert_eq!(at(content, 0.5), None, "{content:?}");
        }
        assert_eq!(at(&function(3, &[0.5, 1.0, -9.0, 1.0, 0.0]), 0.5), Some(0.0));
        assert_eq!(at(&function(0, &[-3.0]), 0.0), Some(0.0));
    }
}
