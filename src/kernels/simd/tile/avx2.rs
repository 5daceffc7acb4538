//! The register tile of a product with AVX2, as assembly.
//!
//! Six rows by the two vectors of a panel fill twelve of the sixteen registers. As with AVX-512, every row is one
//! addressing mode from a base, and the tile prefetches weights. The compiler's version of the same loop reaches 80 %
//! of the peak.

use std::arch::asm;

use super::{Tile, stride};
use crate::tensor::{Half, PANEL};

/// The columns of a step, as floats; halves are widened. With `keeping`, they are stored where {z} points, step after step;
/// else {z} is the stride of steps.
macro_rules! columns {
    (floats) => {
        "vmovups ymm12, [{w}]
        vmovups ymm13, [{w}+32]\n"
    };
    (halves) => {
        "vcvtph2ps ymm12, xmmword ptr [{w}]
        vcvtph2ps ymm13, xmmword ptr [{w}+16]\n"
    };
    (keeping) => {
        "vcvtph2ps ymm12, xmmword ptr [{w}]
        vcvtph2ps ymm13, xmmword ptr [{w}+16]
        vmovups [{z}], ymm12
        vmovups [{z}+32], ymm13\n"
    };
}

/// Goes a step on in the weights.
macro_rules! advance {
    (keeping) => {
        "add {w}, 32
        add {z}, 64\n"
    };
    ($kind:ident) => {
        "add {w}, {z}\n"
    };
}

/// Asks for the columns eight steps ahead.
macro_rules! near {
    (keeping) => {
        "prefetcht0 [{w}+256]\n"
    };
    ($kind:ident) => {
        "prefetcht0 [{w}+8*{z}]\n"
    };
}

/// One step of k: the columns of `w`, then for every row a broadcast and its multiply-adds.
macro_rules! step {
    ($kind:ident, $offset:literal: $($row:tt $c0:literal $c1:literal $x:literal,)*) => {
        concat!(
            columns!($kind),
            $(
                "vbroadcastss ", $x, ", dword ptr [", row!($row, "{a}", "{a}"), $offset, "]\n",
                "vfmadd231ps ", $c0, ", ", $x, ", ymm12\n",
                "vfmadd231ps ", $c1, ", ", $x, ", ymm13\n",
            )*
        )
    };
}

/// Prefetches a line of the next weights for every two steps; half a line of halves, so that each comes twice.
macro_rules! paced {
    (floats) => {
        "prefetcht1 [{next}]
        add {next}, 64\n"
    };
    ($kind:ident) => {
        "prefetcht1 [{next}]
        add {next}, 32\n"
    };
}

/// Prefetches two lines of the same weights, all that the tile reads in two steps; one of halves.
macro_rules! streams {
    (floats) => {
        "prefetcht1 [{next}]
        prefetcht1 [{next}+64]
        add {next}, 128\n"
    };
    (halves) => {
        "prefetcht1 [{next}]
        add {next}, 64\n"
    };
}

/// Prefetches as [`paced`], and activations in blocks of channels: a row of the next block for every two steps. The
/// processor follows rows by itself, but not these short runs of lines.
macro_rules! blocks {
    ($kind:ident) => {
        concat!(
            paced!($kind),
            "prefetcht0 [{ahead}]
            add {ahead}, 64\n"
        )
    };
}

/// Clears all registers of sums.
macro_rules! zero {
    ($($row:tt $c0:literal $c1:literal $x:literal,)*) => {
        concat!($("vxorps ", $c0, ", ", $c0, ", ", $c0, "\n", "vxorps ", $c1, ", ", $c1, ", ", $c1, "\n",)*)
    };
}

/// Adds the bias, whose address is in `next`, to all sums.
macro_rules! bias {
    ($($row:tt $c0:literal $c1:literal $x:literal,)*) => {
        concat!(
            "vmovups ymm12, [{next}]\n",
            "vmovups ymm13, [{next}+32]\n",
            $("vaddps ", $c0, ", ", $c0, ", ymm12\n", "vaddps ", $c1, ", ", $c1, ", ymm13\n",)*
        )
    };
}

/// Adds the old output to all sums.
macro_rules! add {
    ($($row:tt $c0:literal $c1:literal $x:literal,)*) => {
        concat!($(
            "vaddps ", $c0, ", ", $c0, ", [", row!($row, "{a}", "{a}"), "]\n",
            "vaddps ", $c1, ", ", $c1, ", [", row!($row, "{a}", "{a}"), "+32]\n",
        )*)
    };
}

/// Stores all sums.
macro_rules! store {
    ($($row:tt $c0:literal $c1:literal $x:literal,)*) => {
        concat!($(
            "vmovups [", row!($row, "{a}", "{a}"), "], ", $c0, "\n",
            "vmovups [", row!($row, "{a}", "{a}"), "+32], ", $c1, "\n",
        )*)
    };
}

/// The whole tile for the given rows and their registers, with one kind of prefetching.
macro_rules! tile {
    ($t:ident: $($table:tt)*) => {
        if HALVES {
            tile!($t, halves: $($table)*)
        } else {
            tile!($t, floats: $($table)*)
        }
    };
    ($t:ident, $kind:ident: $($table:tt)*) => {
        if $t.fetch.streams {
            tile_of!($t, $kind, stride($t); streams!($kind); $($table)*)
        } else if $t.a_jump != 0 {
            tile_of!($t, $kind, stride($t); blocks!($kind); $($table)*)
        } else {
            tile_of!($t, $kind, stride($t); paced!($kind); $($table)*)
        }
    };
}

/// The whole tile of halves that it also keeps as floats.
macro_rules! keeping {
    ($t:ident: $($table:tt)*) => {
        if $t.a_jump != 0 {
            tile_of!($t, keeping, $t.keep; blocks!(keeping); $($table)*)
        } else {
            tile_of!($t, keeping, $t.keep; paced!(keeping); $($table)*)
        }
    };
}

/// The tile with one kind of prefetching: blocks of sixteen steps of k, two at a time. Each block prefetches one line a
/// page ahead, for the page's address (see [`super::Fetch`]).
macro_rules! tile_of {
    ($t:ident, $kind:ident, $z:expr; $fetch:expr; $($table:tt)*) => {
        asm!(
            multiples!(),
            zero!($($table)*),
            "2:
            prefetcht0 [{next}+4096]
            mov {n:e}, 16
            cmp {k}, {n}
            cmovb {n}, {k}
            sub {k}, {n}
            sub {n}, 2
            jl 4f
            .p2align 5
            3:",
            $fetch,
            near!($kind),
            step!($kind, "": $($table)*),
            advance!($kind),
            near!($kind),
            step!($kind, "+4": $($table)*),
            advance!($kind),
            "add {a}, 8
            sub {n}, 2
            jge 3b
            4:
            test {n:e}, 1
            jz 5f",
            step!($kind, "": $($table)*),
            advance!($kind),
            "add {a}, 4
            5:
            add {a}, [{t}+{jump}]
            lea {ahead}, [{a}+64]
            add {ahead}, [{t}+{jump}]
            test {k}, {k}
            jnz 2b
            mov {next}, [{t}+{bias}]
            mov {s1}, [{t}+{stride}]
            mov {a}, [{t}+{out}]
            shl {s1}, 2",
            multiples!(),
            bias!($($table)*),
            "cmp byte ptr [{t}+{add}], 0
            je 6f",
            add!($($table)*),
            "6:",
            store!($($table)*),
            t = in(reg) $t,
            a = inout(reg) $t.a => _,
            s1 = inout(reg) $t.a_stride.wrapping_mul(4) => _,
            s3 = out(reg) _,
            s5 = out(reg) _,
            w = inout(reg) $t.w => _,
            next = inout(reg) $t.fetch.first => _,
            ahead = inout(reg) $t.a.wrapping_byte_add(64 + $t.a_jump) => _,
            k = inout(reg) $t.k => _,
            n = out(reg) _,
            z = inout(reg) $z => _,
            jump = const std::mem::offset_of!(Tile<f32>, a_jump),
            bias = const std::mem::offset_of!(Tile<f32>, bias),
            stride = const std::mem::offset_of!(Tile<f32>, out_stride),
            out = const std::mem::offset_of!(Tile<f32>, out),
            add = const std::mem::offset_of!(Tile<f32>, add),
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
            out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        )
    };
}

/// Calls `$tile!($t: row registers, …)` for a number of rows, 1 to 6.
#[rustfmt::skip]
macro_rules! rows_of {
    ($tile:ident, $t:ident) => {
        match ROWS {
            1 => $tile!($t: 0 "ymm0" "ymm1" "ymm14",),
            2 => $tile!($t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15",),
            3 => $tile!($t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",),
            4 => $tile!($t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",
                            3 "ymm6" "ymm7" "ymm15",),
            5 => $tile!($t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",
                            3 "ymm6" "ymm7" "ymm15", 4 "ymm8" "ymm9" "ymm14",),
            6 => $tile!($t: 0 "ymm0" "ymm1" "ymm14", 1 "ymm2" "ymm3" "ymm15", 2 "ymm4" "ymm5" "ymm14",
                            3 "ymm6" "ymm7" "ymm15", 4 "ymm8" "ymm9" "ymm14", 5 "ymm10" "ymm11" "ymm15",),
            _ => unreachable!("no tile of {ROWS} rows"),
        }
    };
}

/// The tile of `ROWS` rows, six at most, by one panel; of weights that are halves, if `HALVES`.
///
/// # Safety
/// AVX2, FMA and F16C must be available, [`Tile::new`] must have been called for this many rows and one panel, and `W` must
/// be [`Half`] if `HALVES`, else `f32`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn tile<W, const ROWS: usize, const HALVES: bool>(t: &Tile<W>) {
    // SAFETY: reads the operands and writes the output of the tile, within what the caller promises; every
    // register that changes is named.
    unsafe { rows_of!(tile, t) }
}

/// The tile of packed halves that keeps its columns.
///
/// # Safety
/// As [`tile`]; the tile must be one of [`Tile::keeping`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn tile_keeping<const ROWS: usize>(t: &Tile<Half>) {
    debug_assert_eq!(t.w_stride, PANEL);
    // SAFETY: as in `tile`; the columns of all steps are written where the caller promises room for them.
    unsafe { rows_of!(keeping, t) }
}
