//! Light that is brighter than white, PQ and HLG (ITU-R BT.2100), made a picture for displays that end at white.
//!
//! White is at 203 cd/m2, the luminance of reference white (Report ITU-R BT.2408), and luminance up to 1,000 cd/m2 is brought
//! below it by the curve of Report ITU-R BT.2408-7, annex 5 (EETF, up to revision 7 in BT.2390), in red, green and blue each.

use std::sync::LazyLock;

use super::{STEPS, step};

/// The luminance of white in the result, in cd/m2.
const WHITE: f64 = 203.0;

/// The most luminance that keeps shades, in cd/m2: the nominal peak of HLG, and of the displays that PQ is mostly made for.
const PEAK: f64 = 1000.0;

/// What the system of HLG raises luminance to for a display of [`PEAK`].
const SYSTEM_GAMMA: f64 = 1.2;

/// The numbers of PQ: BT.2100-2, table 4.
mod pq {
    pub const M1: f64 = 2610.0 / 16384.0;
    pub const M2: f64 = 2523.0 / 4096.0 * 128.0;
    pub const C1: f64 = 3424.0 / 4096.0;
    pub const C2: f64 = 2413.0 / 4096.0 * 32.0;
    pub const C3: f64 = 2392.0 / 4096.0 * 32.0;
    /// The luminance of the highest level, in cd/m2.
    pub const TOP: f64 = 10_000.0;
}

/// The luminance of a signal of PQ, in cd/m2.
pub(super) fn pq_light(signal: f64) -> f64 {
    let power = signal.powf(1.0 / pq::M2);
    pq::TOP * ((power - pq::C1).max(0.0) / (pq::C2 - pq::C3 * power)).powf(1.0 / pq::M1)
}

/// The signal of PQ for a luminance in cd/m2.
fn pq_signal(light: f64) -> f64 {
    let power = (light / pq::TOP).powf(pq::M1);
    ((pq::C1 + pq::C2 * power) / (1.0 + pq::C3 * power)).powf(pq::M2)
}

/// The light of the scene for a signal of HLG, from 0 to 1: BT.2100-2, table 5.
pub(super) fn hlg_scene(signal: f64) -> f64 {
    const A: f64 = 0.17883277;
    const B: f64 = 1.0 - 4.0 * A;
    let c = 0.5 - A * (4.0 * A).ln();
    if signal <= 0.5 { signal * signal / 3.0 } else { (((signal - c) / A).exp() + B) / 12.0 }
}

/// The light that shows a luminance in cd/m2 where 1 is white.
pub(super) fn shown(light: f64) -> f64 {
    /// Up to here, in signals of PQ as parts of the highest, luminance is kept: the knee.
    fn knee(most: f64) -> f64 {
        1.5 * most - 0.5
    }
    let top = pq_signal(PEAK);
    let most = pq_signal(WHITE) / top;
    let (start, signal) = (knee(most), (pq_signal(light) / top).min(1.0));
    if signal < start {
        return light / WHITE;
    }
    // A cubic that begins with the slope of one and ends with that of zero.
    let t = (signal - start) / (1.0 - start);
    let (square, cube) = (t * t, t * t * t);
    let signal = (2.0 * cube - 3.0 * square + 1.0) * start
        + (cube - 2.0 * square + t) * (1.0 - start)
        + (3.0 * square - 2.0 * cube) * most;
    pq_light(signal * top) / WHITE
}

/// What the system of HLG multiplies light with, by luminance of the scene.
static FACTORS: LazyLock<Vec<f32>> = LazyLock::new(|| table(|luminance| luminance.powf(SYSTEM_GAMMA - 1.0)));

/// What is shown of light, as a part of [`PEAK`].
static SHOWN: LazyLock<Vec<f32>> = LazyLock::new(|| table(|light| shown(light * PEAK)));

fn table(function: impl Fn(f64) -> f64) -> Vec<f32> {
    (0..STEPS).map(|step| function(step as f64 / (STEPS - 1) as f64) as f32).collect()
}

/// From the scene of HLG to what is shown: the only step that takes all of a colour, so that no curve can have it.
pub(super) struct Scene {
    /// The luminance of red, green and blue.
    luminances: [f32; 3],
}

impl Scene {
    pub fn new(luminances: [f64; 3]) -> Scene {
        Scene { luminances: luminances.map(|luminance| luminance as f32) }
    }

    /// Converts light of the scene to light that is shown.
    pub fn shown(&self, [red, green, blue]: [f32; 3]) -> [f32; 3] {
        let [of_red, of_green, of_blue] = self.luminances;
        let factor = FACTORS[step(red * of_red + green * of_green + blue * of_blue)];
        [red, green, blue].map(|light| SHOWN[step(light * factor)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_of_pq_and_hlg_are_those_of_the_reports() {
        // BT.2408-7, table 1: 203 cd/m2 are 58 % of PQ and 75 % of HLG; 1,000 are 75 % of PQ and all of HLG.
        assert!((pq_signal(203.0) - 0.5807).abs() < 1e-4 && (pq_signal(1000.0) - 0.7518).abs() < 1e-4);
        assert_eq!((pq_light(0.0), pq_light(1.0).round()), (0.0, 10_000.0));
        for signal in [0.01, 0.2, 0.5, 0.99] {
            assert!((pq_signal(pq_light(signal)) - signal).abs() < 1e-12);
        }
        let luminance = |signal: f64| PEAK * hlg_scene(signal).powf(SYSTEM_GAMMA);
        assert!((luminance(0.75) - 203.0).abs() < 1.0 && (luminance(1.0) - 1000.0).abs() < 1e-3);
    }

    #[test]
    fn the_curve_keeps_what_is_dark_and_ends_at_white() {
        for light in [0.0, 0.01, 1.0, 20.0, 80.0] {
            assert!((shown(light) - light / WHITE).abs() < 1e-9, "{light}");
        }
        assert!((shown(PEAK) - 1.0).abs() < 1e-9 && (shown(10_000.0) - 1.0).abs() < 1e-9);
        // Reference white keeps room for what is brighter: sRGB's level 229.
        assert!((shown(203.0) - 0.784).abs() < 0.001, "{}", shown(203.0));
        let rising: Vec<f64> = (0..=1000).map(|light| shown(f64::from(light))).collect();
        assert!(rising.is_sorted());
    }

    #[test]
    fn greys_of_a_scene_stay_grey() {
        let scene = Scene::new([0.2627, 0.6780, 0.0593]);
        for signal in [0.0, 0.1, 0.5, 0.75, 1.0] {
            let light = hlg_scene(signal);
            let expected = shown(PEAK * light.powf(SYSTEM_GAMMA)) as f32;
            let [red, green, blue] = scene.shown([light as f32; 3]);
            assert!(red == green && green == blue && (red - expected).abs() < 1e-3, "{signal}: {red} {expected}");
        }
        assert_eq!(scene.shown([f32::NAN; 3]), [0.0; 3]);
        assert_eq!(scene.shown([f32::INFINITY; 3]), [1.0; 3]);
    }
}
