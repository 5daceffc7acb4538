//! AVX-512: vectors of sixteen floats, 32 registers.

use std::arch::x86_64::*;

use super::quads::{QuadShape, QuadTile, Split, SplitRow, amx, avx2, avx512};
use super::{Kernel, Simd, Tile, avx512_activation, tile};
use crate::tensor::Half;

/// Proof that AVX-512 F, DQ, BW and VL (with what [`super::avx2::Avx2`] proves) are available.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Avx512 {
    has_vnni: bool,
    has_amx: bool,
}

impl Avx512 {
    /// The token, if this machine has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && super::avx2::Avx2::detect().is_some())
        .then(|| Avx512 { has_vnni: is_x86_feature_detected!("avx512vnni"), has_amx: false })
    }

    /// The token without the products of integers, as of a processor that lacks them.
    pub(crate) fn without_vnni(self) -> Self {
        Avx512 { has_vnni: false, has_amx: false }
    }

    /// The token with the tiles of AMX, if the processor has them and the system grants them to this process when asked.
    pub(crate) fn with_amx(self) -> Option<Self> {
        amx::is_granted().then_some(Avx512 { has_amx: true, ..self })
    }

    /// Whether products of integers use AMX.
    pub(crate) fn has_amx(self) -> bool {
        self.has_amx
    }

    /// Whether AVX-512 VNNI, products of integers, is available, too.
    #[cfg(feature = "library")]
    pub(super) fn has_vnni(self) -> bool {
        self.has_vnni
    }
}

impl Simd for Avx512 {
    type F = __m512;

    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    const TILE_ROWS: usize = 14;
    const TILE_PANELS: usize = 2;
    const KEEP_FROM: usize = 2;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
        fn with_features<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.call(simd)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> __m512 {
        // SAFETY: the caller promises 16 readable floats, and `self` that the instruction exists.
        unsafe { _mm512_loadu_ps(ptr) }
    }

    #[inline(always)]
    unsafe fn load_halves(self, ptr: *const Half) -> __m512 {
        // SAFETY: the caller promises 16 readable halves, and `self` that the instruction exists.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(ptr.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, value: __m512) {
        // SAFETY: the caller promises 16 writable floats, and `self` that the instruction exists.
        unsafe { _mm512_storeu_ps(ptr, value) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: __m512, n_plus_round: __m512) -> __m512 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            // The shift removes all bits of ROUND.
            let n = _mm512_slli_epi32::<23>(_mm512_castps_si512(n_plus_round));
            let scaled = _mm512_add_epi32(_mm512_castps_si512(a), n);
            _mm512_castsi512_ps(scaled)
        }
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let half = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            let quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
            let pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
        }
    }

    #[inline(always)]
    fn largest(self, a: __m512) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_reduce_max_ps(a) }
    }

    /// Exact zero below −150. `vscalefps` rounds its exponent down and needs no bound.
    #[inline(always)]
    fn exp2(self, x: __m512) -> __m512 {
        /// (2^f − 1) / f on 0 ≤ f ≤ 1, from `tools/math_coefficients.py`.
        const P: [f32; 5] = [0.693_151_3, 0.240_164_44, 0.055_799_916, 0.009_017_028, 0.001_867_131];
        /// The operand of `vreduceps` for x − ⌊x⌋ without flags.
        const FRACTION: i32 = 0b1001;
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let f = _mm512_reduce_ps::<FRACTION>(x);
            let mut p = _mm512_set1_ps(P[4]);
            for &c in P[..4].iter().rev() {
                p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c));
            }
            _mm512_scalef_ps(_mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0)), x)
        }
    }

    #[inline(always)]
    fn gelu(self, x: __m512) -> __m512 {
        avx512_activation::GELU.activate(self, x)
    }

    #[inline(always)]
    fn quick_gelu(self, x: __m512) -> __m512 {
        avx512_activation::QUICK_GELU.activate(self, x)
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, stride: usize, rows: usize, to: *mut f32) {
        // SAFETY: the caller promises the rows and the room, and `self` that the instructions exist.
        unsafe {
            for c in (0..16).step_by(4) {
                // Loads collect four columns of rows r, r + 4, r + 8 and r + 12: half the shuffles of whole rows.
                let mut four = [_mm512_setzero_ps(); 4];
                for (r, four) in four.iter_mut().enumerate() {
                    let from = from.add(c);
                    let piece = |r: usize| from.add(r.min(rows - 1) * stride).cast::<__m128>().read_unaligned();
                    *four = _mm512_castps128_ps512(piece(r));
                    *four = _mm512_mask_broadcast_f32x4(*four, 0x00f0, piece(r + 4));
                    *four = _mm512_mask_broadcast_f32x4(*four, 0x0f00, piece(r + 8));
                    *four = _mm512_mask_broadcast_f32x4(*four, 0xf000, piece(r + 12));
                }
                let ab = _mm512_castps_pd(_mm512_unpacklo_ps(four[0], four[1]));
                let cd = _mm512_castps_pd(_mm512_unpacklo_ps(four[2], four[3]));
                let ab2 = _mm512_castps_pd(_mm512_unpackhi_ps(four[0], four[1]));
                let cd2 = _mm512_castps_pd(_mm512_unpackhi_ps(four[2], four[3]));
                let to = to.add(16 * c);
                _mm512_storeu_ps(to, _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)));
                _mm512_storeu_ps(to.add(16), _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
                _mm512_storeu_ps(to.add(32), _mm512_castpd_ps(_mm512_unpacklo_pd(ab2, cd2)));
                _mm512_storeu_ps(to.add(48), _mm512_castpd_ps(_mm512_unpackhi_pd(ab2, cd2)));
            }
        }
    }

    #[inline(always)]
    unsafe fn load_integers(self, ptr: *const i32) -> __m512 {
        // SAFETY: the caller promises 16 readable integers, and `self` that the instructions exist.
        unsafe { _mm512_cvtepi32_ps(_mm512_loadu_si512(ptr.cast())) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, ptr: *mut u8, value: __m512, offset: u8) {
        // SAFETY: the caller promises 16 writable bytes, and `self` that the instructions exist.
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_castps_si512(value));
            _mm_storeu_si128(ptr.cast(), _mm_xor_si128(bytes, _mm_set1_epi8(offset as i8)));
        }
    }

    #[inline(always)]
    fn quad_shape(self) -> QuadShape {
        match self.has_vnni {
            _ if self.has_amx => QuadShape { rows: amx::MOST_ROWS, panels: 2, offset: 0, split: false, fixed: true },
            true => QuadShape { rows: Self::TILE_ROWS, panels: 2, offset: 128, split: false, fixed: false },
            false => QuadShape {
                rows: avx512::SPLIT_ROWS,
                panels: avx512::SPLIT_PANELS,
                offset: 0,
                split: true,
                fixed: false,
            },
        }
    }

    #[inline(always)]
    fn split_row(self, row: SplitRow<'_>) -> Split {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { avx2::split_row(row) }
    }

    #[inline(always)]
    fn begin_quads(self, rows: usize) {
        if self.has_amx {
            // SAFETY: tokens with AMX exist only where it was granted.
            unsafe { amx::begin(rows) }
        }
    }

    #[inline(always)]
    unsafe fn quads(self, t: &QuadTile) {
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do, and tells whether
        // those of VNNI and AMX do.
        unsafe {
            match self.has_vnni {
                _ if self.has_amx => amx::tile(t),
                true => avx512::tile(t),
                false => avx512::split_tile(t),
            }
        }
    }

    #[inline(always)]
    fn end_quads(self) {
        if self.has_amx {
            // SAFETY: tokens with AMX exist only where it was granted.
            unsafe { amx::end() }
        }
    }

    #[inline(always)]
    unsafe fn tile_f32<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<f32>) {
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do.
        unsafe { tile::avx512::tile::<f32, ROWS, VECTORS, false>(t) }
    }

    #[inline(always)]
    unsafe fn tile_halves<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<Half>) {
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do.
        unsafe { tile::avx512::tile::<Half, ROWS, VECTORS, true>(t) }
    }

    #[inline(always)]
    unsafe fn tile_keeping_halves<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<Half>) {
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do.
        unsafe { tile::avx512::tile_keeping::<ROWS, VECTORS>(t) }
    }
}
