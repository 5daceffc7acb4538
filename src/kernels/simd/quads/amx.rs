//! Tiles of integers with AMX: sixteen rows by 64 steps times 64 steps by a panel, in one instruction.
//!
//! The processor has eight registers of sixteen rows of 64 bytes. Four hold sums, of two tiles of rows by two panels; two
//! hold rows, two hold weights: sixteen quads of a panel lie as `tdpbssd` wants them. How many rows the registers have is
//! part of the thread's state, which takes some hundred cycles to change, so it is set once for many tiles ([`begin`]).
//!
//! Linux keeps the registers of a thread only if the process has asked for it, because signals then need more room on
//! their stacks: see [`is_granted`].

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use super::{QUAD_BYTES, QuadTile};
use crate::tensor::PANEL;

/// Rows of a register.
const ROWS: usize = 16;
/// Rows of the largest tile: two registers.
pub(in super::super) const MOST_ROWS: usize = 2 * ROWS;
/// Quads of a register.
const QUADS: usize = 16;
/// Bytes of the weights in a register.
const BLOCK: usize = QUADS * QUAD_BYTES;

/// Whether this process may use the registers. The first call asks the system, for the rest of the process.
///
/// It does not grant them if a thread has a stack for signals that is too small for them, and later refuses such stacks
/// (of less than some 11 KiB; `getauxval(AT_MINSIGSTKSZ)` says how much it is).
pub(in super::super) fn is_granted() -> bool {
    static GRANTED: OnceLock<bool> = OnceLock::new();
    *GRANTED.get_or_init(|| has_instructions() && ask())
}

/// Whether the processor has tiles and their products of bytes: bits 24 and 25 of EDX.
fn has_instructions() -> bool {
    is_x86_feature_detected!("avx512f") && __cpuid_count(7, 0).edx >> 24 & 3 == 3
}

/// Asks for the registers, component 18 of what a thread's state consists of (`arch_prctl`, Documentation/arch/x86/xstate.rst
/// of Linux).
#[cfg(target_os = "linux")]
fn ask() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: takes numbers and touches no memory of the process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

/// Other systems have ways of their own, or none.
#[cfg(not(target_os = "linux"))]
fn ask() -> bool {
    false
}

/// The shapes of the eight registers, as `ldtilecfg` reads them.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Sets the registers up for tiles of `rows` rows, 1 to [`MOST_ROWS`], on this thread, until [`end`].
///
/// # Safety
/// AMX must be available and granted.
pub(in super::super) unsafe fn begin(rows: usize) {
    let (first, second) = (rows.min(ROWS), rows.saturating_sub(ROWS));
    let mut shapes = Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    // Sums, of either panel: the first rows, the second. Rows of activations. Weights.
    let registers = [first, first, second, second, first, second, QUADS, QUADS];
    for ((register, rows), row_bytes) in registers.into_iter().zip(&mut shapes.rows).zip(&mut shapes.row_bytes) {
        // At most sixteen. A register without rows is none.
        (*rows, *row_bytes) = (register as u8, if register == 0 { 0 } else { 64 });
    }
    // SAFETY: reads 64 bytes, all of `shapes`, which are valid; changes no register that the compiler uses.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, readonly, preserves_flags)) }
}

/// Gives the registers back, so that the system need not keep them for this thread.
///
/// # Safety
/// AMX must be available and granted.
pub(in super::super) unsafe fn end() {
    // SAFETY: changes no register that the compiler uses.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
}

/// What follows the last whole block of two panels, in blocks of its own, with zeros after it.
#[repr(C, align(64))]
struct Tail([[i8; BLOCK]; 2]);

impl Tail {
    /// The quads of the tile's panels from `from` on, fewer than a block.
    ///
    /// # Safety
    /// The weights must be as [`QuadTile`] says.
    unsafe fn of(t: &QuadTile, from: usize) -> Tail {
        let mut tail = Tail([[0; BLOCK]; 2]);
        for (panel, block) in tail.0.iter_mut().enumerate().take(t.panels) {
            let len = (t.quads - from) * QUAD_BYTES;
            // SAFETY: the caller promises that the panel has all quads; those after the last whole block are fewer than
            // a block.
            unsafe {
                let w = t.w.add(panel * t.w_panel + from * QUAD_BYTES);
                block.as_mut_ptr().copy_from_nonoverlapping(w, len);
            }
        }
        tail
    }
}

/// What the loop of a tile reads from memory.
#[repr(C)]
struct Rest {
    sums: *mut i32,
    /// Bytes of a row of sums.
    row: usize,
    /// Bytes of the sums of the first rows.
    first: usize,
    /// Lines to prefetch of either panel, for every block.
    lines: usize,
    /// Bytes from the first line of the next block back to the one after these.
    back: usize,
}

/// The whole tile: for every block of sixteen quads, the loads and products, and prefetches of what comes next. The tail
/// is one more block, at an address of its own.
macro_rules! tile {
    ($t:ident, $rest:ident, $blocks:ident, $tail:ident: $zero:literal, $products:literal, $prefetch:literal, $store:literal) => {
        asm!(
            $zero,
            "test {n}, {n}
            jz 3f
            .p2align 5
            2:",
            $products,
            "add {a}, 64
            add {b}, 64
            add {w}, 1024
            add {v}, 1024
            mov {i}, [{rest}+24]
            4:
            prefetcht1 [{next}]",
            $prefetch,
            "add {next}, 64
            dec {i}
            jnz 4b
            sub {next}, [{rest}+32]
            dec {n}
            jnz 2b
            3:
            test {tail}, {tail}
            jz 5f
            mov {w}, {tail}
            lea {v}, [{tail}+1024]
            xor {tail:e}, {tail:e}
            mov {n:e}, 1
            jmp 2b
            5:
            mov {w}, [{rest}]
            mov {p}, [{rest}+8]
            mov {v}, [{rest}+16]
            add {v}, {w}",
            $store,
            a = inout(reg) $t.a => _,
            b = inout(reg) $t.a.wrapping_add(ROWS * $t.a_stride) => _,
            stride = in(reg) $t.a_stride,
            w = inout(reg) $t.w => _,
            v = inout(reg) $t.w.wrapping_add($t.w_panel) => _,
            line = in(reg) 64usize,
            p = inout(reg) $t.w_panel => _,
            n = inout(reg) $blocks => _,
            tail = inout(reg) $tail => _,
            next = inout(reg) $t.fetch.next => _,
            rest = in(reg) $rest,
            i = out(reg) _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// The tile of 1 to 32 rows by 1 or 2 panels, of signed bytes.
///
/// # Safety
/// The registers must be set up for the rows of the tile ([`begin`]), and the operands as [`QuadTile`] says.
pub(in super::super) unsafe fn tile(t: &QuadTile) {
    let (blocks, step) = (t.quads / QUADS, QUADS * t.fetch.pace);
    let lines = step.div_ceil(64).max(1);
    let row = t.panels * PANEL * size_of::<i32>();
    let rest = Rest { sums: t.sums, row, first: ROWS * row, lines, back: lines * 64 - step };
    let rest = &raw const rest;
    let tail = (blocks * QUADS < t.quads).then(|| {
        // SAFETY: the caller's promise.
        unsafe { Tail::of(t, blocks * QUADS) }
    });
    let tail = tail.as_ref().map_or(std::ptr::null(), |tail| &raw const *tail);
    // SAFETY: reads whole blocks of rows, which the caller promises, and of weights, the last from `tail`; writes the sums
    // of the tile; every register that changes is named.
    unsafe {
        match (t.rows > ROWS, t.panels) {
            (false, 1) => tile!(t, rest, blocks, tail:
                "tilezero tmm0",
                "tileloadd tmm6, [{w}+{line}]
                tileloadd tmm4, [{a}+{stride}]
                tdpbssd tmm0, tmm4, tmm6",
                "",
                "tilestored [{w}+{p}], tmm0"
            ),
            (false, _) => tile!(t, rest, blocks, tail:
                "tilezero tmm0
                tilezero tmm1",
                "tileloadd tmm6, [{w}+{line}]
                tileloadd tmm4, [{a}+{stride}]
                tdpbssd tmm0, tmm4, tmm6
                tileloadd tmm7, [{v}+{line}]
                tdpbssd tmm1, tmm4, tmm7",
                "prefetcht1 [{next}+{p}]",
                "tilestored [{w}+{p}], tmm0
                tilestored [{w}+{p}+64], tmm1"
            ),
            (true, 1) => tile!(t, rest, blocks, tail:
                "tilezero tmm0
                tilezero tmm2",
                "tileloadd tmm6, [{w}+{line}]
                tileloadd tmm4, [{a}+{stride}]
                tdpbssd tmm0, tmm4, tmm6
                tileloadd tmm5, [{b}+{stride}]
                tdpbssd tmm2, tmm5, tmm6",
                "",
                "tilestored [{w}+{p}], tmm0
                tilestored [{v}+{p}], tmm2"
            ),
            (true, _) => tile!(t, rest, blocks, tail:
                "tilezero tmm0
                tilezero tmm1
                tilezero tmm2
                tilezero tmm3",
                "tileloadd tmm6, [{w}+{line}]
                tileloadd tmm4, [{a}+{stride}]
                tdpbssd tmm0, tmm4, tmm6
                tileloadd tmm7, [{v}+{line}]
                tdpbssd tmm1, tmm4, tmm7
                tileloadd tmm5, [{b}+{stride}]
                tdpbssd tmm2, tmm5, tmm6
                tdpbssd tmm3, tmm5, tmm7",
                "prefetcht1 [{next}+{p}]",
                "tilestored [{w}+{p}], tmm0
                tilestored [{w}+{p}+64], tmm1
                tilestored [{v}+{p}], tmm2
                tilestored [{v}+{p}+64], tmm3"
            ),
        }
    }
}
