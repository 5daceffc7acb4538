//! When a photo was taken: a local date and time, as cameras write it, and its distance from UTC if that is known.

use std::fmt;

/// A date and time by the clock of the camera: a valid one of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DateTaken {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999,999,999.
    pub nanosecond: u32,
    /// Minutes that the clock was ahead of UTC, -840 to 840, if that is stated.
    pub offset_minutes: Option<i16>,
}

impl DateTaken {
    /// Checks a date and time; `None` if there is no such day or time.
    pub fn new(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Option<DateTaken> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let valid = (1..=9999).contains(&year) && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60;
        let (nanosecond, offset_minutes) = (0, None);
        valid.then_some(DateTaken { year, month, day, hour, minute, second, nanosecond, offset_minutes })
    }

    /// Returns the seconds since 1970-01-01 00:00:00 UTC, without the fraction. `default_offset` stands for the minutes
    /// ahead of UTC if the photo does not state them.
    pub fn to_unix(&self, default_offset: i16) -> i64 {
        // Days since 0000-03-01, so that the leap day ends a year.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month > 2 { year } else { year - 1 };
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
        /// Days from 0000-03-01 to 1970-01-01.
        const EPOCH: i64 = 719_468;
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute);
        let offset = i64::from(self.offset_minutes.unwrap_or(default_offset));
        (days - EPOCH) * 86_400 + (minutes - offset) * 60 + i64::from(self.second)
    }

    /// Parses the dates of EXIF (`2024:05:01 12:30:00`) and of XMP (`2024-05-01T12:30:00.25+02:00`); without a time, it
    /// is the start of the day.
    pub(super) fn parse(text: &[u8]) -> Option<DateTaken> {
        let mut text = Text(text.trim_ascii());
        let year = text.digits(4, 4)?;
        text.one_of(b":-/.")?;
        let month = text.digits(1, 2)?;
        text.one_of(b":-/.")?;
        let day = text.digits(1, 2)?;
        let (mut hour, mut minute, mut second, mut nanosecond, mut offset) = (0, 0, 0, 0, None);
        if !text.0.is_empty() {
            text.one_of(b" T")?;
            text.0 = text.0.trim_ascii_start();
            hour = text.digits(1, 2)?;
            text.one_of(b":")?;
            minute = text.digits(2, 2)?;
            if text.one_of(b":").is_some() {
                second = text.digits(2, 2)?;
                if text.one_of(b".,").is_some() {
                    nanosecond = text.fraction();
                }
            }
            offset = self::offset(text.0);
        }
        let part = |number: u32| u8::try_from(number).ok();
        let date = DateTaken::new(
            u16::try_from(year).ok()?,
            part(month)?,
            part(day)?,
            part(hour)?,
            part(minute)?,
            part(second)?,
        )?;
        Some(DateTaken { nanosecond, offset_minutes: offset, ..date })
    }
}

/// Parses a distance from UTC: `+02:00`, `-0330`, `Z`.
pub(super) fn offset(text: &[u8]) -> Option<i16> {
    let mut text = Text(text.trim_ascii());
    let sign = match text.one_of(b"+-Z")? {
        b'Z' => return Some(0),
        b'-' => -1,
        _ => 1,
    };
    let hours = text.digits(2, 2)?;
    text.one_of(b":");
    let minutes = text.digits(2, 2)?;
    let total = i16::try_from(hours * 60 + minutes).ok()?;
    (minutes < 60 && total <= 14 * 60).then_some(sign * total)
}

/// Parses the digits after a decimal point as nanoseconds: `25` are 250,000,000.
pub(super) fn fraction(text: &[u8]) -> Option<u32> {
    let text = text.trim_ascii();
    text.first().is_some_and(u8::is_ascii_digit).then(|| Text(text).fraction())
}

/// The rest of a text.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// Takes a character of `set`.
    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        set.contains(&first).then(|| self.0 = rest).map(|()| first)
    }

    /// Takes `least` to `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        (count >= least).then(|| self.0 = rest)?;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// Takes all digits; returns nanoseconds.
    fn fraction(&mut self) -> u32 {
        let (mut nanosecond, mut unit) = (0, 100_000_000);
        while let Some(&digit) = self.0.first().filter(|digit| digit.is_ascii_digit()) {
            nanosecond += u32::from(digit - b'0') * unit;
            unit /= 10;
            self.0 = &self.0[1..];
        }
        nanosecond
    }
}

/// ISO 8601: `2024-05-01T12:30:00.25+02:00`.
impl fmt::Display for DateTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DateTaken { year, month, day, hour, minute, second, nanosecond, offset_minutes } = *self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanosecond > 0 {
            let digits = format!("{nanosecond:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        match offset_minutes {
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.unsigned_abs() / 60, offset.unsigned_abs() % 60)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_exif_and_xmp() {
        for (text, iso) in [
            ("2024:05:01 12:30:59", "2024-05-01T12:30:59"),
            ("2024-05-01T12:30:59.25+02:00", "2024-05-01T12:30:59.25+02:00"),
            ("2024-05-01T12:30Z", "2024-05-01T12:30:00+00:00"),
            ("2024-05-01T12:30:59,123456789123-0330", "2024-05-01T12:30:59.123456789-03:30"),
            ("2024:05:01", "2024-05-01T00:00:00"),
            (" 2024:05:01 12:30:59 ", "2024-05-01T12:30:59"),
            ("2024/5/1 7:30:59", "2024-05-01T07:30:59"),
            ("2024:02:29 00:00:00", "2024-02-29T00:00:00"),
            ("2000:02:29 23:59:59 and more", "2000-02-29T23:59:59"),
            // An impossible distance counts as none.
            ("2024:05:01 12:30:59+15:00", "2024-05-01T12:30:59"),
        ] {
            assert_eq!(DateTaken::parse(text.as_bytes()).map(|date| date.to_string()).as_deref(), Some(iso), "{text}");
        }
    }

    #[test]
    fn impossible_dates_are_none() {
        for text in [
            "",
            "    :  :     :  :  ",
            "0000:00:00 00:00:00",
            "2024:13:01 00:00:00",
            "2024:00:01 00:00:00",
            "2024:04:31 00:00:00",
            "2023:02:29 00:00:00",
            "1900:02:29 00:00:00",
            "2024:05:01 24:00:00",
            "2024:05:01 12:60:00",
            "2024:05:01 12:30:60",
            "2024:05:01   :  :  ",
            "2024:05:01 12",
            "2024:05",
            "24:05:01 12:30:00",
            "20240501",
            "\u{0662}\u{0660}24:05:01",
        ] {
            assert_eq!(DateTaken::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn seconds_since_the_epoch() {
        let date = |text: &str| DateTaken::parse(text.as_bytes()).unwrap();
        // `date -u -d ... +%s`
        for (text, seconds) in [
            ("1970:01:01 00:00:00", 0),
            ("2024:05:01 12:30:59", 1_714_566_659),
            ("2000:02:29 23:59:59", 951_868_799),
            ("1969:12:31 23:59:59", -1),
            ("9999:12:31 23:59:59", 253_402_300_799),
            ("0001:01:01 00:00:00", -62_135_596_800),
        ] {
            assert_eq!(date(text).to_unix(0), seconds, "{text}");
            assert_eq!(date(text).to_unix(90), seconds - 90 * 60, "{text}");
        }
        let stated = date("2024:05:01 12:30:59+02:00");
        assert_eq!((stated.to_unix(0), stated.to_unix(-300)), (1_714_559_459, 1_714_559_459));
        assert_eq!(
            (offset(b"-14:00"), offset(b"+14:01"), offset(b"+01:60"), offset(b"  ")),
            (Some(-840), None, None, None)
        );
    }
}
