//! Parts of a file, as RFC 9110 has requests ask for them: one range of bytes.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    /// The file. Also if the header makes no sense, or names several ranges, which a server may pass over.
    Whole,
    Range(Range<u64>),
    /// A range that begins behind the end.
    Beyond,
}

/// The part of a file of `len` bytes with this `ETag` that the headers of a GET ask for.
pub(super) fn part(headers: &HeaderMap, tag: &str, len: u64) -> Part {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Part::Whole };
    // The client has a part of another content, or says when it got it, which says less than a tag.
    if headers.get(IF_RANGE).is_some_and(|known| known.as_bytes() != tag.as_bytes()) {
        return Part::Whole;
    }
    let found = range.to_str().ok().and_then(|range| {
        let (unit, set) = range.split_once('=')?;
        let (first, last) = set.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
        Some((number(first)?, number(last)?))
    });
    match found {
        Some((Some(first), Some(last))) if last < first => Part::Whole,
        Some((Some(first), _)) if first >= len => Part::Beyond,
        Some((Some(first), last)) => Part::Range(first..last.map_or(len, |last| last.saturating_add(1).min(len))),
        Some((None, Some(0))) => Part::Beyond,
        Some((None, Some(_))) if len == 0 => Part::Beyond,
        Some((None, Some(count))) => Part::Range(len.saturating_sub(count)..len),
        Some((None, None)) | None => Part::Whole,
    }
}

/// Digits, or nothing; `None` for anything else. More than fits is more than any file has.
fn number(digits: &str) -> Option<Option<u64>> {
    match digits {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(Some(digits.parse().unwrap_or(u64::MAX))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Part::{Beyond, Whole};
    use super::*;

    fn asked(range: &str, others: &[(&'static str, &str)], len: u64) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        for (name, value) in others {
            headers.append(*name, value.parse().unwrap());
        }
        part(&headers, "\"a\"", len)
    }

    #[test]
    fn one_range_is_taken() {
        for (range, expected) in [
            ("bytes=0-0", Part::Range(0..1)),
            ("bytes=2-5", Part::Range(2..6)),
            ("Bytes=2-", Part::Range(2..10)),
            ("bytes=9-99999999999999999999999", Part::Range(9..10)),
            ("bytes=-3", Part::Range(7..10)),
            ("bytes=-30", Part::Range(0..10)),
            ("bytes=10-", Beyond),
            ("bytes=99999999999999999999999-", Beyond),
            ("bytes=-0", Beyond),
            ("bytes=5-4", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("lines=0-1", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=+1-4", Whole),
            ("bytes=1--4", Whole),
            ("bytes=a-b", Whole),
        ] {
            assert_eq!(asked(range, &[], 10), expected, "{range}");
        }
        assert_eq!(asked("bytes=-3", &[], 0), Beyond);
        assert_eq!(part(&HeaderMap::new(), "\"a\"", 10), Whole);
    }

    #[test]
    fn a_part_of_another_content_is_not_continued() {
        assert_eq!(asked("bytes=2-", &[("if-range", "\"a\"")], 10), Part::Range(2..10));
        for other in ["\"b\"", "W/\"a\"", "Wed, 21 Oct 2015 07:28:00 GMT", "a"] {
            assert_eq!(asked("bytes=2-", &[("if-range", other)], 10), Whole, "{other}");
        }
        assert_eq!(asked("bytes=2-", &[("range", "bytes=3-")], 10), Whole);
    }
}
