//! Colours that are stated without a profile: primaries, a white and a curve, also by code points of ITU-T H.273. They make
//! the same conversion as a profile of three curves and a matrix.

use super::super::metadata::Cicp;
use super::hdr;
use super::srgb_light;

/// A chromaticity: CIE 1931 x and y.
type Chromaticity = [f64; 2];

/// What the levels of a photo mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::photo) struct Description {
    /// Red, green and blue.
    pub primaries: [Chromaticity; 3],
    pub white: Chromaticity,
    pub curve: Curve,
    /// Whether black is level 16 and white 235, of 255.
    pub narrow: bool,
}

/// From levels to light.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::photo) enum Curve {
    Srgb,
    Gamma(f64),
    /// The camera's curve of BT.709, where levels were made of light with it.
    #[cfg_attr(not(feature = "jxl"), allow(dead_code))]
    Bt709,
    /// SMPTE ST 240.
    St240,
    /// So many decades of light, the last of which ends at white.
    Logarithm(f64),
    /// SMPTE ST 428-1, of digital cinema.
    St428,
    /// Perceptual quantisation: SMPTE ST 2084, BT.2100.
    Pq,
    /// Hybrid log-gamma: ARIB STD-B67, BT.2100.
    Hlg,
}

const D65: Chromaticity = [0.3127, 0.3290];

impl Description {
    /// What code points mean (H.273, tables 2 and 3); `None` if one of them is reserved. Unknown ones count as sRGB's.
    pub fn of(cicp: Cicp) -> Option<Description> {
        const C: Chromaticity = [0.310, 0.316];
        const E: Chromaticity = [1.0 / 3.0, 1.0 / 3.0];
        const P3: [Chromaticity; 3] = [[0.680, 0.320], [0.265, 0.690], [0.150, 0.060]];
        let (primaries, white) = match cicp.primaries {
            1 | 2 => ([[0.640, 0.330], [0.300, 0.600], [0.150, 0.060]], D65),
            4 => ([[0.67, 0.33], [0.21, 0.71], [0.14, 0.08]], C),
            5 => ([[0.64, 0.33], [0.29, 0.60], [0.15, 0.06]], D65),
            6 | 7 => ([[0.630, 0.340], [0.310, 0.595], [0.155, 0.070]], D65),
            8 => ([[0.681, 0.319], [0.243, 0.692], [0.145, 0.049]], C),
            9 => ([[0.708, 0.292], [0.170, 0.797], [0.131, 0.046]], D65),
            // X, Y and Z.
            10 => ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], E),
            11 => (P3, [0.314, 0.351]),
            12 => (P3, D65),
            22 => ([[0.630, 0.340], [0.295, 0.605], [0.155, 0.077]], D65),
            _ => return None,
        };
        let curve = match cicp.transfer {
            // The curve of BT.709 is that of cameras, not of displays, and pictures with its number look as they are meant
            // where they are shown with that of sRGB: Chromium does so (ui/gfx/color_space.cc). Between black and white,
            // those of IEC 61966-2-4 and BT.1361 are the same.
            1 | 6 | 11 | 12 | 14 | 15 | 2 | 13 => Curve::Srgb,
            4 => Curve::Gamma(2.2),
            5 => Curve::Gamma(2.8),
            7 => Curve::St240,
            8 => Curve::Gamma(1.0),
            9 => Curve::Logarithm(2.0),
            10 => Curve::Logarithm(2.5),
            16 => Curve::Pq,
            17 => Curve::St428,
            18 => Curve::Hlg,
            _ => return None,
        };
        Some(Description { primaries, white, curve, narrow: false })
    }

    /// The light of each level of eight bits: 1 is white. Of [`Curve::Hlg`] it is that of the scene.
    pub fn light(&self) -> [f64; 256] {
        std::array::from_fn(|level| {
            let level = level as f64;
            let signal = if self.narrow { (level - 16.0) / 219.0 } else { level / 255.0 };
            self.curve.at(signal.clamp(0.0, 1.0))
        })
    }

    /// The primaries in the connection space, and the luminance of each; `None` if they are not those of colours.
    pub fn colours(&self) -> Option<([[f64; 3]; 3], [f64; 3])> {
        let [x, y] = self.white;
        let white = [x / y, 1.0, (1.0 - x - y) / y];
        let primaries = self.primaries.map(|[x, y]| [x, y, 1.0 - x - y]);
        // As much of each as makes white.
        let amounts = product(&inverse(&transposed(&primaries))?, white);
        let adapted = |primary: [f64; 3], amount: f64| adapted(primary.map(|part| amount * part), white);
        let [red, green, blue] = primaries;
        let [of_red, of_green, of_blue] = amounts;
        let colours = [adapted(red, of_red)?, adapted(green, of_green)?, adapted(blue, of_blue)?];
        let luminances = [red[1] * of_red, green[1] * of_green, blue[1] * of_blue];
        let are_numbers = colours.as_flattened().iter().chain(&luminances).all(|part| part.is_finite());
        are_numbers.then_some((colours, luminances))
    }
}

impl Curve {
    /// The light of a signal from 0 to 1.
    fn at(self, signal: f64) -> f64 {
        let light = match self {
            Curve::Srgb => srgb_light(signal),
            Curve::Gamma(gamma) => signal.powf(gamma),
            // BT.709-6, 1.2.
            Curve::Bt709 if signal < 4.5 * 0.018 => signal / 4.5,
            Curve::Bt709 => ((signal + 0.099) / 1.099).powf(1.0 / 0.45),
            // H.273: alpha is 1.1115, and 0.0228 the light where the line ends.
            Curve::St240 if signal < 4.0 * 0.0228 => signal / 4.0,
            Curve::St240 => ((signal + 0.1115) / 1.1115).powf(1.0 / 0.45),
            Curve::Logarithm(_) if signal <= 0.0 => 0.0,
            Curve::Logarithm(decades) => 10f64.powf((signal - 1.0) * decades),
            // White is at 48 cd/m2, and the highest level at 52.37.
            Curve::St428 => signal.powf(2.6) * 52.37 / 48.0,
            Curve::Pq => hdr::shown(hdr::pq_light(signal)),
            Curve::Hlg => hdr::hlg_scene(signal),
        };
        light.clamp(0.0, 1.0)
    }
}

/// Adapts a colour that is seen by a white to that of the connection space, D50, by Bradford's method.
fn adapted(colour: [f64; 3], white: [f64; 3]) -> Option<[f64; 3]> {
    const D50: [f64; 3] = [0.96422, 1.0, 0.82521];
    const CONES: [[f64; 3]; 3] = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];
    let [from, to, seen] = [white, D50, colour].map(|colour| product(&CONES, colour));
    let scaled = [seen[0] * to[0] / from[0], seen[1] * to[1] / from[1], seen[2] * to[2] / from[2]];
    Some(product(&inverse(&CONES)?, scaled))
}

fn product(matrix: &[[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2])
}

fn transposed(matrix: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    [0, 1, 2].map(|column| matrix.map(|row| row[column]))
}

/// The inverse, by cofactors; `None` if there is none.
fn inverse(matrix: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let [a, b, c] = *matrix;
    let cross =
        |p: [f64; 3], q: [f64; 3]| [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]];
    let cofactors = [cross(b, c), cross(c, a), cross(a, b)];
    let determinant = a[0] * cofactors[0][0] + a[1] * cofactors[0][1] + a[2] * cofactors[0][2];
    let is_regular = determinant.is_finite() && determinant.abs() > 1e-9;
    is_regular.then(|| transposed(&cofactors.map(|row| row.map(|part| part / determinant))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(primaries: u16, transfer: u16) -> Option<Description> {
        Description::of(Cicp { primaries, transfer, matrix: 0 })
    }

    fn at(transfer: u16, signal: f64) -> f64 {
        of(1, transfer).unwrap().curve.at(signal)
    }

    #[test]
    fn white_is_white_and_luminances_are_those_of_the_standards() {
        for primaries in (0..=255).filter(|&primaries| of(primaries, 13).is_some()) {
            let (colours, luminances) = of(primaries, 13).unwrap().colours().unwrap();
            let white = [0, 1, 2].map(|part| colours.iter().map(|colour| colour[part]).sum::<f64>());
            for (part, expected) in white.iter().zip([0.96422, 1.0, 0.82521]) {
                assert!((part - expected).abs() < 1e-9, "{primaries}: {white:?}");
            }
            assert!((luminances.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{primaries}");
        }
        // BT.709-6, BT.2020-2 and SMPTE RP 431-2.
        for (primaries, expected) in
            [(1, [0.2126, 0.7152, 0.0722]), (9, [0.2627, 0.6780, 0.0593]), (11, [0.2095, 0.7216, 0.0689])]
        {
            let (_, luminances) = of(primaries, 13).unwrap().colours().unwrap();
            for (luminance, expected) in luminances.iter().zip(expected) {
                assert!((luminance - expected).abs() < 5e-5, "{primaries}: {luminances:?}");
            }
        }
    }

    #[test]
    fn code_points_that_are_reserved_mean_nothing() {
        let known = |codes: &[u16], is_known: &dyn Fn(u16) -> bool| {
            for code in 0..=300 {
                assert_eq!(is_known(code), codes.contains(&code), "{code}");
            }
        };
        known(&[1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22], &|code| of(code, 13).is_some());
        known(&[1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18], &|code| of(1, code).is_some());
        assert_eq!((of(2, 2), of(1, 1)), (of(1, 13), of(1, 13)));
    }

    #[test]
    fn curves_are_those_of_the_standard() {
        for transfer in (0..=18).filter(|&transfer| of(1, transfer).is_some()) {
            let curve = of(1, transfer).unwrap().light();
            assert!(curve.is_sorted() && curve[0].abs() < 1e-3, "{transfer}");
            assert!((curve[255] - 1.0).abs() < 1e-6, "{transfer}: {}", curve[255]);
        }
        for (transfer, signal, expected) in [
            (4, 0.5, 0.5f64.powf(2.2)),
            (5, 0.5, 0.5f64.powf(2.8)),
            (8, 0.3, 0.3),
            (9, 0.5, 0.1),
            (10, 0.6, 0.1),
            // The inverse of 1.1115 L^0.45 - 0.1115 and of 4 L.
            (7, 1.1115 * 0.5f64.powf(0.45) - 0.1115, 0.5),
            (7, 0.04, 0.01),
            (17, (48.0f64 * 0.5 / 52.37).powf(1.0 / 2.6), 0.5),
            (18, 0.5, 1.0 / 12.0),
        ] {
            assert!((at(transfer, signal) - expected).abs() < 1e-6, "{transfer} {signal}: {}", at(transfer, signal));
        }
    }

    #[test]
    fn a_narrow_range_is_stretched() {
        let narrow = Description { narrow: true, ..of(1, 8).unwrap() }.light();
        assert_eq!((narrow[0], narrow[16], narrow[235], narrow[255]), (0.0, 0.0, 1.0, 1.0));
        assert!((narrow[126] - 110.0 / 219.0).abs() < 1e-12);
    }

    #[test]
    fn primaries_that_make_no_colours_are_refused() {
        let srgb = of(1, 13).unwrap();
        let [red, green, _] = srgb.primaries;
        for wrong in [
            Description { primaries: [red, green, red], ..srgb },
            Description { primaries: [[f64::NAN; 2]; 3], ..srgb },
            Description { primaries: [[0.0; 2]; 3], ..srgb },
            Description { white: [0.3, 0.0], ..srgb },
            Description { white: [f64::INFINITY, 1.0], ..srgb },
        ] {
            assert_eq!(wrong.colours(), None, "{wrong:?}");
        }
    }
}
