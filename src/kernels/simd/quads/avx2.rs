//! Tiles of integers with AVX-VNNI, and with AVX2 alone.
//!
//! AVX2 multiplies unsigned with signed bytes and adds pairs of products in 16 bits, which saturates. Magnitudes of
//! activations times weights with the sign of the activation have the same products and stay in range: a pair is
//! 2 · 127 · 127 = 32,258 at most. With the magnitudes stored beside the activations, three of four instructions for 32
//! products go to the two units that multiply floats, sixteen at a time: at most 1.33 times the speed of floats.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{QUAD, QUAD_BYTES, QuadTile};
use crate::tensor::PANEL;

/// Rows of a tile with AVX-VNNI: twelve sums, two vectors of weights and one of activations fill the registers.
pub(in super::super) const VNNI_ROWS: usize = 6;

/// Rows of a tile with AVX2 alone, which needs more registers in between.
pub(in super::super) const ROWS: usize = 4;

/// The whole tile for the given rows and their registers: of the sums, and of the activations.
macro_rules! vnni_tile_of {
    ($t:ident: $($row:tt $c0:literal $c1:literal $x:literal,)*) => {
        asm!(
            multiples!(),
            concat!(
                "vmovdqu ymm12, [{s}]\n",
                "vmovdqu ymm13, [{s}+32]\n",
                $("vmovdqa ", $c0, ", ymm12\n", "vmovdqa ", $c1, ", ymm13\n",)*
            ),
            "test {n}, {n}
            jz 3f
            .p2align 5
            2:",
            concat!(
                "vmovdqu ymm12, [{w}]\n",
                "vmovdqu ymm13, [{w}+32]\n",
                $(
                    "vpbroadcastd ", $x, ", dword ptr [", row!($row, "{a}", "{a}"), "]\n",
                    "{{vex}} vpdpbusd ", $c0, ", ", $x, ", ymm12\n",
                    "{{vex}} vpdpbusd ", $c1, ", ", $x, ", ymm13\n",
                )*
            ),
            "prefetcht0 [{w}+1024]
            prefetcht1 [{next}]
            add {next}, {pace}
            add {w}, 64
            add {a}, 4
            dec {n}
            jnz 2b
            3:",
            concat!($("vmovdqu [{to}], ", $c0, "\n", "vmovdqu [{to}+32], ", $c1, "\n", "add {to}, 64\n",)*),
            a = inout(reg) $t.a => _,
            s1 = in(reg) $t.a_stride,
            s3 = out(reg) _,
            s5 = out(reg) _,
            w = inout(reg) $t.w => _,
            n = inout(reg) $t.quads => _,
            s = in(reg) $t.starts,
            to = inout(reg) $t.sums => _,
            next = inout(reg) $t.fetch.next => _,
            pace = in(reg) $t.fetch.pace,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
            out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        )
    };
}

/// The tile of 1 to [`VNNI_ROWS`] rows by a panel, of unsigned bytes; as assembly, for the reasons that the tile of floats
/// has.
///
/// # Safety
/// AVX2 and AVX-VNNI must be available, and the operands as [`QuadTile`] says, for one panel.
#[target_feature(enable = "avx2,avxvnni")]
#[rustfmt::skip]
pub(in super::super) unsafe fn vnni_tile(t: &QuadTile) {
    // SAFETY: reads the operands and writes the sums of the tile, within what the caller promises; every register that
    // changes is named.
    unsafe {
        match t.rows {
            1 => vnni_tile_of!(t: 0 "ymm0" "ymm1" "ymm14",),
            2 => vnni_tile_of!(t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15",),
            3 => vnni_tile_of!(t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",),
            4 => vnni_tile_of!(t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",
                3 "ymm6" "ymm7" "ymm15",),
            5 => vnni_tile_of!(t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",
                3 "ymm6" "ymm7" "ymm15", 4 "ymm8" "ymm9" "ymm14",),
            6 => vnni_tile_of!(t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",
                3 "ymm6" "ymm7" "ymm15", 4 "ymm8" "ymm9" "ymm14", 5 "ymm10" "ymm11" "ymm15",),
            rows => unreachable!("no tile of {rows} rows"),
        }
    }
}

/// The tile of up to [`ROWS`] rows of signed bytes.
///
/// # Safety
/// AVX2 must be available, and the operands as [`QuadTile`] says, for one panel.
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn tile(t: &QuadTile) {
    // SAFETY: the caller's promise is passed on.
    unsafe {
        match t.rows {
            1 => signed_rows::<1>(t),
            2 => signed_rows::<2>(t),
            3 => signed_rows::<3>(t),
            4 => signed_rows::<4>(t),
            rows => unreachable!("no tile of {rows} rows"),
        }
    }
}

/// # Safety
/// See [`tile`]; the tile must have so many rows.
#[target_feature(enable = "avx2")]
unsafe fn signed_rows<const N: usize>(t: &QuadTile) {
    // SAFETY: what the caller promises: whole quads of N rows and a panel, sixteen starts, sixteen sums a row.
    unsafe {
        let start = [_mm256_loadu_si256(t.starts.cast()), _mm256_loadu_si256(t.starts.add(8).cast())];
        let ones = _mm256_set1_epi16(1);
        let mut sums = [start; N];
        let (mut a, mut w) = (t.a, t.w);
        for _ in 0..t.quads {
            let columns = [_mm256_loadu_si256(w.cast()), _mm256_loadu_si256(w.wrapping_add(32).cast())];
            _mm_prefetch::<_MM_HINT_T0>(w.wrapping_add(1024));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = a.wrapping_add(r.wrapping_mul(t.a_stride));
                let magnitude = _mm256_set1_epi32(a.wrapping_add(t.magnitudes).cast::<i32>().read_unaligned());
                let a = _mm256_set1_epi32(a.cast::<i32>().read_unaligned());
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(columns, a));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
            a = a.wrapping_add(QUAD);
            w = w.wrapping_add(QUAD_BYTES);
        }
        store(t, sums);
    }
}

/// # Safety
/// Sixteen sums of N rows must be writable.
#[target_feature(enable = "avx2")]
unsafe fn store<const N: usize>(t: &QuadTile, sums: [[__m256i; 2]; N]) {
    for (r, sums) in sums.into_iter().enumerate() {
        let to = t.sums.wrapping_add(r * PANEL);
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_si256(to.cast(), sums[0]);
            _mm256_storeu_si256(to.wrapping_add(8).cast(), sums[1]);
        }
    }
}
