//! A region of a product of integers: tiles of sums in registers, then their scales, bias and activation.

use std::ops::Range;

use super::super::caches;
use super::super::gemm::{A_BLOCK, NO_BIAS};
use super::super::math::Activation;
use super::super::output::Out;
use super::super::simd::{Kernel, MOST_PANELS, MOST_ROWS, QUAD, QUAD_BYTES, QuadFetch, QuadTile, Simd};
use super::rows::Rows;
use super::{Epilogue, Finish, PANEL, Prefetch, Weights, balanced};

/// Some rows by some panels of a product, for the calling thread.
pub(super) struct Region<'a> {
    a: Rows<'a>,
    w: Weights<'a>,
    epilogue: Epilogue<'a>,
    out: Out<'a>,
    rows: Range<usize>,
    panels: Range<usize>,
    prefetch: Option<Prefetch>,
}

/// The sums of a tile.
#[repr(align(64))]
struct Sums([i32; MOST_ROWS * MOST_PANELS * PANEL]);

impl<'a> Region<'a> {
    /// All rows by all panels.
    ///
    /// Panics if a slice is too short for its sizes.
    #[inline(always)]
    pub(super) fn new(a: Rows<'a>, w: Weights<'a>, epilogue: Epilogue<'a>, out: Out<'a>) -> Region<'a> {
        w.check();
        out.check(a.rows(), w.n);
        assert!(epilogue.bias.is_none_or(|bias| bias.len() >= w.panels() * PANEL), "bias shorter than its panels");
        assert_eq!(a.k(), w.k);
        Region { a, w, epilogue, out, rows: 0..a.rows(), panels: 0..w.panels(), prefetch: None }
    }

    /// Only these rows and panels; the last tiles prefetch.
    ///
    /// Panics if the product does not have them.
    #[inline(always)]
    pub(super) fn part(self, rows: Range<usize>, panels: Range<usize>, prefetch: Option<Prefetch>) -> Region<'a> {
        assert!(rows.end <= self.rows.end && panels.end <= self.panels.end, "a part outside of the product");
        Region { rows, panels, prefetch, ..self }
    }

    /// What the sums of the columns of some panels begin with: what the activations have too much makes each sum larger.
    #[inline(always)]
    fn starts(&self, panel: usize, count: usize, offset: u8) -> [i32; MOST_PANELS * PANEL] {
        let mut starts = [0; MOST_PANELS * PANEL];
        let sums = &self.w.sums[panel * PANEL..(panel + count) * PANEL];
        for (start, &sum) in starts.iter_mut().zip(sums) {
            *start = (sum as i32).wrapping_mul(-i32::from(offset));
        }
        starts
    }

    /// The address of the panels that are multiplied after `panel`, and bytes from the first to the second.
    #[inline(always)]
    fn next(&self, panel: usize, rows: &Range<usize>) -> usize {
        match (panel < self.panels.end, self.prefetch) {
            (false, Some(next)) if rows.end == self.rows.end => next.address(),
            (false, _) => self.weights(self.panels.start).addr(),
            (true, _) => self.weights(panel).addr(),
        }
    }

    /// The address of a panel.
    #[inline(always)]
    fn weights(&self, panel: usize) -> *const i8 {
        self.w.data.as_ptr().wrapping_add(panel.wrapping_mul(self.w.panel()))
    }
}

impl Kernel for Region<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let shape = s.quad_shape();
        assert!(shape.rows <= MOST_ROWS && shape.panels <= MOST_PANELS);
        let quads = self.w.k.div_ceil(QUAD);
        let (part, whole) = A_BLOCK;
        let most = caches::l2() / whole * part / self.w.k.max(1);
        let mut sums = Sums([0; MOST_ROWS * MOST_PANELS * PANEL]);
        for rows in balanced(self.rows.clone(), most.max(shape.rows)) {
            let tiles = rows.len().div_ceil(shape.rows);
            let height = rows.len().div_ceil(tiles);
            s.begin_quads(height);
            // Every tile prefetches its part of what comes next.
            let pace = QUAD_BYTES.div_ceil(tiles);
            for panel in self.panels.clone().step_by(shape.panels) {
                let count = shape.panels.min(self.panels.end - panel);
                let starts = self.starts(panel, count, shape.offset);
                let next = self.next(panel + count, &rows);
                for (i, tile) in balanced(rows.clone(), shape.rows).enumerate() {
                    // Where all tiles have the same number of rows, some begin with the last row of the tile before.
                    let begin = if shape.fixed { tile.start.min(rows.end - height) } else { tile.start };
                    let len = if shape.fixed { height } else { tile.len() };
                    let (a, a_stride) = self.a.at(begin);
                    let fetch = QuadFetch { next: next.wrapping_add(i * pace * quads), pace };
                    // SAFETY: rows and panels are inside of the product (`part`), whose weights are as long as their shape
                    // says (`new`), as the rows are; the sums have room for the largest tile.
                    unsafe {
                        s.quads(&QuadTile::new(
                            (a, a_stride, self.a.len()),
                            (self.weights(panel), self.w.panel()),
                            quads,
                            (len, count),
                            starts.as_ptr(),
                            sums.0.as_mut_ptr(),
                            fetch,
                        ));
                    }
                    let sums = &sums.0[(tile.start - begin) * count * PANEL..];
                    // SAFETY: the same, and the output has these rows, which only this region writes.
                    unsafe { self.finish(s, tile, (panel, count), sums) }
                }
            }
        }
        s.end_quads();
    }
}

impl Region<'_> {
    /// Turns the sums of a tile, rows by panels, into elements of the output.
    ///
    /// # Safety
    /// The rows and panels must be inside of the product, whose operands `new` has checked, and this region's to write.
    #[inline(always)]
    unsafe fn finish<S: Simd>(&self, s: S, rows: Range<usize>, (panel, count): (usize, usize), sums: &[i32]) {
        // A loop for each: in one loop for all, every row would select again and load all constants again.
        macro_rules! finish {
            ($($activation:ident)*) => {
                match self.epilogue.finish.activation() {
                    // SAFETY: the caller's promise.
                    None => unsafe { self.finish_with(s, rows, (panel, count), sums, |_, x| x) },
                    $(Some(Activation::$activation) => {
                        // SAFETY: the caller's promise.
                        unsafe {
                            self.finish_with(s, rows, (panel, count), sums, |s, x| {
                                Activation::$activation.apply(s, x)
                            })
                        }
                    })*
                }
            };
        }
        finish!(Gelu GeluTanh QuickGelu Relu Sigmoid);
    }

    /// # Safety
    /// See [`Region::finish`].
    #[inline(always)]
    unsafe fn finish_with<S: Simd>(
        &self,
        s: S,
        rows: Range<usize>,
        (first, count): (usize, usize),
        sums: &[i32],
        activation: impl Fn(S, S::F) -> S::F,
    ) {
        let adds = matches!(self.epilogue.finish, Finish::Accumulate | Finish::AccumulateActivate(_));
        for (r, row) in rows.enumerate() {
            let scale = s.splat(self.a.scale(row));
            for p in 0..count {
                let column = (first + p) * PANEL;
                let columns = PANEL.min(self.w.n - column);
                let to = self.out.at(row, column);
                let mut edge = [0.0f32; PANEL];
                let whole = columns == PANEL;
                // SAFETY: the output has the row and the columns, as the caller promises; the scales and the bias have
                // whole panels, and the sums have the tile.
                unsafe {
                    if !whole && adds {
                        edge.as_mut_ptr().copy_from_nonoverlapping(to, columns);
                    }
                    let at = if whole { to } else { edge.as_mut_ptr() };
                    let bias = self.epilogue.bias.map_or(NO_BIAS.as_ptr(), |bias| bias.as_ptr().add(column));
                    for c in (0..PANEL).step_by(S::LANES) {
                        let sum = s.load_integers(sums.as_ptr().add((r * count + p) * PANEL + c));
                        let scales = s.mul(scale, s.load(self.w.scales.as_ptr().add(column + c)));
                        let mut x = s.mul_add(sum, scales, s.load(bias.add(c)));
                        if adds {
                            x = s.add(x, s.load(at.add(c)));
                        }
                        s.store(at.add(c), activation(s, x));
                    }
                    if !whole {
                        to.copy_from_nonoverlapping(edge.as_ptr(), columns);
                    }
                }
            }
        }
    }
}
