//! Products of 8-bit codes with 16-bit queries.

use super::super::isa::Isa;
use super::super::simd::integers::{IntegerKernel, Integers, WORDS_ALIGN};
use super::QUERIES;

/// Rows by which prefetches are ahead. Of 100,000 rows of 512 codes, on one core of a Zen 4 with other work, a query took
/// 9.6 ms of processor time without prefetches, 2.5 with four rows and 3.1 with eight.
const AHEAD: usize = 4;

/// Writes the product of each row of `codes` that `rows` lists with each of the queries, modulo 2³², to `out`.
///
/// `codes` is [any][stride], `queries` [1 to 8][stride], `out` [queries][rows]; the stride is a multiple of 64. The
/// values of queries are −32767 to 32767.
pub(crate) fn code_products(isa: Isa, codes: &[i8], stride: usize, rows: &[u32], queries: &[i16], out: &mut [i32]) {
    assert!(stride > 0 && stride.is_multiple_of(WORDS_ALIGN), "the stride is a multiple of {WORDS_ALIGN}");
    let count = queries.len() / stride;
    assert!((1..=QUERIES).contains(&count) && queries.len() == count * stride, "one to {QUERIES} whole queries");
    assert_eq!(out.len(), count * rows.len(), "a product for each row and query");
    // One comparison a row: nothing beside the row itself.
    let stored = codes.len() / stride;
    let last = rows.iter().copied().max().map_or(0, |row| row as usize + 1);
    assert!(last <= stored, "row {last} of {stored}");
    isa.run_integers(Products { codes, stride, rows, queries, count, out });
}

struct Products<'a> {
    codes: &'a [i8],
    stride: usize,
    rows: &'a [u32],
    queries: &'a [i16],
    count: usize,
    out: &'a mut [i32],
}

impl IntegerKernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn call<I: Integers>(self, set: I) {
        match self.count {
            1 => self.all::<I, 1>(set),
            2 => self.all::<I, 2>(set),
            3 => self.all::<I, 3>(set),
            4 => self.all::<I, 4>(set),
            5 => self.all::<I, 5>(set),
            6 => self.all::<I, 6>(set),
            7 => self.all::<I, 7>(set),
            _ => self.all::<I, 8>(set),
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    fn all<I: Integers, const Q: usize>(self, set: I) {
        match I::ROWS[usize::from(Q > 4)] {
            4 => self.by_rows::<I, Q, 4>(set),
            2 => self.by_rows::<I, Q, 2>(set),
            _ => self.by_rows::<I, Q, 1>(set),
        }
    }

    /// `R` rows at once, so that a vector of a query is read once for all of them.
    #[inline(always)]
    fn by_rows<I: Integers, const Q: usize, const R: usize>(self, set: I) {
        let Products { codes, stride, rows, queries, out, .. } = self;
        let last = rows.len().saturating_sub(1);
        let groups = rows.chunks_exact(R);
        let rest = rows.len() - groups.remainder().len();
        for (i, group) in groups.enumerate() {
            for j in 0..R {
                let ahead = rows[(i * R + j + AHEAD).min(last)] as usize;
                set.prefetch(&codes[ahead * stride..][..stride]);
            }
            let sums = sums::<I, Q, R>(set, codes, stride, group, queries);
            store::<I, Q, R>(set, sums, &mut out[i * R..], rows.len());
        }
        for (i, row) in rows.iter().enumerate().skip(rest) {
            let sums = sums::<I, Q, 1>(set, codes, stride, std::slice::from_ref(row), queries);
            store::<I, Q, 1>(set, sums, &mut out[i..], rows.len());
        }
    }
}

/// The sums of `R` rows with `Q` queries, which the caller has checked to exist. Offsets wrap instead of being checked,
/// because this is the innermost loop.
#[inline(always)]
fn sums<I: Integers, const Q: usize, const R: usize>(
    set: I,
    codes: &[i8],
    stride: usize,
    rows: &[u32],
    queries: &[i16],
) -> [[I::Sums; R]; Q] {
    let mut sums = [[set.zero(); R]; Q];
    let mut starts = [codes.as_ptr(); R];
    for (start, &row) in starts.iter_mut().zip(rows) {
        *start = start.wrapping_add((row as usize).wrapping_mul(stride));
    }
    let mut at = 0;
    while at < stride {
        // SAFETY: the rows are inside of `codes` (asserted by `code_products`), and the vectors inside of the rows,
        // because the stride is a multiple of the vector's length.
        let mut words = [unsafe { set.widen(starts[0].wrapping_add(at)) }; R];
        // Loops with indices, which are unrolled: through iterators, the vectors go through memory.
        let mut r = 1;
        while r < R {
            // SAFETY: as above.
            words[r] = unsafe { set.widen(starts[r].wrapping_add(at)) };
            r += 1;
        }
        for (q, sums) in sums.iter_mut().enumerate() {
            // SAFETY: there are `Q` queries of `stride` words (asserted by `code_products`).
            let query =
                unsafe { set.load_words(queries.as_ptr().wrapping_add(q.wrapping_mul(stride).wrapping_add(at))) };
            for (sum, words) in sums.iter_mut().zip(words) {
                *sum = set.add_products(*sum, words, query);
            }
        }
        at = at.wrapping_add(I::WORDS);
    }
    sums
}

/// Writes the totals of `R` rows to the front of each query's `stride` products.
#[inline(always)]
fn store<I: Integers, const Q: usize, const R: usize>(set: I, sums: [[I::Sums; R]; Q], out: &mut [i32], stride: usize) {
    if R == 4 {
        for (q, sums) in sums.iter().enumerate() {
            let totals = set.totals([sums[0], sums[1 % R], sums[2 % R], sums[3 % R]]);
            out[q * stride..][..4].copy_from_slice(&totals);
        }
        return;
    }
    // Four totals of different queries and rows at once; the last ones may come twice.
    let count = Q * R;
    let mut i = 0;
    while i < count {
        let place = |j: usize| ((i + j).min(count - 1) / R, (i + j).min(count - 1) % R);
        let sum = |j: usize| sums[place(j).0][place(j).1];
        let totals = set.totals([sum(0), sum(1), sum(2), sum(3)]);
        for (j, total) in totals.into_iter().enumerate() {
            let (q, r) = place(j);
            out[q * stride + r] = total;
        }
        i += 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u32) -> u32 {
        let mut x = seed.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
        for _ in 0..3 {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
        }
        x
    }

    /// The plain sum, modulo 2³².
    fn reference(codes: &[i8], stride: usize, row: u32, query: &[i16]) -> i32 {
        let row = &codes[row as usize * stride..][..stride];
        row.iter().zip(query).fold(0, |sum: i32, (&c, &q)| sum.wrapping_add(i32::from(c) * i32::from(q)))
    }

    #[test]
    fn every_set_gives_the_exact_products() {
        for stride in [64, 128, 512, 704] {
            // Codes and queries at no aligned address, the ends of their ranges among them.
            let codes: Vec<i8> = (0..1 + 23 * stride as u32)
                .map(|i| match random(i) >> 28 {
                    0 => i8::MIN,
                    1 => i8::MAX,
                    _ => random(i) as i8,
                })
                .collect();
            let words: Vec<i16> = (0..1 + 8 * stride as u32)
                .map(|i| match random(i + 7) >> 28 {
                    0 => -i16::MAX,
                    1 => i16::MAX,
                    _ => (random(i + 7) as i16).max(-i16::MAX),
                })
                .collect();
            let codes = &codes[1..];
            for isa in Isa::available() {
                for count in 1..=8 {
                    for rows in [vec![], vec![22], (0..23).collect(), vec![5, 3, 3, 0, 21], (2..18).collect()] {
                        let queries = &words[1..][..count * stride];
                        let mut out = vec![7; count * rows.len()];
                        code_products(isa, codes, stride, &rows, queries, &mut out);
                        let expected: Vec<i32> = queries
                            .chunks(stride)
                            .flat_map(|query| rows.iter().map(move |&row| reference(codes, stride, row, query)))
                            .collect();
                        assert_eq!(out, expected, "{isa:?} stride {stride}, {count} queries, rows {rows:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn both_versions_of_avx512_give_the_exact_products() {
        #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
        if let Some(token) = crate::kernels::simd::avx512::Avx512::detect() {
            let (stride, rows) = (192, [0, 1, 2, 3, 4]);
            let codes: Vec<i8> = (0..5 * 192).map(|i| random(i) as i8).collect();
            let queries: Vec<i16> = (0..3 * 192).map(|i| (random(i + 99) as i16).max(-i16::MAX)).collect();
            let mut out = vec![0; 15];
            let (codes, rows, queries) = (&codes[..], &rows[..], &queries[..]);
            token.run_integers(Products { codes, stride, rows, queries, count: 3, out: &mut out });
            let expected: Vec<i32> = queries
                .chunks(stride)
                .flat_map(|query| rows.iter().map(move |&row| reference(codes, stride, row, query)))
                .collect();
            assert_eq!(out, expected);
        }
    }

    #[test]
    #[should_panic(expected = "row 3 of 2")]
    fn rows_that_do_not_exist_are_refused() {
        code_products(Isa::available()[0], &[0; 128], 64, &[0, 2], &[0; 64], &mut [0; 2]);
    }
}
