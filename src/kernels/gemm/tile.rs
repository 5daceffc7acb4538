//! A region of a product: blocks that fit the caches, cut into tiles that fit the registers.
//!
//! Within a block, a pair of panels is multiplied with all rows before the next pair. The tiles prefetch that next
//! pair, so that weights arrive from memory during the arithmetic.

use std::ops::Range;

use super::super::caches;
use super::super::math::Activation;
use super::super::output::Out;
use super::super::simd::{Element, Fetch, Kernel, Simd, Tile, prefetch};
use super::super::strides::Strides;
use super::fetch::fetch;
use super::wide::Wide;
use super::{Epilogue, Lhs, PANEL, Prefetch, Rhs, check};

/// Floats of the largest tile of any instruction set.
const LARGEST_TILE: usize = 14 * 2 * PANEL;

/// Steps of k in a block: a pair of panels then takes a tenth of an L2 cache of 1 MiB. A constant, since it decides the
/// bits.
pub(super) const K_BLOCK: usize = 768;

/// Share of L2 that a block of `a` takes. Every pair of panels reads it, so it should stay there.
pub(in super::super) const A_BLOCK: (usize, usize) = (3, 8);

/// Share of L2 up to which all blocks of k of `a` stay there for every pair of panels.
pub(super) const A_RESIDENT: (usize, usize) = (3, 8);

/// Floats in a share of L2.
pub(super) fn floats((part, whole): (usize, usize)) -> usize {
    caches::l2() / whole * part / size_of::<f32>()
}

/// The bias of tiles without one.
pub(in super::super) static NO_BIAS: [f32; 2 * PANEL] = [0.0; 2 * PANEL];

/// Some rows by some panels of a product, for the calling thread.
pub(in super::super) struct Region<'a, W = f32> {
    a: Lhs<'a>,
    w: Rhs<'a, W>,
    epilogue: Epilogue<'a>,
    out: Out<'a>,
    rows: Range<usize>,
    panels: Range<usize>,
    prefetch: Option<Prefetch>,
}

impl<'a, W: Element> Region<'a, W> {
    /// All rows by all panels.
    ///
    /// Panics if a slice is too short for its sizes.
    #[inline(always)]
    pub(in super::super) fn new(a: Lhs<'a>, w: Rhs<'a, W>, epilogue: Epilogue<'a>, out: Out<'a>) -> Region<'a, W> {
        check(&a, &w, &epilogue, &out);
        Region { a, w, epilogue, out, rows: 0..a.rows, panels: 0..w.panels(), prefetch: None }
    }

    /// Only these rows and panels; the last tiles prefetch.
    ///
    /// Panics if the product does not have them.
    #[inline(always)]
    pub(super) fn part(self, rows: Range<usize>, panels: Range<usize>, prefetch: Option<Prefetch>) -> Region<'a, W> {
        assert!(rows.end <= self.rows.end && panels.end <= self.panels.end, "a part outside of the product");
        Region { rows, panels, prefetch, ..self }
    }

    /// The address of a panel's weights from a step of k on, which need not exist.
    #[inline(always)]
    fn weights_at(&self, panel: usize, step: usize) -> *const W {
        let offset = panel.wrapping_mul(self.w.panel_stride).wrapping_add(step.wrapping_mul(self.w.k_stride));
        self.w.data.as_ptr().wrapping_add(offset)
    }

    /// Bytes from one panel to the next.
    #[inline(always)]
    fn panel_bytes(&self) -> usize {
        self.w.panel_stride.wrapping_mul(size_of::<W>())
    }

    /// The address of the activations of a row from a step of k on, which need not exist.
    #[inline(always)]
    fn activations_at(&self, row: usize, step: usize) -> *const f32 {
        self.a.data.as_ptr().wrapping_add(self.a.strides.at(row, step))
    }
}

impl<W: Element> Kernel for Region<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        // The boundaries of the blocks of k must depend only on k.
        let k = self.a.k;
        let blocks = k.div_ceil(K_BLOCK).max(1);
        let steps = k.div_ceil(blocks).next_multiple_of(PANEL);
        let pairs = self.panels.len().div_ceil(S::TILE_PANELS);
        let (a_block, a_resident) = (floats(A_BLOCK), floats(A_RESIDENT));
        let mut wide = Wide::default();
        for rows in whole_tiles::<S>(self.rows.clone(), a_block / steps.max(1)) {
            // If all of `a` stays in L2, a pair of panels goes through all blocks of k, because its weights are
            // contiguous in memory. If not, a block of `a` is multiplied with all pairs.
            let resident = rows.len() * k <= a_resident;
            let visit = |i: usize| {
                let (pair, b) = if resident { (i / blocks, i % blocks) } else { (i % pairs, i / pairs) };
                (self.panels.start + pair * S::TILE_PANELS, b)
            };
            let end = pairs * blocks;
            for i in 0..end {
                let (panel, b) = visit(i);
                // The weights of the next task follow the last pair.
                let (next_panel, next_b) = visit(i + 1);
                let last = b + 1 == blocks;
                let prefetch = self.prefetch.filter(|_| i + 1 == end && rows.end == self.rows.end);
                let block = Block {
                    region: &self,
                    rows: rows.clone(),
                    steps: b * steps..((b + 1) * steps).min(k),
                    next_w: match prefetch {
                        Some(prefetch) => (prefetch.address, prefetch.panel_bytes),
                        None => (self.weights_at(next_panel, next_b * steps).addr(), self.panel_bytes()),
                    },
                    next_a: (resident && !last && self.a.strides.row() == PANEL)
                        .then(|| self.activations_at(0, (b + 1) * steps).addr()),
                    add: b > 0 || self.epilogue.finish.adds(),
                    bias: self.epilogue.bias.filter(|_| last),
                    activation: self.epilogue.finish.activation().filter(|_| last),
                };
                // SAFETY: the rows, steps and panels are inside of the product (`part`), whose operands are as long as
                // their shapes say (`new`).
                unsafe { block.run(s, panel, &mut wide) }
            }
        }
    }
}

/// Consecutive ranges of at most `most` whose lengths differ by at most one: 50 rows in tiles of 14 are
/// 13 + 13 + 12 + 12, not 14 + 14 + 14 + 8.
#[inline(always)]
pub(in super::super) fn balanced(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = range.len().div_ceil(most);
    (0..count).map(move |i| range.start + range.len() * i / count..range.start + range.len() * (i + 1) / count)
}

/// Consecutive ranges of at most `most` rows, or of a tile, of nearly as many tiles each, so that but for the last range's
/// all tiles have all their rows.
#[inline(always)]
fn whole_tiles<S: Simd>(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let tiles = balanced(0..range.len().div_ceil(S::TILE_ROWS), (most / S::TILE_ROWS).max(1));
    tiles.map(move |tiles| {
        let row = |tile: usize| range.end.min(range.start + tile * S::TILE_ROWS);
        row(tiles.start)..row(tiles.end)
    })
}

/// Some rows of a region by a block of k.
struct Block<'a, W> {
    region: &'a Region<'a, W>,
    rows: Range<usize>,
    steps: Range<usize>,
    /// The pair of panels that is read after this block: the address of the first, and the bytes to the second.
    next_w: (usize, usize),
    /// The address of the activations that the next block reads, if they are in blocks of channels and may be in
    /// another core's cache.
    next_a: Option<usize>,
    /// Whether the sums are added to the output.
    add: bool,
    bias: Option<&'a [f32]>,
    activation: Option<Activation>,
}

impl<W: Element> Block<'_, W> {
    /// The rows by the panel from `panel`, or the pair of them.
    ///
    /// # Safety
    /// The rows, steps and panels must be inside of the region's product, whose operands [`check`] has passed.
    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, panel: usize, wide: &mut Wide) {
        let Region { w, panels, .. } = self.region;
        let tiles = self.rows.len().div_ceil(S::TILE_ROWS);
        let count = S::TILE_PANELS.min(panels.end - panel);
        let columns = (count * PANEL).min(w.n - panel * PANEL);
        let weights = (self.region.weights_at(panel, self.steps.start), w.k_stride, w.panel_stride);
        // The first tile of many keeps its columns as floats, which the others read.
        let packed = w.k_stride == PANEL;
        let keep = if packed { wide.room::<S, W>(self.steps.len(), count, tiles) } else { None };
        for (t, rows) in balanced(self.rows.clone(), S::TILE_ROWS).enumerate() {
            // A single tile reads weights as fast as it can; more requests would delay these.
            if tiles > 1 {
                self.fetch_output(rows.clone(), panel..panel + count);
            }
            let fetch = self.fetch::<S>(panel, t, tiles);
            // SAFETY: as the caller promises: whole panels of these weights are readable for all steps, and the tile is
            // inside of the block. There is room for as many floats, which the first tile has written.
            unsafe {
                match keep {
                    Some(kept) if t > 0 => {
                        let kept = (kept.cast_const(), count * PANEL, PANEL);
                        self.cell(rows.start, panel, kept, fetch).run(s, rows.len(), count, columns);
                    }
                    keep => {
                        let cell = self.cell(rows.start, panel, weights, fetch);
                        cell.keeping(keep.unwrap_or(std::ptr::null_mut())).run(s, rows.len(), count, columns);
                    }
                }
            }
        }
    }

    /// Asks for the lines of the output that a tile adds to or stores at its end.
    #[inline(always)]
    fn fetch_output(&self, rows: Range<usize>, panels: Range<usize>) {
        for row in rows {
            for panel in panels.clone() {
                prefetch(self.region.out.at(row, panel * PANEL).addr());
            }
        }
    }

    /// See [`fetch`].
    #[inline(always)]
    fn fetch<S: Simd>(&self, panel: usize, t: usize, tiles: usize) -> Fetch {
        let current = self.region.weights_at(panel, self.steps.start);
        let half = self.steps.len() * PANEL / 2 * size_of::<W>();
        fetch::<S>((current.addr(), self.region.panel_bytes()), self.next_w, self.next_a, half, (t, tiles))
    }

    /// The tile of the rows and panels from these on, with these weights: of `W`, or the same as floats.
    ///
    /// # Safety
    /// As [`Block::run`]; see [`Cell::run`] for how many rows and panels it may be run.
    #[inline(always)]
    unsafe fn cell<V: Element>(
        &self,
        row: usize,
        panel: usize,
        weights: (*const V, usize, usize),
        fetch: Fetch,
    ) -> Cell<V> {
        let Region { a, out, .. } = self.region;
        // SAFETY: rows, steps and panels are inside of the operands, as the caller promises; the bias has all panels. The
        // output has these rows and columns, which only this region writes.
        unsafe {
            Cell::new(
                (self.region.activations_at(row, self.steps.start), a.strides),
                weights,
                self.steps.len(),
                self.bias.map_or(NO_BIAS.as_ptr(), |bias| bias.as_ptr().add(panel * PANEL)),
                (out.at(row, panel * PANEL), out.strides()),
                (self.add, self.activation),
                fetch,
            )
        }
    }
}

/// A tile of a product: its operands, and what follows the product.
pub(super) struct Cell<W> {
    a: (*const f32, Strides),
    w: (*const W, usize, usize),
    steps: usize,
    bias: *const f32,
    out: (*mut f32, Strides),
    add: bool,
    activation: Option<Activation>,
    fetch: Fetch,
    /// Where the columns are kept as floats; null: nowhere.
    keep: *mut f32,
}

impl<W: Element> Cell<W> {
    /// A tile with the first row's activations and their layout; the first panel's weights and the strides of their steps
    /// and panels; the steps of k; the bias of its panels; the first element of the output and its layout; whether the
    /// sums are added to the output, and the activation of that.
    ///
    /// # Safety
    /// See [`Cell::run`], for the rows and panels with which it is called.
    #[inline(always)]
    pub(super) unsafe fn new(
        a: (*const f32, Strides),
        w: (*const W, usize, usize),
        steps: usize,
        bias: *const f32,
        out: (*mut f32, Strides),
        (add, activation): (bool, Option<Activation>),
        fetch: Fetch,
    ) -> Cell<W> {
        Cell { a, w, steps, bias, out, add, activation, fetch, keep: std::ptr::null_mut() }
    }

    /// This tile, which also keeps its columns as floats: see [`Tile::keeping`].
    ///
    /// # Safety
    /// See [`Tile::keeping`], for the panels with which the tile is run.
    #[inline(always)]
    unsafe fn keeping(self, keep: *mut f32) -> Cell<W> {
        Cell { keep, ..self }
    }

    /// Computes `height` rows by `count` panels, of which `columns` columns exist in the output.
    ///
    /// # Safety
    /// The operands must be readable, whole panels of the weights and of the bias; the rows and columns of the output
    /// must be exclusively accessible.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(&self, s: S, height: usize, count: usize, columns: usize) {
        let ((to, strides), width) = (self.out, count * PANEL);
        // SAFETY: as the caller promises; the buffer holds a whole tile.
        unsafe {
            if columns == width {
                dispatch(s, height, count, &self.operands((to, strides)));
                self.activate(s, height, count, to, strides);
            } else {
                // The last panel is partial: the tile is computed in a buffer and its valid part copied.
                let mut edge = [0.0f32; LARGEST_TILE];
                let (edge, edge_strides) = (edge.as_mut_ptr(), Strides::rows(width));
                let pieces = || {
                    let piece = |c: usize| (c, PANEL.min(columns - c));
                    (0..height).flat_map(move |r| (0..columns).step_by(PANEL).map(move |c| (r, piece(c))))
                };
                if self.add {
                    for (r, (c, len)) in pieces() {
                        let from = to.add(strides.at(r, c));
                        edge.add(edge_strides.at(r, c)).copy_from_nonoverlapping(from, len);
                    }
                }
                dispatch(s, height, count, &self.operands((edge, edge_strides)));
                self.activate(s, height, count, edge, edge_strides);
                for (r, (c, len)) in pieces() {
                    to.add(strides.at(r, c)).copy_from_nonoverlapping(edge.add(edge_strides.at(r, c)), len);
                }
            }
        }
    }

    /// The operands of the register tile with its output at `out`. Inlined, since it is part of every tile.
    ///
    /// # Safety
    /// See [`Cell::run`]; `out` must be writable as [`Tile::new`] says.
    #[inline(always)]
    unsafe fn operands(&self, out: (*mut f32, Strides)) -> Tile<W> {
        // SAFETY: the caller's promise is passed on.
        unsafe { Tile::new(self.a, self.w, self.steps, self.bias, out, self.add, self.fetch).keeping(self.keep) }
    }

    /// Applies the activation to a tile that was just stored and is still in L1.
    ///
    /// # Safety
    /// `rows` rows of `panels` whole panels from `out` on must be writable.
    #[inline(always)]
    unsafe fn activate<S: Simd>(&self, s: S, rows: usize, panels: usize, out: *mut f32, strides: Strides) {
        // A loop for each: in one loop for all, every row would select again and load all constants again.
        macro_rules! apply {
            ($($activation:ident)*) => {
                match self.activation {
                    None => {}
                    $(Some(Activation::$activation) => {
                        for r in 0..rows {
                            for panel in 0..panels {
                                let row = out.wrapping_add(r.wrapping_mul(strides.row()));
                                let row = row.wrapping_add(panel.wrapping_mul(strides.block()));
                                for c in (0..PANEL).step_by(S::LANES) {
                                    // SAFETY: c + LANES ≤ 16, and sixteen floats of every row and panel are writable.
                                    unsafe {
                                        let x = s.load(row.add(c));
                                        s.store(row.add(c), Activation::$activation.apply(s, x));
                                    }
                                }
                            }
                        }
                    })*
                }
            };
        }
        apply!(Gelu GeluTanh QuickGelu Relu Sigmoid);
    }
}

/// Calls the tile with this number of rows and panels.
///
/// # Safety
/// See [`Element::tile`].
#[inline(always)]
unsafe fn dispatch<S: Simd, W: Element>(s: S, rows: usize, panels: usize, tile: &Tile<W>) {
    macro_rules! rows {
        ($vectors:literal: $($n:literal)*) => {
            match rows {
                // SAFETY: the caller's promise is passed on.
                $($n if $n <= S::TILE_ROWS => unsafe {
                    match tile.keeps() {
                        true => W::tile_keeping::<S, $n, $vectors>(s, tile),
                        false => W::tile::<S, $n, $vectors>(s, tile),
                    }
                },)*
                _ => unreachable!("tiles have 1 to {} rows", S::TILE_ROWS),
            }
        };
    }
    match (S::LANES, panels) {
        (16, 2) => rows!(2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (16, _) => rows!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        (8, _) => rows!(2: 1 2 3 4 5 6),
        _ => rows!(4: 1 2 3 4 5 6),
    }
}
