//! Exponentials and the activations, on vectors.
//!
//! The coefficients are minimax fits; `tools/math_coefficients.py` derives them and prints the errors that the tests
//! bound.

use super::simd::{ROUND, Simd};

/// `exp(x)` to 2 ULP for −87 ≤ x ≤ 88; other arguments are clamped to that range.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    /// ln 2 in two parts; the first has so few bits that its product with any exponent is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// (exp(r) − 1 − r) / r² on |r| ≤ ln 2 / 2.
    const P: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_71, 0.001_381_461_3];

    // The bounds are the second operands, which NaN lanes take, so that the exponent stays in range.
    let x = s.min(s.max(x, s.splat(-87.0)), s.splat(88.0));
    let n_plus_round = s.mul_add(x, s.splat(std::f32::consts::LOG2_E), s.splat(ROUND));
    let n = s.sub(n_plus_round, s.splat(ROUND));
    let r = s.mul_add(n, s.splat(-LN2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN2_LOW), r);
    let mut p = s.splat(P[4]);
    for &c in P[..4].iter().rev() {
        p = s.mul_add(p, r, s.splat(c));
    }
    let p = s.mul_add(s.mul(r, r), p, r);
    s.scale_by_power_of_two(s.add(p, s.splat(1.0)), n_plus_round)
}

/// `2^x` to 3 ULP for −126 ≤ x ≤ 127, for sets without a faster version; 2^−126 below.
#[inline(always)]
pub(super) fn exp2<S: Simd>(s: S, x: S::F) -> S::F {
    /// (2^f − 1) / f on |f| ≤ ½.
    #[expect(clippy::approx_constant, reason = "a fitted coefficient that happens to be near ln 2")]
    const P: [f32; 5] = [0.693_147, 0.240_222_42, 0.055_507_336, 0.009_671_513, 0.001_326_472_3];

    // NaN lanes take the bound, so that the exponent stays in range.
    let x = s.max(x, s.splat(-126.0));
    let n_plus_round = s.add(x, s.splat(ROUND));
    let f = s.sub(x, s.sub(n_plus_round, s.splat(ROUND)));
    let mut p = s.splat(P[4]);
    for &c in P[..4].iter().rev() {
        p = s.mul_add(p, f, s.splat(c));
    }
    s.scale_by_power_of_two(s.mul_add(p, f, s.splat(1.0)), n_plus_round)
}

/// `x · ½ · (1 + erf(x / √2))`, for sets without a faster version.
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, x: S::F) -> S::F {
    /// ½ · erf(x / √2) is ½ − 4.2e-8 here. The fit is ½ in this precision, so that the result is 0 or x beyond.
    const LIMIT: f32 = 5.36;
    /// ½ · erf(x / √2) / x = P(x²) / Q(x²) on |x| ≤ LIMIT.
    const P: [f32; 5] = [0.398_941_67, 0.055_820_15, 0.005_973_716_3, 3.833_829_6e-4, 6.927_111_4e-6];
    const Q: [f32; 6] = [1.0, 0.306_577_38, 0.041_087_557, 0.003_106_345, 1.376_016_9e-4, 5.746_106e-7];

    let bounded = s.min(s.max(x, s.splat(-LIMIT)), s.splat(LIMIT));
    let u = s.mul(bounded, bounded);
    let (mut p, mut q) = (s.splat(P[4]), s.splat(Q[5]));
    for &c in P[..4].iter().rev() {
        p = s.mul_add(p, u, s.splat(c));
    }
    for &c in Q[..5].iter().rev() {
        q = s.mul_add(q, u, s.splat(c));
    }
    s.mul_add(x, s.div(s.mul(bounded, p), q), s.mul(x, s.splat(0.5)))
}

/// `x / (1 + exp(−1.702 · x))`, for sets without a faster version.
#[inline(always)]
pub(super) fn quick_gelu<S: Simd>(s: S, x: S::F) -> S::F {
    /// −1.702 · log2(e)
    const LINEAR: f32 = -2.455_467;
    logistic(s, x, s.mul(x, s.splat(LINEAR)))
}

/// `x / (1 + 2^exponent)`.
#[inline(always)]
fn logistic<S: Simd>(s: S, x: S::F, exponent: S::F) -> S::F {
    // The bound is that of `exp2`. It is the second operand, which NaN lanes take; x itself stays NaN.
    let e = s.exp2(s.min(exponent, s.splat(127.0)));
    s.div(x, s.add(e, s.splat(1.0)))
}

/// `x · ½ · (1 + tanh(u))` with `u = √(2/π) · (x + 0.044715 · x³)`, computed as `x / (1 + exp(−2u))`.
#[inline(always)]
fn gelu_tanh<S: Simd>(s: S, x: S::F) -> S::F {
    /// −2 · √(2/π) · log2(e)
    const LINEAR: f32 = -2.302_208_2;
    /// The same times 0.044715.
    const CUBIC: f32 = -0.102_943_24;

    logistic(s, x, s.mul(x, s.mul_add(s.mul(x, x), s.splat(CUBIC), s.splat(LINEAR))))
}

/// Element-wise functions at the end of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x · ½ · (1 + erf(x / √2))`
    Gelu,
    /// `x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`, Hendrycks and Gimpel's approximation of GELU
    #[allow(dead_code, reason = "no configuration names it yet")]
    GeluTanh,
    /// `x / (1 + exp(−1.702 · x))`
    QuickGelu,
    /// `max(x, 0)`
    Relu,
    /// `1 / (1 + exp(−x))`
    Sigmoid,
}

impl Activation {
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        match self {
            Activation::Gelu => s.gelu(x),
            Activation::GeluTanh => gelu_tanh(s, x),
            Activation::QuickGelu => s.quick_gelu(x),
            Activation::Relu => s.max(x, s.splat(0.0)),
            Activation::Sigmoid => {
                let e = exp(s, s.mul(x, s.splat(-1.0)));
                s.div(s.splat(1.0), s.add(e, s.splat(1.0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::super::reference;
    use super::super::simd::Kernel;
    use super::*;

    /// Errors of the fits in units of the last place of the exact result.
    const EXP_ULP: f64 = 2.0;
    const EXP2_ULP: f64 = 3.0;
    /// Rounding of the products around an activation, relative to the larger of |x| and the result.
    const ACTIVATION_EPS: f64 = 4e-7;

    const ACTIVATIONS: [Activation; 5] =
        [Activation::Gelu, Activation::GeluTanh, Activation::QuickGelu, Activation::Relu, Activation::Sigmoid];

    struct Map<'a, Op>(&'a mut [f32], Op);

    trait Op {
        fn op<S: Simd>(&self, s: S, x: S::F) -> S::F;
    }

    impl<O: Op> Kernel for Map<'_, O> {
        type Output = ();
        #[inline(always)]
        fn call<S: Simd>(self, s: S) {
            for chunk in self.0.chunks_exact_mut(S::LANES) {
                // SAFETY: the chunk holds LANES floats.
                unsafe { s.store(chunk.as_mut_ptr(), self.1.op(s, s.load(chunk.as_ptr()))) }
            }
        }
    }

    struct Exp;
    impl Op for Exp {
        #[inline(always)]
        fn op<S: Simd>(&self, s: S, x: S::F) -> S::F {
            exp(s, x)
        }
    }
    struct Exp2;
    impl Op for Exp2 {
        #[inline(always)]
        fn op<S: Simd>(&self, s: S, x: S::F) -> S::F {
            s.exp2(x)
        }
    }
    impl Op for Activation {
        #[inline(always)]
        fn op<S: Simd>(&self, s: S, x: S::F) -> S::F {
            self.apply(s, x)
        }
    }

    fn sweep(low: f32, high: f32) -> Vec<f32> {
        let n = 1 << 18;
        (0..n).map(|i| low + (high - low) * (i as f32 / n as f32)).collect()
    }

    fn ulp_error(got: f32, exact: f64) -> f64 {
        let exponent = exact.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor() as i32;
        (f64::from(got) - exact).abs() / f64::from(2f32).powi(exponent - 23)
    }

    #[test]
    fn exponentials_are_as_exact_as_stated() {
        for isa in Isa::available() {
            let mut values = sweep(-87.0, 88.0);
            let inputs = values.clone();
            isa.run(Map(&mut values, Exp));
            for (x, v) in inputs.iter().zip(&values) {
                assert!(ulp_error(*v, f64::from(*x).exp()) <= EXP_ULP, "{isa:?} exp({x}) = {v}");
            }
            let mut values = sweep(-126.0, 1.0);
            let inputs = values.clone();
            isa.run(Map(&mut values, Exp2));
            for (x, v) in inputs.iter().zip(&values) {
                assert!(ulp_error(*v, f64::from(*x).exp2()) <= EXP2_ULP, "{isa:?} 2^{x} = {v}");
            }
        }
    }

    #[test]
    fn activations_equal_their_formulas() {
        for isa in Isa::available() {
            for activation in ACTIVATIONS {
                for mut values in [sweep(-30.0, 30.0), sweep(-1e-3, 1e-3)] {
                    let inputs = values.clone();
                    isa.run(Map(&mut values, activation));
                    for (x, v) in inputs.iter().zip(&values) {
                        let exact = reference::activation(activation, f64::from(*x));
                        let error = (f64::from(*v) - exact).abs();
                        let bound = ACTIVATION_EPS * exact.abs().max(x.abs().into());
                        assert!(error <= bound, "{isa:?} {activation:?}({x}) = {v}");
                    }
                }
            }
        }
    }

    /// The exponential amplifies the rounding of its argument; a dense sweep shows that the bound holds all the same.
    #[test]
    fn the_tanh_form_is_accurate_around_zero_and_in_the_tails() {
        for isa in Isa::available() {
            for mut values in [sweep(-12.0, -4.0), sweep(-1.0, 1.0), sweep(-1e-3, 1e-3), sweep(4.0, 12.0)] {
                let inputs = values.clone();
                isa.run(Map(&mut values, Activation::GeluTanh));
                for (x, v) in inputs.iter().zip(&values) {
                    let exact = reference::activation(Activation::GeluTanh, f64::from(*x));
                    let error = (f64::from(*v) - exact).abs();
                    assert!(error <= ACTIVATION_EPS * f64::from(x.abs()), "{isa:?} gelu_tanh({x}) = {v}");
                }
            }
        }
    }

    #[test]
    fn extreme_arguments_stay_finite() {
        for isa in Isa::available() {
            let extremes = [f32::NEG_INFINITY, f32::MIN, -1e30, -200.0, 200.0, 1e30, f32::MAX, f32::INFINITY];
            let mut values: Vec<f32> = extremes.iter().copied().cycle().take(16).collect();
            isa.run(Map(&mut values, Exp));
            assert!(values.iter().all(|v| v.is_finite() && *v >= 0.0), "{isa:?} {values:?}");
            let mut values = [-126.0, -127.0, -140.0, -1e4, f32::MIN, f32::NEG_INFINITY].repeat(8);
            isa.run(Map(&mut values, Exp2));
            assert!(values.iter().all(|v| (0.0..1.2e-38).contains(v)), "{isa:?} {values:?}");
            for activation in [Activation::QuickGelu, Activation::GeluTanh] {
                let mut values = vec![-1e30f32; 16];
                isa.run(Map(&mut values, activation));
                assert!(values.iter().all(|v| v.abs() < 1e-6), "{isa:?} {activation:?} {values:?}");
            }
            let mut values = [1e30, f32::MAX, f32::INFINITY].repeat(16);
            let inputs = values.clone();
            isa.run(Map(&mut values, Activation::GeluTanh));
            assert_eq!(values, inputs, "{isa:?}");
            let mut values = vec![f32::NAN; 16];
            isa.run(Map(&mut values, Activation::GeluTanh));
            assert!(values.iter().all(|v| v.is_nan()), "{isa:?} {values:?}");
        }
    }
}
