//! What a photo file states about its colours, in words and numbers. Converts nothing.

use std::fmt;

use super::super::icc::{Profile, four};

/// What a photo file states about its colours, all of which [`decode`](crate::photo::decode) ignores, as the references of
/// the models do. [`decode_srgb`](crate::photo::decode_srgb) converts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColourSpace {
    /// The description of its ICC profile, at most 128 characters; empty if the profile has none.
    pub profile: Option<String>,
    /// Code points of ITU-T H.273 (CICP, nclx).
    pub cicp: Option<Cicp>,
    /// The value of EXIF's tag `ColorSpace`: 1 is sRGB, 65535 something else.
    pub exif: Option<u16>,
    /// From what [`decode_srgb`](crate::photo::decode_srgb) converts them; `None` if the levels are sRGB's, or count as it.
    pub converted: Option<ColourSource>,
}

/// What colours are converted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColourSource {
    /// The ICC profile, if it is one that can be applied.
    Profile,
    /// Code points, or what a JPEG XL file states in their place.
    Description,
}

/// Code points of ITU-T H.273, as PNG, HEIF and JPEG XL files state them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cicp {
    /// `ColourPrimaries`: 1 is BT.709, of sRGB too.
    pub primaries: u16,
    /// `TransferCharacteristics`: 13 is that of sRGB.
    pub transfer: u16,
    /// `MatrixCoefficients`: 0 is RGB.
    pub matrix: u16,
}

impl Cicp {
    /// The code points of sRGB.
    pub(in crate::photo) const SRGB: Cicp = Cicp { primaries: 1, transfer: 13, matrix: 0 };
}

impl ColourSpace {
    /// Whether the file states nothing about its colours.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.profile.is_none() && self.cicp.is_none() && self.exif.is_none()
    }
}

/// In words: `Display P3 (ICC profile), sRGB (EXIF)`; `not stated` if nothing is.
impl fmt::Display for ColourSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = self.profile.as_deref().map(|name| match name {
            "" => "an ICC profile without a name".to_owned(),
            name => format!("{name} (ICC profile)"),
        });
        let cicp = self.cicp.map(|cicp| cicp.to_string());
        let exif = self.exif.map(|value| match value {
            1 => "sRGB (EXIF)".to_owned(),
            // What some cameras write, against the standard.
            2 => "Adobe RGB (EXIF)".to_owned(),
            0xffff => "not sRGB (EXIF)".to_owned(),
            other => format!("colour space {other} (EXIF)"),
        });
        let parts: Vec<String> = [profile, cicp, exif].into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "not stated" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

/// In words: `BT.2020 with PQ (CICP 9/16/9)`.
impl fmt::Display for Cicp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cicp { primaries, transfer, matrix } = *self;
        let colours = match primaries {
            1 => "BT.709",
            2 => "unknown primaries",
            4 => "BT.470 M",
            5..=7 => "BT.601",
            8 => "generic film",
            9 => "BT.2020",
            10 => "XYZ",
            11 => "DCI-P3",
            12 => "Display P3",
            22 => "EBU Tech 3213",
            _ => "other primaries",
        };
        let curve = match transfer {
            1 | 6 | 14 | 15 => "the curve of BT.709",
            2 => "an unknown curve",
            4 => "gamma 2.2",
            5 => "gamma 2.8",
            7 => "the curve of SMPTE 240M",
            8 => "linear levels",
            9 | 10 => "a logarithmic curve",
            11 => "the curve of xvYCC",
            12 => "the curve of BT.1361",
            13 => "the curve of sRGB",
            16 => "PQ",
            17 => "the curve of digital cinema",
            18 => "HLG",
            _ => "another curve",
        };
        match (primaries, transfer) {
            (1, 13) => f.write_str("sRGB")?,
            (12, 13) => f.write_str("Display P3")?,
            _ => write!(f, "{colours} with {curve}")?,
        }
        write!(f, " (CICP {primaries}/{transfer}/{matrix})")
    }
}

/// The most characters of a description.
const LONGEST: usize = 128;

/// The description of an ICC profile (ICC.1:2022, 9.2.41); empty if there is none that can be read.
pub(super) fn description(profile: &[u8]) -> String {
    let clean = |text: String| -> String {
        let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        text.trim().to_owned()
    };
    described(profile).map(clean).unwrap_or_default()
}

fn described(profile: &[u8]) -> Option<String> {
    let content = Profile(profile).tag(b"desc")?;
    let four = |at: usize| four(content, at).map(|number| number as usize);
    match content.first_chunk()? {
        // Version 2: a length, then ASCII with a zero at its end.
        b"desc" => {
            let text = content.get(12..)?;
            let text = &text[..text.len().min(four(8)?).min(4 * LONGEST)];
            let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
            Some(String::from_utf8_lossy(&text[..end]).into_owned())
        }
        // Version 4: texts of several languages in UTF-16, of which the first is meant where none is asked for.
        b"mluc" => {
            let (length, at) = (four(20)?.min(4 * LONGEST), four(24)?);
            let text = content.get(at..at.checked_add(length)?)?;
            let units: Vec<u16> = text.as_chunks().0.iter().map(|&unit| u16::from_be_bytes(unit)).collect();
            Some(String::from_utf16_lossy(&units))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile with one tag.
    fn profile(content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(1u32.to_be_bytes());
        bytes.extend(b"desc\0\0\0\x90");
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(content);
        bytes
    }

    fn mluc(text: &str) -> Vec<u8> {
        let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let head = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS";
        [&head[..], &(text.len() as u32).to_be_bytes(), &28u32.to_be_bytes(), &text].concat()
    }

    #[test]
    fn descriptions_of_both_versions() {
        let second = profile(b"desc\0\0\0\0\0\0\0\x0aAdobe RGB\0\0\0");
        let fourth = profile(&mluc("Display P3 ü"));
        assert_eq!((description(&second), description(&fourth)), ("Adobe RGB".into(), "Display P3 ü".into()));
        assert_eq!(description(&profile(&mluc(&format!("\u{1b}[31m{}", "x".repeat(500))))).chars().count(), 128);
        for whole in [second, fourth] {
            for end in 0..whole.len() {
                description(&whole[..end]);
                let mut damaged = whole.clone();
                damaged[end] = 0xff;
                description(&damaged);
            }
        }
        assert_eq!((description(b""), description(&profile(b"text"))), (String::new(), String::new()));
    }

    #[test]
    fn colours_in_words() {
        let cicp = |primaries, transfer, matrix| Some(Cicp { primaries, transfer, matrix });
        let show = |profile: Option<&str>, cicp, exif| {
            ColourSpace { profile: profile.map(str::to_owned), cicp, exif, converted: None }.to_string()
        };
        assert_eq!(show(None, None, None), "not stated");
        assert_eq!(show(Some("Display P3"), None, Some(0xffff)), "Display P3 (ICC profile), not sRGB (EXIF)");
        assert_eq!(show(Some(""), None, Some(1)), "an ICC profile without a name, sRGB (EXIF)");
        assert_eq!(show(None, cicp(9, 16, 9), None), "BT.2020 with PQ (CICP 9/16/9)");
        assert_eq!(show(None, cicp(1, 13, 0), Some(3)), "sRGB (CICP 1/13/0), colour space 3 (EXIF)");
        assert_eq!(show(None, cicp(77, 99, 2), None), "other primaries with another curve (CICP 77/99/2)");
    }
}
