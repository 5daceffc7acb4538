//! Which photos a search may find: by folder, name, date and place.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::error::Error;
use super::store::FoundFile;

/// Mean radius of the earth in kilometres (IUGG).
const EARTH: f64 = 6371.0088;

/// Conditions that a photo must meet, all of them.
///
/// A photo that is at several paths is found at those that meet them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    folders: Vec<PathBuf>,
    names: Vec<GlobMatcher>,
    /// Begin of the first moment, `YYYY-MM-DDTHH:MM:SS`.
    after: Option<String>,
    /// Begin of the first moment that is too late.
    before: Option<String>,
    near: Option<Near>,
}

#[derive(Clone, Copy, Debug)]
struct Near {
    latitude: f64,
    longitude: f64,
    kilometres: f64,
}

impl Filter {
    /// A filter that every photo passes.
    #[must_use]
    pub fn new() -> Filter {
        Filter::default()
    }

    /// Photos in this folder and its subfolders; in one of them, if it is called several times.
    ///
    /// # Errors
    /// A relative path without a working directory.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Result<Filter, Error> {
        let folder = folder.as_ref();
        let real = std::fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
        self.folders.push(real.map_err(|source| Error::Io { path: folder.to_owned(), source })?);
        Ok(self)
    }

    /// Photos whose name matches a pattern, or whose path does if the pattern has a slash: `*.jpg`, `**/2023/*`. One of
    /// them, if it is called several times. `*` and `?` match any characters of a name, `[ab]` one of several, `{a,b}`
    /// one of several words, `**` any folders. Letters match in either case.
    ///
    /// # Errors
    /// A malformed pattern.
    pub fn name(mut self, pattern: &str) -> Result<Filter, Error> {
        let whole = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
        let glob = GlobBuilder::new(&whole).literal_separator(true).case_insensitive(true).build();
        let glob =
            glob.map_err(|error| Error::Query(format!("the pattern `{pattern}` cannot be used: {}", error.kind())))?;
        self.names.push(glob.compile_matcher());
        Ok(self)
    }

    /// Photos taken at this moment or later: `2024`, `2024-05`, `2024-05-06` or `2024-05-06T07:08`, in the local time of
    /// the photo. A photo without a date counts with the time of its file.
    ///
    /// # Errors
    /// No date.
    pub fn after(mut self, date: &str) -> Result<Filter, Error> {
        self.after = Some(start_of(date)?);
        Ok(self)
    }

    /// Photos taken before this moment, or before the first moment of this day, month or year.
    ///
    /// # Errors
    /// No date.
    pub fn before(mut self, date: &str) -> Result<Filter, Error> {
        self.before = Some(start_of(date)?);
        Ok(self)
    }

    /// Photos taken at most so many kilometres from a place, in degrees north and east.
    ///
    /// # Errors
    /// A place or distance that cannot be.
    pub fn near(mut self, latitude: f64, longitude: f64, kilometres: f64) -> Result<Filter, Error> {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(Error::Query(format!(
                "there is no place {latitude},{longitude}; give degrees north from -90 to 90 and degrees east from -180 to 180"
            )));
        }
        if !(kilometres.is_finite() && kilometres >= 0.0) {
            return Err(Error::Query(format!("{kilometres} is no distance in kilometres")));
        }
        self.near = Some(Near { latitude, longitude, kilometres });
        Ok(self)
    }

    /// Whether every photo passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
            && self.names.is_empty()
            && self.after.is_none()
            && self.before.is_none()
            && self.near.is_none()
    }

    /// Whether a file passes.
    pub(super) fn passes(&self, found: &FoundFile) -> bool {
        let taken = found.taken.as_str();
        self.after.as_deref().is_none_or(|after| taken >= after)
            && self.before.as_deref().is_none_or(|before| taken < before)
            && self.near.is_none_or(|near| found.place.is_some_and(|place| near.distance(place) <= near.kilometres))
            && (self.folders.is_empty() || self.folders.iter().any(|folder| found.path.starts_with(folder)))
            && (self.names.is_empty() || self.names.iter().any(|name| name.is_match(&found.path)))
    }
}

impl Near {
    /// Kilometres to a place on a sphere (haversine formula).
    fn distance(&self, (latitude, longitude): (f64, f64)) -> f64 {
        let (a, b) = (self.latitude.to_radians(), latitude.to_radians());
        let (north, east) = (b - a, (longitude - self.longitude).to_radians());
        let h = (north / 2.0).sin().powi(2) + a.cos() * b.cos() * (east / 2.0).sin().powi(2);
        2.0 * EARTH * h.sqrt().min(1.0).asin()
    }
}

/// The first moment of a year, month, day or minute: `YYYY-MM-DDTHH:MM:SS`.
fn start_of(date: &str) -> Result<String, Error> {
    let refused =
        || Error::Query(format!("`{date}` is not a date; write 2024, 2024-05, 2024-05-06 or 2024-05-06T07:08"));
    const WHOLE: &str = "0000-01-01T00:00:00";
    let date_part = date.trim().replace(' ', "T");
    if ![4, 7, 10, 13, 16, 19].contains(&date_part.len()) || !date_part.is_ascii() {
        return Err(refused());
    }
    let whole = format!("{date_part}{}", &WHOLE[date_part.len()..]);
    let pattern = whole.bytes().zip(WHOLE.bytes());
    if !pattern.into_iter().all(|(a, b)| if b.is_ascii_digit() { a.is_ascii_digit() } else { a == b }) {
        return Err(refused());
    }
    let number = |at: usize| whole[at..at + 2].parse::<u32>().unwrap_or(99);
    let year: u32 = whole[..4].parse().map_err(|_| refused())?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match number(5) {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let valid = (1..=days).contains(&number(8)) && number(11) < 24 && number(14) < 60 && number(17) < 60;
    if valid { Ok(whole) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, taken: &str, place: Option<(f64, f64)>) -> FoundFile {
        FoundFile { path: path.into(), taken: taken.into(), place, ..FoundFile::default() }
    }

    #[test]
    fn dates() {
        for (date, start) in [
            ("2024", "2024-01-01T00:00:00"),
            ("2024-05", "2024-05-01T00:00:00"),
            ("2024-02-29", "2024-02-29T00:00:00"),
            ("2024-05-06T07", "2024-05-06T07:00:00"),
            ("2024-05-06 07:08", "2024-05-06T07:08:00"),
            ("2024-05-06T07:08:09", "2024-05-06T07:08:09"),
        ] {
            assert_eq!(start_of(date).unwrap(), start);
        }
        for date in [
            "",
            "24",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "2024-05-06T24",
            "2024/05",
            "20240506",
            "tomorrow",
            "２０２４",
        ] {
            assert!(start_of(date).is_err(), "{date}");
        }
        let may = Filter::new().after("2024-05").unwrap().before("2024-06").unwrap();
        for (taken, passes) in [
            ("2024-04-30T23:59:59", false),
            ("2024-05-01T00:00:00", true),
            ("2024-05-31T23:59:59", true),
            ("2024-06-01T00:00:00", false),
        ] {
            assert_eq!(may.passes(&found("/a", taken, None)), passes, "{taken}");
        }
    }

    #[test]
    fn places() {
        // Paris to London is 344 km.
        let paris = |kilometres| Filter::new().near(48.8566, 2.3522, kilometres).unwrap();
        let london = found("/a", "", Some((51.5074, -0.1278)));
        assert!(paris(345.0).passes(&london) && !paris(342.0).passes(&london));
        assert!(!paris(30000.0).passes(&found("/a", "", None)));
        // Across the date line.
        let fiji = Filter::new().near(-17.0, 179.9, 50.0).unwrap();
        assert!(fiji.passes(&found("/a", "", Some((-17.0, -179.9)))));
        for (latitude, longitude, kilometres) in
            [(91.0, 0.0, 1.0), (0.0, 181.0, 1.0), (0.0, 0.0, -1.0), (f64::NAN, 0.0, 1.0)]
        {
            assert!(Filter::new().near(latitude, longitude, kilometres).is_err());
        }
    }

    #[test]
    fn folders_and_names() {
        let filter = Filter::new().folder("/photos/2024").unwrap().folder("/other").unwrap();
        for (path, passes) in [("/photos/2024/a.jpg", true), ("/photos/20245/a.jpg", false), ("/other/b/c.png", true)] {
            assert_eq!(filter.passes(&found(path, "", None)), passes, "{path}");
        }
        let passes = |pattern: &str, path: &str| Filter::new().name(pattern).unwrap().passes(&found(path, "", None));
        assert!(passes("*.jpg", "/photos/a.JPG") && !passes("*.jpg", "/photos/a.png"));
        assert!(passes("IMG_*", "/photos/2024/img_1.png") && !passes("photos", "/photos/a.png"));
        assert!(passes("**/2024/*", "/photos/2024/a.png") && !passes("**/2024/*", "/photos/2024/may/a.png"));
        assert!(Filter::new().name("[").is_err());
    }
}
