//! The register tile of a product with AVX-512, as assembly.
//!
//! Fourteen rows by two vectors fill 28 of the 32 registers. The loop is bound by its multiply-adds only if rows are
//! addressed as a base plus a multiple of their stride. With two bases, seven rows apart, and the stride × 1, 3 and 5
//! in registers, every row is one addressing mode. The compiler chains the row addresses by additions instead, spills
//! the sums, and reaches half of the speed.

use std::arch::asm;

use super::{Tile, stride};
use crate::tensor::{Half, PANEL};

/// The columns of the first (0) or second (1) of two steps of a panel, as floats; halves are widened.
///
/// With `keeping`, the first (0) or second (1) of two panels, or the only one, is stored where {z} points: the columns of
/// all panels of a step, then of the next. Else {z} is the stride of steps.
#[rustfmt::skip]
macro_rules! columns {
    (floats 0: $to:literal $from:literal $panel:tt) => { concat!("vmovups ", $to, ", [", $from, "]\n") };
    (floats 1: $to:literal $from:literal $panel:tt) => { concat!("vmovups ", $to, ", [", $from, "+{z}]\n") };
    (halves 0: $to:literal $from:literal $panel:tt) => { concat!("vcvtph2ps ", $to, ", ymmword ptr [", $from, "]\n") };
    (halves 1: $to:literal $from:literal $panel:tt) => { concat!("vcvtph2ps ", $to, ", ymmword ptr [", $from, "+{z}]\n") };
    (keeping 0: $to:literal $from:literal $panel:tt) => {
        concat!("vcvtph2ps ", $to, ", ymmword ptr [", $from, "]\n", "vmovups [{z}+", kept!(0 $panel), "], ", $to, "\n")
    };
    (keeping 1: $to:literal $from:literal $panel:tt) => {
        concat!("vcvtph2ps ", $to, ", ymmword ptr [", $from, "+32]\n", "vmovups [{z}+", kept!(1 $panel), "], ", $to, "\n")
    };
}

/// Where columns are kept, by step and panel.
#[rustfmt::skip]
macro_rules! kept {
    (0 0) => { "0" };
    (0 1) => { "64" };
    (1 0) => { "128" };
    (1 1) => { "192" };
    (0 only) => { "0" };
    (1 only) => { "64" };
}

/// One of two steps of k: the columns of `w`, then for every row a broadcast and its multiply-adds.
macro_rules! step {
    ($kind:ident, $offset:literal, $step:tt: $($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            columns!($kind $step: "zmm28" "{w}" 0),
            columns!($kind $step: "zmm29" "{v}" 1),
            $(
                "vbroadcastss zmm30, dword ptr [", row!($row, "{a}", "{b}"), $offset, "]\n",
                "vfmadd231ps ", $c0, ", zmm30, zmm28\n",
                "vfmadd231ps ", $c1, ", zmm30, zmm29\n",
            )*
        )
    };
    ($kind:ident, $offset:literal, $step:tt: $($row:tt $c0:literal,)*) => {
        concat!(
            columns!($kind $step: "zmm28" "{w}" only),
            $("vfmadd231ps ", $c0, ", zmm28, dword ptr [", row!($row, "{a}", "{b}"), $offset, "]{{1to16}}\n",)*
        )
    };
}

/// Goes two steps on in the weights.
#[rustfmt::skip]
macro_rules! advance {
    (keeping: $($row:tt $c0:literal $c1:literal,)*) => { "add {w}, 64\n add {v}, 64\n add {z}, 256\n" };
    (keeping: $($row:tt $c0:literal,)*) => { "add {w}, 64\n add {v}, 64\n add {z}, 128\n" };
    ($kind:ident: $($table:tt)*) => { "lea {w}, [{w}+2*{z}]\n lea {v}, [{v}+2*{z}]\n" };
}

/// Clears all registers of sums.
macro_rules! zero {
    ($($row:tt $($c:literal)+,)*) => {
        concat!($($("vpxord ", $c, ", ", $c, ", ", $c, "\n",)+)*)
    };
}

/// Adds the bias, whose address is in `next`, to all sums.
macro_rules! bias {
    ($($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            "vmovups zmm28, [{next}]\n",
            "vmovups zmm29, [{next}+64]\n",
            $("vaddps ", $c0, ", ", $c0, ", zmm28\n", "vaddps ", $c1, ", ", $c1, ", zmm29\n",)*
        )
    };
    ($($row:tt $c0:literal,)*) => {
        concat!("vmovups zmm28, [{next}]\n", $("vaddps ", $c0, ", ", $c0, ", zmm28\n",)*)
    };
}

/// Adds the old output to all sums. Rows of the first vector start at a and b, of the second at w and v.
macro_rules! add {
    ($($row:tt $c0:literal $($c1:literal)?,)*) => {
        concat!($(
            "vaddps ", $c0, ", ", $c0, ", [", row!($row, "{a}", "{b}"), "]\n",
            $("vaddps ", $c1, ", ", $c1, ", [", row!($row, "{w}", "{v}"), "]\n",)?
        )*)
    };
}

/// Stores all sums.
macro_rules! store {
    ($($row:tt $c0:literal $($c1:literal)?,)*) => {
        concat!($(
            "vmovups [", row!($row, "{a}", "{b}"), "], ", $c0, "\n",
            $("vmovups [", row!($row, "{w}", "{v}"), "], ", $c1, "\n",)?
        )*)
    };
}

/// Prefetches for every two steps: one line from two places; half a line of halves, so that each comes twice.
macro_rules! paced {
    (floats) => {
        "prefetcht1 [{next}]
        prefetcht1 [{next}+{second}]
        add {next}, 64\n"
    };
    (halves) => {
        "prefetcht1 [{next}]
        prefetcht1 [{next}+{second}]
        add {next}, 32\n"
    };
}

/// Prefetches for every two steps: two lines from two places, one of halves, all that a pair of panels reads; and the next
/// lines from L2 to L1.
macro_rules! streams {
    (halves) => {
        "prefetcht1 [{next}]
        prefetcht1 [{next}+{second}]
        prefetcht0 [{w}+8*{z}]
        prefetcht0 [{v}+8*{z}]
        add {next}, 64\n"
    };
    (floats) => {
        "prefetcht1 [{next}]
        prefetcht1 [{next}+64]
        prefetcht1 [{next}+{second}]
        prefetcht1 [{next}+{second}+64]
        prefetcht0 [{w}+8*{z}]
        prefetcht0 [{v}+8*{z}]
        add {next}, 128\n"
    };
}

/// The whole tile for the given rows and their registers, with either kind of prefetching.
macro_rules! tile {
    ($t:ident: $($table:tt)*) => {
        match (HALVES, $t.fetch.streams) {
            (false, false) => tile_of!($t, floats, stride($t); paced!(floats); $($table)*),
            (false, true) => tile_of!($t, floats, stride($t); streams!(floats); $($table)*),
            (true, false) => tile_of!($t, halves, stride($t); paced!(halves); $($table)*),
            (true, true) => tile_of!($t, halves, stride($t); streams!(halves); $($table)*),
        }
    };
}

/// The whole tile of halves that it also keeps as floats.
macro_rules! keeping {
    ($t:ident: $($table:tt)*) => { tile_of!($t, keeping, $t.keep; paced!(halves); $($table)*) };
}

/// The tile with one kind of prefetching: blocks of sixteen steps of k, two at a time. Each block prefetches one line a
/// page ahead, for the page's address (see [`super::Fetch`]).
macro_rules! tile_of {
    ($t:ident, $kind:ident, $z:expr; $fetch:expr; $($table:tt)*) => {
        asm!(
            multiples!(),
            seventh!("{b}", "{a}"),
            zero!($($table)*),
            "2:
            prefetcht0 [{next}+4096]
            prefetcht0 [{next}+{second}+4096]
            mov {n:e}, 16
            cmp {k}, {n}
            cmovb {n}, {k}
            sub {k}, {n}
            sub {n}, 2
            jl 4f
            .p2align 5
            3:",
            $fetch,
            step!($kind, "", 0: $($table)*),
            step!($kind, "+4", 1: $($table)*),
            advance!($kind: $($table)*),
            "add {a}, 8
            add {b}, 8
            sub {n}, 2
            jge 3b
            4:
            test {n:e}, 1
            jz 5f",
            step!($kind, "", 0: $($table)*),
            "5:
            add {a}, [{t}+{jump}]
            add {b}, [{t}+{jump}]
            test {k}, {k}
            jnz 2b
            mov {next}, [{t}+{bias}]
            mov {s1}, [{t}+{stride}]
            mov {a}, [{t}+{out}]
            mov {w}, [{t}+{panel}]
            shl {s1}, 2
            lea {w}, [{a}+4*{w}]",
            multiples!(),
            seventh!("{b}", "{a}"),
            seventh!("{v}", "{w}"),
            bias!($($table)*),
            "cmp byte ptr [{t}+{add}], 0
            je 6f",
            add!($($table)*),
            "6:",
            store!($($table)*),
            t = in(reg) $t,
            a = inout(reg) $t.a => _,
            b = out(reg) _,
            s1 = inout(reg) $t.a_stride.wrapping_mul(4) => _,
            s3 = out(reg) _,
            s5 = out(reg) _,
            w = inout(reg) $t.w => _,
            v = inout(reg) $t.w.wrapping_add($t.w_panel) => _,
            next = inout(reg) $t.fetch.first => _,
            second = in(reg) $t.fetch.second,
            k = inout(reg) $t.k => _,
            n = out(reg) _,
            z = inout(reg) $z => _,
            jump = const std::mem::offset_of!(Tile<f32>, a_jump),
            bias = const std::mem::offset_of!(Tile<f32>, bias),
            stride = const std::mem::offset_of!(Tile<f32>, out_stride),
            panel = const std::mem::offset_of!(Tile<f32>, out_panel),
            out = const std::mem::offset_of!(Tile<f32>, out),
            add = const std::mem::offset_of!(Tile<f32>, add),
            out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _, out("zmm5") _,
            out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
            out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
            out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
            out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _,
            out("zmm30") _,
            options(nostack),
        )
    };
}

/// The tile of `ROWS` rows by `VECTORS` vectors, at most 14 by 2; of weights that are halves, if `HALVES`.
///
/// # Safety
/// AVX-512 F must be available, [`Tile::new`] must have been called for this many rows and panels, and `W` must be
/// [`Half`](crate::tensor::Half) if `HALVES`, else `f32`.
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn tile<W, const ROWS: usize, const VECTORS: usize, const HALVES: bool>(t: &Tile<W>) {
    // SAFETY: reads the operands and writes the output of the tile, within what the caller promises; every
    // register that changes is named.
    unsafe { rows_of_registers!(tile, t, ROWS, VECTORS) }
}

/// The tile of packed halves that keeps its columns, which costs nothing beside the multiply-adds: fourteen rows take 28
/// of them for two columns.
///
/// # Safety
/// As [`tile`]; the tile must be one of [`Tile::keeping`].
#[target_feature(enable = "avx512f")]
pub(in super::super) unsafe fn tile_keeping<const ROWS: usize, const VECTORS: usize>(t: &Tile<Half>) {
    debug_assert_eq!(t.w_stride, PANEL);
    // SAFETY: as in `tile`; the columns of all steps are written where the caller promises room for them.
    unsafe { rows_of_registers!(keeping, t, ROWS, VECTORS) }
}
