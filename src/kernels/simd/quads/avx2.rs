//! Tiles of integers with AVX-VNNI, and with AVX2 alone.
//!
//! AVX2 multiplies unsigned with signed bytes and adds pairs of products in 16 bits, which saturates. Weights plus 128 are
//! unsigned; pairs of products stay in range if the magnitudes of the two activations sum to no more than 128 where they
//! have the same sign, and always where they have not: |a · u + b · v| <= 255 · max(|a + b|, |a|, |b|). So a row is split in
//! two parts, of which the second has what the first may not have: for the few pairs that are larger, half of either. These
//! follow, quad by quad, after the tile.
//!
//! Every second step of both is negated (weights as 127 minus themselves), which changes no product: neighbours of the same
//! sign, as after a GELU, would be large pairs, and are none.
//!
//! Three instructions for 32 products: two go to the two units that multiply floats, sixteen at a time, the third to any of
//! three units for vectors (Intel) or to others (AMD): at most twice the speed of floats.
//!
//! Short rows have many second parts (their largest integer is always 127, and the others are nearer to it), and each row costs
//! a mispredicted branch. So rows of at most [`MOST_SIGNED`] steps are signed instead: their magnitudes, which are unsigned, meet
//! weights whose bits are inverted where the step is negative. As -w = !w + 1, the sums of a row begin with the magnitudes of
//! its negative steps; a pair of products is 2 · 127 · 128 = 32,512 at most. That takes four instructions for 32 products, the
//! fourth an exclusive or, which any unit for vectors computes: at most 1.5 times the speed of floats with three of them (Intel),
//! twice with four (AMD).

use std::arch::asm;
use std::arch::x86_64::*;

use super::{MOST_SIGNED, QUAD, QUAD_BYTES, QuadTile, SIGNED, SPLIT_AT, SPLIT_PARTS, Split, SplitRow};
use crate::tensor::PANEL;

/// Rows of a tile with AVX-VNNI: twelve sums, two vectors of weights and one of activations fill the registers.
pub(in super::super) const VNNI_ROWS: usize = 6;

/// Rows of a tile with AVX2 alone: ten sums, two vectors of weights, one of activations and one of products, and two constants,
/// or one and one more of activations.
pub(in super::super) const ROWS: usize = 5;

/// Panels of a tile with AVX2 alone, multiplied one after the other: second parts of rows are then read once for both.
pub(in super::super) const PANELS: usize = 2;

/// Two pairs of ones; what makes weights unsigned: their bits, which are changed.
pub(super) static CONSTANTS: [u32; 2] = [0x0001_0001, 0x7f80_7f80];

/// The largest sum of two neighbours of the first part, every second negated.
const LARGEST_PAIR: i16 = 128;

/// The begin of a tile's loop, which runs once for each quad.
macro_rules! first_quad {
    () => {
        "test {n}, {n}
        jz 3f
        .p2align 5
        2:"
    };
}

/// The end of the loop: the addresses of the next quad, and what is fetched ahead of it.
macro_rules! next_quad {
    () => {
        "prefetcht0 [{w}+1024]
        prefetcht1 [{next}]
        add {next}, {pace}
        add {w}, 64
        add {a}, 4
        dec {n}
        jnz 2b
        3:"
    };
}

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
            first_quad!(),
            concat!(
                "vmovdqu ymm12, [{w}]\n",
                "vmovdqu ymm13, [{w}+32]\n",
                $(
                    "vpbroadcastd ", $x, ", dword ptr [", row!($row, "{a}", "{a}"), "]\n",
                    "{{vex}} vpdpbusd ", $c0, ", ", $x, ", ymm12\n",
                    "{{vex}} vpdpbusd ", $c1, ", ", $x, ", ymm13\n",
                )*
            ),
            next_quad!(),
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

/// What the sums of rows that are split begin with.
macro_rules! split_begin {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vpbroadcastd ymm14, [{b}+4]\n",
            "vmovdqu ymm10, [{s}]\n",
            "vmovdqu ymm11, [{s}+32]\n",
            $("vmovdqa ", $c0, ", ymm10\n", "vmovdqa ", $c1, ", ymm11\n",)*
        )
    };
}

/// One quad of rows that are split: first parts.
macro_rules! split_quad {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vpxor ymm10, ymm14, [{w}]\n",
            "vpxor ymm11, ymm14, [{w}+32]\n",
            $(
                "vpbroadcastd ymm12, dword ptr [", row!($row, "{a}", "{a}"), "]\n",
                "vpmaddubsw ymm13, ymm10, ymm12\n",
                "vpmaddubsw ymm12, ymm11, ymm12\n",
                "vpmaddwd ymm13, ymm13, ymm15\n",
                "vpmaddwd ymm12, ymm12, ymm15\n",
                "vpaddd ", $c0, ", ", $c0, ", ymm13\n",
                "vpaddd ", $c1, ", ", $c1, ", ymm12\n",
            )*
        )
    };
}

/// What the sums of rows that are signed begin with: the start of each row lies 60 bytes before its signs.
macro_rules! signed_begin {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vmovdqu ymm10, [{s}]\n",
            "vmovdqu ymm11, [{s}+32]\n",
            $(
                "vpbroadcastd ymm12, dword ptr [", row!($row, "{b}", "{b}"), "-60]\n",
                "vpaddd ", $c0, ", ymm12, ymm10\n",
                "vpaddd ", $c1, ", ymm12, ymm11\n",
            )*
        )
    };
}

const _: () = assert!(SPLIT_PARTS - SPLIT_AT == 60);

/// One quad of rows that are signed: magnitudes from `a`, signs from `b`.
macro_rules! signed_quad {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vmovdqu ymm10, [{w}]\n",
            "vmovdqu ymm11, [{w}+32]\n",
            $(
                "vpbroadcastd ymm12, dword ptr [", row!($row, "{b}", "{b}"), "]\n",
                "vpbroadcastd ymm14, dword ptr [", row!($row, "{a}", "{a}"), "]\n",
                "vpxor ymm13, ymm12, ymm10\n",
                "vpxor ymm12, ymm12, ymm11\n",
                "vpmaddubsw ymm13, ymm14, ymm13\n",
                "vpmaddubsw ymm12, ymm14, ymm12\n",
                "vpmaddwd ymm13, ymm13, ymm15\n",
                "vpmaddwd ymm12, ymm12, ymm15\n",
                "vpaddd ", $c0, ", ", $c0, ", ymm13\n",
                "vpaddd ", $c1, ", ", $c1, ", ymm12\n",
            )*
            "add {b}, 4\n",
        )
    };
}

/// Stores the sums of a panel.
macro_rules! stores {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!($("vmovdqu [{to}], ", $c0, "\n", "vmovdqu [{to}+32], ", $c1, "\n", "add {to}, {row}\n",)*)
    };
}

/// The tile of one panel for the given rows and their registers, with what begins it and what multiplies a quad; these read `b`.
macro_rules! panel_of {
    ($t:ident, $panel:ident, $b:expr, $begin:ident, $quad:ident: $($table:tt)*) => {
        asm!(
            "vpcmpeqd ymm15, ymm15, ymm15
            vpsrlw ymm15, ymm15, 15",
            multiples!(),
            $begin!($($table)*),
            first_quad!(),
            $quad!($($table)*),
            next_quad!(),
            stores!($($table)*),
            a = inout(reg) $t.a => _,
            b = inout(reg) $b => _,
            s1 = in(reg) $t.a_stride,
            s3 = out(reg) _,
            s5 = out(reg) _,
            w = inout(reg) $t.w.add($panel * $t.w_panel) => _,
            n = inout(reg) $t.quads => _,
            s = in(reg) $t.starts.add($panel * PANEL),
            to = inout(reg) $t.sums.add($panel * PANEL) => _,
            row = in(reg) $t.panels * PANEL * size_of::<i32>(),
            next = inout(reg) $t.fetch.next.wrapping_add($panel * $t.w_panel) => _,
            pace = in(reg) $t.fetch.pace,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
            out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        )
    };
}

/// The tile of one panel for as many rows as it has.
#[rustfmt::skip]
macro_rules! panel_of_rows {
    ($t:ident, $panel:ident, $b:expr, $begin:ident, $quad:ident) => {
        match $t.rows {
            1 => panel_of!($t, $panel, $b, $begin, $quad: 0 "ymm0" "ymm1",),
            2 => panel_of!($t, $panel, $b, $begin, $quad: 0 "ymm0" "ymm1", 1 "ymm2" "ymm3",),
            3 => panel_of!($t, $panel, $b, $begin, $quad: 0 "ymm0" "ymm1", 1 "ymm2" "ymm3", 2 "ymm4" "ymm5",),
            4 => panel_of!($t, $panel, $b, $begin, $quad: 0 "ymm0" "ymm1", 1 "ymm2" "ymm3", 2 "ymm4" "ymm5",
                3 "ymm6" "ymm7",),
            5 => panel_of!($t, $panel, $b, $begin, $quad: 0 "ymm0" "ymm1", 1 "ymm2" "ymm3", 2 "ymm4" "ymm5",
                3 "ymm6" "ymm7", 4 "ymm8" "ymm9",),
            rows => unreachable!("no tile of {rows} rows"),
        }
    };
}

/// The tile of up to [`ROWS`] rows, signed or split, by up to [`PANELS`] panels.
///
/// # Safety
/// AVX2 must be available, and the operands as [`QuadTile`] says, with what [`prepare_row`] makes of rows.
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn tile(t: &QuadTile) {
    let signed = t.rest <= MOST_SIGNED;
    for panel in 0..t.panels {
        // SAFETY: reads the operands and writes the sums of a panel of the tile, within what the caller promises; every
        // register that changes is named.
        unsafe {
            if signed {
                panel_of_rows!(t, panel, t.a.add(t.rest + SPLIT_PARTS), signed_begin, signed_quad);
            } else {
                panel_of_rows!(t, panel, CONSTANTS.as_ptr(), split_begin, split_quad);
            }
        }
    }
    if signed {
        return;
    }
    // SAFETY: the caller's promise is passed on.
    unsafe {
        match t.panels {
            1 => add_second_parts::<1>(t),
            2 => add_second_parts::<2>(t),
            panels => unreachable!("no tile of {panels} panels"),
        }
    }
}

/// Adds to the sums of every row what they begin with, and the products of its second parts.
///
/// # Safety
/// See [`tile`]; the tile must have so many panels.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn add_second_parts<const N: usize>(t: &QuadTile) {
    let [ones, unsigned] = CONSTANTS.map(|bits| _mm256_set1_epi32(bits.cast_signed()));
    for r in 0..t.rows {
        // SAFETY: what the caller promises: N panels of sums a row; after each row what [`Split`] says, with as many second
        // parts, each of a quad of the panels.
        unsafe {
            let sums = t.sums.add(r * N * PANEL);
            let split = t.a.add(r * t.a_stride + t.rest);
            let [start, count] = split.add(SPLIT_AT).cast::<Split>().read_unaligned();
            let parts = split.add(SPLIT_PARTS).cast::<i32>();
            let quads = split.add(SPLIT_PARTS + t.rest).cast::<u16>();
            let mut vectors = [[_mm256_set1_epi32(start); 2]; N];
            for i in 0..count.cast_unsigned() as usize {
                let part = _mm256_set1_epi32(*parts.add(i));
                let w = t.w.add(usize::from(*quads.add(i)) * QUAD_BYTES);
                for (panel, vectors) in vectors.iter_mut().enumerate() {
                    for (half, vector) in vectors.iter_mut().enumerate() {
                        let w = _mm256_loadu_si256(w.add(panel * t.w_panel + 32 * half).cast());
                        let pairs = _mm256_maddubs_epi16(_mm256_xor_si256(w, unsigned), part);
                        *vector = _mm256_add_epi32(*vector, _mm256_madd_epi16(pairs, ones));
                    }
                }
            }
            for (i, vector) in vectors.into_iter().flatten().enumerate() {
                let to = sums.add(8 * i).cast::<__m256i>();
                to.write_unaligned(_mm256_add_epi32(to.read_unaligned(), vector));
            }
        }
    }
}

/// [`super::super::Simd::split_row`] with AVX2 alone: signs short rows.
#[target_feature(enable = "avx2")]
pub(in super::super) fn prepare_row(row: SplitRow<'_>) -> Split {
    if row.steps.len() <= MOST_SIGNED { sign_row(row) } else { split_row(row) }
}

/// Puts magnitudes where the steps are, and their signs where second parts would be ([`SIGNED`]).
#[target_feature(enable = "avx2")]
fn sign_row(row: SplitRow<'_>) -> Split {
    let mut negative = _mm256_setzero_si256();
    for (steps, signs) in row.steps.as_chunks_mut::<32>().0.iter_mut().zip(row.parts.as_chunks_mut::<8>().0) {
        // SAFETY: 32 bytes are read and written of either.
        unsafe {
            let x = _mm256_loadu_si256(steps.as_ptr().cast());
            let (sign, magnitude) = (_mm256_cmpgt_epi8(_mm256_setzero_si256(), x), _mm256_abs_epi8(x));
            _mm256_storeu_si256(steps.as_mut_ptr().cast(), magnitude);
            _mm256_storeu_si256(signs.as_mut_ptr().cast(), sign);
            let sums = _mm256_sad_epu8(_mm256_and_si256(sign, magnitude), _mm256_setzero_si256());
            negative = _mm256_add_epi32(negative, sums);
        }
    }
    [sum(negative), SIGNED]
}

/// The sum of eight integers.
#[target_feature(enable = "avx2")]
fn sum(x: __m256i) -> i32 {
    let mut lanes = [0i32; 8];
    // SAFETY: eight integers are a vector.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), x) }
    lanes.iter().sum()
}

/// Splits a row in two parts, for AVX2 and for AVX-512.
#[target_feature(enable = "avx2")]
pub(in super::super) fn split_row(row: SplitRow<'_>) -> Split {
    let SplitRow { steps, parts, quads } = row;
    let alternating = _mm256_set1_epi16(-0xff);
    // What is added to the weights, as unsigned bytes.
    let added = _mm256_set1_epi16(0x7f80);
    let (ones, largest) = (_mm256_set1_epi16(1), _mm256_set1_epi16(LARGEST_PAIR));
    let mut excess = _mm256_setzero_si256();
    let mut count = 0;
    for (block, steps) in steps.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        // SAFETY: 32 bytes.
        let x = unsafe { _mm256_loadu_si256(steps.as_ptr().cast()) };
        let x = _mm256_sign_epi8(x, alternating);
        // SAFETY: the same.
        unsafe { _mm256_storeu_si256(steps.as_mut_ptr().cast(), x) }
        excess = _mm256_add_epi32(excess, _mm256_madd_epi16(_mm256_maddubs_epi16(added, x), ones));
        let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), x);
        let mut large = _mm256_movemask_epi8(_mm256_cmpgt_epi16(_mm256_abs_epi16(pairs), largest)).cast_unsigned();
        while large != 0 {
            let quad = large.trailing_zeros() as usize / QUAD;
            let bits = large >> (quad * QUAD);
            large &= !(0xf << (quad * QUAD));
            let steps = &mut steps[quad * QUAD..][..QUAD];
            let mut part = [0; QUAD];
            for (i, (step, part)) in steps.iter_mut().zip(&mut part).enumerate() {
                if bits >> i & 1 == 1 {
                    *part = *step - (*step >> 1);
                    *step >>= 1;
                }
            }
            parts[count] = i32::from_le_bytes(part.map(i8::cast_unsigned));
            // At most 2^14 quads.
            quads[count] = (block * (32 / QUAD) + quad) as u16;
            count += 1;
        }
    }
    [-sum(excess), count as i32]
}
