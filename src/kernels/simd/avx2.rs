//! AVX2 with FMA: vectors of eight floats, 16 registers.

use std::arch::x86_64::*;

use super::quads::{QuadShape, QuadTile, Split, SplitRow, avx2 as quads};
use super::{Kernel, Simd, Tile, tile};
use crate::tensor::Half;

/// Proof that AVX2 and FMA are available, and what came with them: halves (F16C), operations on bits (BMI, LZCNT).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Avx2 {
    has_vnni: bool,
}

impl Avx2 {
    /// The token, if this machine has the instructions.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt"))
        .then(|| Avx2 { has_vnni: is_x86_feature_detected!("avxvnni") })
    }
}

impl Avx2 {
    /// The token without the products of integers of AVX-VNNI, as of a processor that lacks them.
    pub(crate) fn without_vnni(self) -> Self {
        Avx2 { has_vnni: false }
    }
}

impl Simd for Avx2 {
    type F = __m256;

    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    const TILE_ROWS: usize = 6;
    const TILE_PANELS: usize = 1;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn with_features<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.call(simd)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> __m256 {
        // SAFETY: the caller promises 8 readable floats, and `self` that the instruction exists.
        unsafe { _mm256_loadu_ps(ptr) }
    }

    #[inline(always)]
    unsafe fn load_halves(self, ptr: *const Half) -> __m256 {
        // SAFETY: the caller promises 8 readable halves, and `self` that the instruction exists.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(ptr.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, value: __m256) {
        // SAFETY: the caller promises 8 writable floats, and `self` that the instruction exists.
        unsafe { _mm256_storeu_ps(ptr, value) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: __m256, n_plus_round: __m256) -> __m256 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            // The shift removes all bits of ROUND.
            let n = _mm256_slli_epi32::<23>(_mm256_castps_si256(n_plus_round));
            let scaled = _mm256_add_epi32(_mm256_castps_si256(a), n);
            _mm256_castsi256_ps(scaled)
        }
    }

    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let quarter = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
        }
    }

    #[inline(always)]
    fn largest(self, a: __m256) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let quarter = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let pair = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
            _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)))
        }
    }

    #[inline(always)]
    unsafe fn load_integers(self, ptr: *const i32) -> __m256 {
        // SAFETY: the caller promises 8 readable integers, and `self` that the instructions exist.
        unsafe { _mm256_cvtepi32_ps(_mm256_loadu_si256(ptr.cast())) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, ptr: *mut u8, value: __m256, offset: u8) {
        // SAFETY: the caller promises 8 writable bytes, and `self` that the instructions exist.
        unsafe {
            // The low byte of each lane, in the lowest four of its half.
            let low = _mm256_setr_epi8(
                0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, //
                0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
            );
            let bytes = _mm256_shuffle_epi8(_mm256_castps_si256(value), low);
            let bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
            _mm_storel_epi64(ptr.cast(), _mm_xor_si128(bytes, _mm_set1_epi8(offset as i8)));
        }
    }

    #[inline(always)]
    fn quad_shape(self) -> QuadShape {
        match self.has_vnni {
            true => QuadShape { rows: quads::VNNI_ROWS, panels: 1, offset: 128, split: false, fixed: false },
            false => QuadShape { rows: quads::ROWS, panels: quads::PANELS, offset: 0, split: true, fixed: false },
        }
    }

    #[inline(always)]
    fn split_row(self, row: SplitRow<'_>) -> Split {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { quads::prepare_row(row) }
    }

    #[inline(always)]
    unsafe fn quads(self, t: &QuadTile) {
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do, and tells whether
        // those of VNNI do.
        unsafe {
            match self.has_vnni {
                true => quads::vnni_tile(t),
                false => quads::tile(t),
            }
        }
    }

    #[inline(always)]
    unsafe fn tile_f32<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<f32>) {
        debug_assert_eq!(VECTORS, 2);
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do.
        unsafe { tile::avx2::tile::<f32, ROWS, false>(t) }
    }

    #[inline(always)]
    unsafe fn tile_halves<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<Half>) {
        debug_assert_eq!(VECTORS, 2);
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do.
        unsafe { tile::avx2::tile::<Half, ROWS, true>(t) }
    }

    #[inline(always)]
    unsafe fn tile_keeping_halves<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<Half>) {
        debug_assert_eq!(VECTORS, 2);
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do.
        unsafe { tile::avx2::tile_keeping::<ROWS>(t) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, stride: usize, rows: usize, to: *mut f32) {
        // SAFETY: the caller promises the rows and the room, and `self` that the instructions exist.
        unsafe {
            for (r, c) in [(0, 0), (0, 4), (0, 8), (0, 12), (8, 0), (8, 4), (8, 8), (8, 12)] {
                // Loads collect four columns of rows r and r + 4: half the shuffles of whole rows.
                let mut four = [_mm256_setzero_ps(); 4];
                for (i, four) in four.iter_mut().enumerate() {
                    let from = from.add(c);
                    let piece = |r: usize| from.add(r.min(rows - 1) * stride).cast::<__m128>().read_unaligned();
                    *four = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(piece(r + i)), piece(r + i + 4));
                }
                let ab = _mm256_castps_pd(_mm256_unpacklo_ps(four[0], four[1]));
                let cd = _mm256_castps_pd(_mm256_unpacklo_ps(four[2], four[3]));
                let ab2 = _mm256_castps_pd(_mm256_unpackhi_ps(four[0], four[1]));
                let cd2 = _mm256_castps_pd(_mm256_unpackhi_ps(four[2], four[3]));
                let to = to.add(16 * c + r);
                _mm256_storeu_ps(to, _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd)));
                _mm256_storeu_ps(to.add(16), _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd)));
                _mm256_storeu_ps(to.add(32), _mm256_castpd_ps(_mm256_unpacklo_pd(ab2, cd2)));
                _mm256_storeu_ps(to.add(48), _mm256_castpd_ps(_mm256_unpackhi_pd(ab2, cd2)));
            }
        }
    }
}
