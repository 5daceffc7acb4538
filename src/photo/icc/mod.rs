//! From the colours of an ICC profile to sRGB, for callers that ask for it: profiles of three curves and a matrix, which
//! phones, cameras and programs give photos, and those of one curve for grey. Also from colours that a file describes
//! without a profile, which are three curves and a matrix as well.
//!
//! All of it is computed here, in one order, so that the pixels have the same bits on every processor. Profiles that are
//! tables, as those of scanners and printers are, are not applied.

mod described;
mod hdr;
mod profile;
mod sink;

use std::sync::LazyLock;

#[cfg(feature = "jxl")]
pub(in crate::photo) use described::Curve;
pub(in crate::photo) use described::Description;
use hdr::Scene;
pub(in crate::photo) use profile::{Profile, four};
pub(crate) use sink::Converting;

/// From levels of eight bits to levels of eight bits in sRGB.
pub(crate) struct Conversion {
    /// The light of each level of red, green and blue.
    light: [[f32; 256]; 3],
    /// What comes next, if that light is one of a scene.
    scene: Option<Scene>,
    /// From that light to that of sRGB, `[to, from]`.
    matrix: [[f32; 3]; 3],
}

/// From the connection space, which is seen by the white D50, to linear sRGB: the inverse of sRGB's primaries, adapted by
/// Bradford's method.
const TO_SRGB: [[f64; 3]; 3] =
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]];

/// Steps of light in the table of sRGB's levels: more than nineteen to a level where they are closest.
const STEPS: usize = 1 << 16;

/// The level of each step of light.
static LEVELS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let level = |step: usize| {
        let light = step as f64 / (STEPS - 1) as f64;
        let value = if light <= 0.0031308 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        (value * 255.0).round() as u8
    };
    (0..STEPS).map(level).collect()
});

/// The step of a light, from 0 to 1, in a table of [`STEPS`]. What is no number is black.
fn step(light: f32) -> usize {
    // Never beyond the last step.
    (light.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 0.5) as usize
}

/// The light of a signal of sRGB, both from 0 to 1.
fn srgb_light(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

impl Conversion {
    /// The conversion that a profile means; `None` if it is sRGB's.
    ///
    /// # Errors
    /// Why there is none, in a few words.
    pub fn of(profile: &[u8]) -> Result<Option<Conversion>, &'static str> {
        /// Where the header says what the levels are, and what they are connected to.
        const COLOURS: usize = 16;
        const CONNECTION: usize = 20;
        const DAMAGED: &str = "it is damaged";
        let profile = Profile(profile);
        let colours = profile.signature(COLOURS).ok_or(DAMAGED)?;
        if profile.signature(CONNECTION) != Some(b"XYZ ") {
            return Err("it is made of tables");
        }
        let conversion = match colours {
            b"GRAY" => {
                let light = profile.curve(b"kTRC").ok_or(DAMAGED)?.map(|light| light as f32);
                Conversion {
                    light: [light; 3],
                    scene: None,
                    matrix: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
                }
            }
            b"RGB " => Conversion::of_matrix(&profile)?,
            b"CMYK" => return Err("it is one of inks"),
            _ => return Err("its colours are none of a photo"),
        };
        Ok(Some(conversion).filter(|conversion| !conversion.is_identity()))
    }

    fn of_matrix(profile: &Profile<'_>) -> Result<Conversion, &'static str> {
        let [red, green, blue] = [b"rXYZ", b"gXYZ", b"bXYZ"].map(|name| profile.colour(name));
        let [Some(red), Some(green), Some(blue)] = [red, green, blue] else {
            let has_tables = profile.tag(b"A2B0").is_some();
            return Err(if has_tables { "it is made of tables" } else { "it lacks its primaries" });
        };
        let mut light = [[0.0; 256]; 3];
        for (light, name) in light.iter_mut().zip([b"rTRC", b"gTRC", b"bTRC"]) {
            *light = profile.curve(name).ok_or("it lacks a curve")?.map(|light| light as f32);
        }
        Ok(Conversion { light, scene: None, matrix: matrix([red, green, blue]) })
    }

    /// The conversion from described colours; `None` if they are sRGB's.
    ///
    /// # Errors
    /// Why there is none, in a few words.
    pub(in crate::photo) fn described(description: &Description) -> Result<Option<Conversion>, &'static str> {
        let (colours, luminances) = description.colours().ok_or("its primaries make no colours")?;
        let light = description.light().map(|light| light as f32);
        let scene = (description.curve == described::Curve::Hlg).then(|| Scene::new(luminances));
        let conversion = Conversion { light: [light; 3], scene, matrix: matrix(colours) };
        Ok(Some(conversion).filter(|conversion| !conversion.is_identity()))
    }

    /// Whether it is sRGB's own, up to rounding.
    fn is_identity(&self) -> bool {
        const CLOSE: f64 = 0.001;
        let curves = self.light.iter().all(|light| {
            light
                .iter()
                .enumerate()
                .all(|(level, &light)| (f64::from(light) - srgb_light(level as f64 / 255.0)).abs() < CLOSE)
        });
        let expected = |to: usize, from: usize| if to == from { 1.0 } else { 0.0 };
        let mut places = (0..3).flat_map(|to| (0..3).map(move |from| (to, from)));
        self.scene.is_none()
            && curves
            && places.all(|(to, from)| (f64::from(self.matrix[to][from]) - expected(to, from)).abs() < CLOSE)
    }

    /// Converts pixels in place.
    pub fn apply(&self, pixels: &mut [[u8; 3]]) {
        let levels = &**LEVELS;
        for pixel in pixels {
            let light = [0, 1, 2].map(|channel| self.light[channel][usize::from(pixel[channel])]);
            let [red, green, blue] = self.scene.as_ref().map_or(light, |scene| scene.shown(light));
            *pixel = self.matrix.map(|[r, g, b]| levels[step(r * red + g * green + b * blue)]);
        }
    }
}

/// From the light of colours in the connection space to that of sRGB, `[to, from]`.
fn matrix(colours: [[f64; 3]; 3]) -> [[f32; 3]; 3] {
    TO_SRGB.map(|row| {
        let weigh = |colour: [f64; 3]| (row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2]) as f32;
        colours.map(weigh)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_srgb_come_back() {
        for level in 0..256 {
            let light = srgb_light(level as f64 / 255.0);
            assert_eq!(usize::from(LEVELS[step(light as f32)]), level);
        }
        assert_eq!((LEVELS[0], LEVELS[STEPS - 1]), (0, 255));
    }

    #[test]
    fn numbers_that_are_none_give_levels() {
        let strange = Conversion { light: [[f32::NAN; 256]; 3], scene: None, matrix: [[f32::INFINITY; 3]; 3] };
        let mut pixels = [[1, 2, 3]];
        strange.apply(&mut pixels);
        assert_eq!(pixels, [[0; 3]]);
    }
}
