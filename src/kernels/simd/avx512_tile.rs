//! The register tile of a product with AVX-512, as assembly.
//!
//! Fourteen rows by two vectors fill 28 of the 32 registers. The loop is bound by its multiply-adds only if rows are
//! addressed as a base plus a multiple of their stride. With two bases, seven rows apart, and the stride × 1, 3 and 5
//! in registers, every row is one addressing mode. The compiler chains the row addresses by additions instead, spills
//! the sums, and reaches half of the speed.

use std::arch::asm;

use super::Tile;

/// The columns of a step of a panel, as floats; halves are widened.
macro_rules! column {
    (floats, $to:literal, $from:literal, $w:literal) => {
        concat!("vmovups ", $to, ", [", $from, $w, "]\n")
    };
    (halves, $to:literal, $from:literal, $w:literal) => {
        concat!("vcvtph2ps ", $to, ", ymmword ptr [", $from, $w, "]\n")
    };
}

/// One step of k: the columns of `w`, then for every row a broadcast and its multiply-adds.
macro_rules! step {
    ($kind:ident, $offset:literal, $w:literal: $($row:tt $c0:literal $c1:literal,)*) => {
        concat!(
            column!($kind, "zmm28", "{w}", $w),
            column!($kind, "zmm29", "{v}", $w),
            $(
                "vbroadcastss zmm30, dword ptr [", row!($row, "{a}", "{b}"), $offset, "]\n",
                "vfmadd231ps ", $c0, ", zmm30, zmm28\n",
                "vfmadd231ps ", $c1, ", zmm30, zmm29\n",
            )*
        )
    };
    ($kind:ident, $offset:literal, $w:literal: $($row:tt $c0:literal,)*) => {
        concat!(
            column!($kind, "zmm28", "{w}", $w),
            $("vfmadd231ps ", $c0, ", zmm28, dword ptr [", row!($row, "{a}", "{b}"), $offset, "]{{1to16}}\n",)*
        )
    };
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
        prefetcht0 [{w}+8*{ks}]
        prefetcht0 [{v}+8*{ks}]
        add {next}, 64\n"
    };
    (floats) => {
        "prefetcht1 [{next}]
        prefetcht1 [{next}+64]
        prefetcht1 [{next}+{second}]
        prefetcht1 [{next}+{second}+64]
        prefetcht0 [{w}+8*{ks}]
        prefetcht0 [{v}+8*{ks}]
        add {next}, 128\n"
    };
}

/// The whole tile for the given rows and their registers, with either kind of prefetching.
macro_rules! tile {
    ($t:ident: $($table:tt)*) => {
        match (HALVES, STREAMS) {
            (false, false) => tile_of!($t, floats; paced!(floats); $($table)*),
            (false, true) => tile_of!($t, floats; streams!(floats); $($table)*),
            (true, false) => tile_of!($t, halves; paced!(halves); $($table)*),
            (true, true) => tile_of!($t, halves; streams!(halves); $($table)*),
        }
    };
}

/// The tile with one kind of prefetching: blocks of sixteen steps of k, two at a time. Each block prefetches one line a
/// page ahead, for the page's address (see [`super::Fetch`]).
macro_rules! tile_of {
    ($t:ident, $kind:ident; $fetch:expr; $($table:tt)*) => {
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
            step!($kind, "", "": $($table)*),
            step!($kind, "+4", "+{ks}": $($table)*),
            "lea {w}, [{w}+2*{ks}]
            lea {v}, [{v}+2*{ks}]
            add {a}, 8
            add {b}, 8
            sub {n}, 2
            jge 3b
            4:
            test {n:e}, 1
            jz 5f",
            step!($kind, "", "": $($table)*),
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
            ks = in(reg) $t.w_stride.wrapping_mul(size_of::<W>()),
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

/// The tile of `ROWS` rows by `VECTORS` vectors, at most 14 by 2; `STREAMS` as in [`super::Fetch`]; of weights that are
/// halves, if `HALVES`.
///
/// # Safety
/// AVX-512 F must be available, [`Tile::new`] must have been called for this many rows and panels, and `W` must be
/// [`Half`](crate::tensor::Half) if `HALVES`, else `f32`.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn tile<W, const ROWS: usize, const VECTORS: usize, const STREAMS: bool, const HALVES: bool>(
    t: &Tile<W>,
) {
    // SAFETY: reads the operands and writes the output of the tile, within what the caller promises; every
    // register that changes is named.
    unsafe { rows_of_registers!(tile, t, ROWS, VECTORS) }
}
