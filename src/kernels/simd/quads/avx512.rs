//! Tiles of integers with AVX-512 VNNI, and with AVX-512 alone, as assembly.
//!
//! Fourteen rows by two panels, as for floats: see [`super::super::tile::avx512`] for why they are not left to the
//! compiler. `vpdpbusd` multiplies unsigned bytes of activations with signed bytes of weights and does not saturate. Without
//! it, rows are split as for AVX2 ([`super::avx2`]), and 64 products take three instructions of the two units for vectors: at
//! most 1.33 times the speed of floats.

use std::arch::asm;

use super::QuadTile;
use super::avx2::{CONSTANTS, add_second_parts};

/// Rows of a tile without VNNI, which needs registers for products and constants.
pub(in super::super) const SPLIT_ROWS: usize = 13;

/// Panels of that tile.
pub(in super::super) const SPLIT_PANELS: usize = 2;

/// One quad: the columns of both panels, then for every row a broadcast and its products.
macro_rules! quad {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vmovdqu32 zmm28, [{w}]\n",
            "vmovdqu32 zmm29, [{w}+{p}]\n",
            $(
                "vpbroadcastd zmm30, dword ptr [", row!($row, "{a}", "{b}"), "]\n",
                "vpdpbusd ", $c0, ", zmm30, zmm28\n",
                "vpdpbusd ", $c1, ", zmm30, zmm29\n",
            )*
        )
    };
    ($($row:tt $c0:literal,)*) => {
        concat!(
            "vmovdqu32 zmm28, [{w}]\n",
            $(
                "vpbroadcastd zmm30, dword ptr [", row!($row, "{a}", "{b}"), "]\n",
                "vpdpbusd ", $c0, ", zmm30, zmm28\n",
            )*
        )
    };
}

/// One quad of rows that are split: the same, with weights as unsigned bytes and three instructions for each product.
macro_rules! split_quad {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vpxord zmm28, zmm27, [{w}]\n",
            "vpxord zmm29, zmm27, [{w}+{p}]\n",
            $(
                "vpbroadcastd zmm30, dword ptr [", row!($row, "{a}", "{b}"), "]\n",
                "vpmaddubsw zmm31, zmm28, zmm30\n",
                "vpmaddubsw zmm30, zmm29, zmm30\n",
                "vpmaddwd zmm31, zmm31, zmm26\n",
                "vpmaddwd zmm30, zmm30, zmm26\n",
                "vpaddd ", $c0, ", ", $c0, ", zmm31\n",
                "vpaddd ", $c1, ", ", $c1, ", zmm30\n",
            )*
        )
    };
    ($($row:tt $c0:literal,)*) => {
        concat!(
            "vpxord zmm28, zmm27, [{w}]\n",
            $(
                "vpbroadcastd zmm30, dword ptr [", row!($row, "{a}", "{b}"), "]\n",
                "vpmaddubsw zmm30, zmm28, zmm30\n",
                "vpmaddwd zmm30, zmm30, zmm26\n",
                "vpaddd ", $c0, ", ", $c0, ", zmm30\n",
            )*
        )
    };
}

/// The first sums of every row.
macro_rules! begin {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vmovdqu32 zmm28, [{s}]\n",
            "vmovdqu32 zmm29, [{s}+64]\n",
            $("vmovdqa32 ", $c0, ", zmm28\n", "vmovdqa32 ", $c1, ", zmm29\n",)*
        )
    };
    ($($row:tt $c0:literal,)*) => {
        concat!("vmovdqu32 zmm28, [{s}]\n", $("vmovdqa32 ", $c0, ", zmm28\n",)*)
    };
}

/// Stores all sums, row after row.
macro_rules! end {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!($("vmovdqu32 [{to}], ", $c0, "\n", "vmovdqu32 [{to}+64], ", $c1, "\n", "add {to}, 128\n",)*)
    };
    ($($row:tt $c0:literal,)*) => {
        concat!($("vmovdqu32 [{to}], ", $c0, "\n", "add {to}, 64\n",)*)
    };
}

/// The whole tile with VNNI.
macro_rules! tile_of {
    ($t:ident: $($table:tt)*) => {
        whole_tile!($t, "", quad: $($table)*)
    };
}

/// The whole tile of rows that are split.
macro_rules! split_tile_of {
    ($t:ident: $($table:tt)*) => {
        whole_tile!($t, "vpbroadcastd zmm26, [{b}]\nvpbroadcastd zmm27, [{b}+4]\n", split_quad: $($table)*)
    };
}

/// The whole tile for the given rows and their registers, with the constants and the instructions of a quad. Every quad
/// prefetches a line of both panels that come next.
macro_rules! whole_tile {
    ($t:ident, $constants:literal, $quad:ident: $($table:tt)*) => {
        asm!(
            $constants,
            multiples!(),
            seventh!("{b}", "{a}"),
            begin!($($table)*),
            "test {n}, {n}
            jz 3f
            .p2align 5
            2:",
            $quad!($($table)*),
            "prefetcht1 [{next}]
            prefetcht1 [{next}+{p}]
            add {next}, {pace}
            add {w}, 64
            add {a}, 4
            add {b}, 4
            dec {n}
            jnz 2b
            3:",
            end!($($table)*),
            a = inout(reg) $t.a => _,
            b = inout(reg) CONSTANTS.as_ptr() => _,
            s1 = in(reg) $t.a_stride,
            s3 = out(reg) _,
            s5 = out(reg) _,
            w = inout(reg) $t.w => _,
            p = in(reg) $t.w_panel,
            n = inout(reg) $t.quads => _,
            s = in(reg) $t.starts,
            to = inout(reg) $t.sums => _,
            next = inout(reg) $t.fetch.next => _,
            pace = in(reg) $t.fetch.pace,
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
            out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
            out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
            out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
            out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _,
            out("zmm30") _, out("zmm31") _,
            options(nostack),
        )
    };
}

/// The tile of 1 to 14 rows by 1 or 2 panels, of unsigned bytes.
///
/// # Safety
/// AVX-512 F and VNNI must be available, and the operands as [`QuadTile`] says.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(in super::super) unsafe fn tile(t: &QuadTile) {
    // SAFETY: reads the operands and writes the sums of the tile, within what the caller promises; every register that
    // changes is named.
    unsafe { rows_of_registers!(tile_of, t, t.rows, t.panels) }
}

/// The tile of 1 to [`SPLIT_ROWS`] rows, which are split, by 1 or [`SPLIT_PANELS`] panels.
///
/// # Safety
/// AVX-512 F and BW and AVX2 must be available, and the operands as [`QuadTile`] says.
#[target_feature(enable = "avx512f,avx512bw,avx2")]
pub(in super::super) unsafe fn split_tile(t: &QuadTile) {
    // SAFETY: as for [`tile`]; then the caller's promise is passed on.
    unsafe {
        rows_of_registers!(split_tile_of, t, t.rows, t.panels);
        match t.panels {
            1 => add_second_parts::<1>(t),
            _ => add_second_parts::<2>(t),
        }
    }
}
