//! Where a photo stands in a series of shots: by its date, or by the number in its name.

use std::path::{Path, PathBuf};

/// Photos among which shots of one scene are looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Series {
    /// All that state a date.
    Dated,
    /// Without a date: a folder, and what their names have before and after the number.
    Named(PathBuf, Vec<u8>, Vec<u8>),
}

/// The seconds of a date `YYYY-MM-DDTHH:MM:SS` since 1970; `None` if it is none.
pub(super) fn seconds(date: &str) -> Option<i64> {
    let digits = |at: std::ops::Range<usize>| {
        let part = date.as_bytes().get(at)?;
        part.iter().try_fold(0i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    };
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(())?;
    // Days since 1970 in the Gregorian calendar, with years that begin in March, so that leap days are last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The series and the number of a name: that of the last digits before the extension. `None` without any.
pub(super) fn named(path: &Path) -> Option<(Series, i64)> {
    let stem = path.file_stem()?.as_encoded_bytes();
    let end = stem.iter().rposition(u8::is_ascii_digit)? + 1;
    let start = stem[..end].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
    // Longer ones count nothing.
    let digits = stem.get(start..end).filter(|digits| digits.len() <= 12)?;
    let number = digits.iter().fold(0i64, |number, byte| number * 10 + i64::from(byte - b'0'));
    let folder = path.parent().unwrap_or(Path::new(""));
    Some((Series::Named(folder.to_owned(), stem[..start].to_vec(), stem[end..].to_vec()), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds() {
        // As `date -u -d … +%s` has them.
        for (date, expected) in [
            ("1970-01-01T00:00:00", Some(0)),
            ("2024-02-29T12:34:56", Some(1_709_210_096)),
            ("2024-03-01T00:00:00", Some(1_709_251_200)),
            ("2000-12-31T23:59:59", Some(978_307_199)),
            ("1969-12-31T23:59:59", Some(-1)),
            ("2024-00-01T00:00:00", None),
            ("2024-13-01T00:00:00", None),
            ("2024-01-01", None),
            ("", None),
            ("2024-01-01T0a:00:00", None),
        ] {
            assert_eq!(seconds(date), expected, "{date}");
        }
    }

    #[test]
    fn names_count_up() {
        let series = |text: &str| named(Path::new(text));
        let (first, twelve) = series("/a/IMG_0012.jpg").unwrap();
        assert_eq!((&first, twelve), (&Series::Named("/a".into(), b"IMG_".into(), b"".into()), 12));
        assert_eq!(series("/a/IMG_0013.png"), Some((first.clone(), 13)));
        for other in ["/b/IMG_0012.jpg", "/a/DSC_0012.jpg", "/a/IMG_0012 (edited).jpg"] {
            assert_ne!(series(other).unwrap().0, first, "{other}");
        }
        assert_eq!(series("/a/20240506_070809.jpg").unwrap().1, 70_809);
        assert_eq!(series("12.jpg").unwrap().1, 12);
        for none in ["/a/beach.jpg", "/a/.jpg", "/a/1234567890123.jpg", "/"] {
            assert_eq!(series(none), None, "{none}");
        }
    }
}
