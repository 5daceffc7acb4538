//! Every way to a result against the plain ranking in float64.

use proptest::prelude::*;

use super::*;
use crate::cancel::CancelToken;

/// The ranking that every search must give: sums in the order of the index, ties by number.
pub(super) fn naive(vectors: &[f32], dim: usize, query: &[f32], k: usize, allowed: impl Fn(usize) -> bool) -> Vec<Hit> {
    let score = |row: &[f32]| row.iter().zip(query).fold(0.0, |sum, (&a, &b)| sum + f64::from(a) * f64::from(b));
    let rows = vectors.chunks_exact(dim).enumerate().filter(|&(row, _)| allowed(row));
    let mut hits: Vec<Hit> = rows.map(|(row, values)| Hit { row, score: score(values) }).collect();
    hits.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.row.cmp(&b.row)));
    hits.truncate(k);
    hits
}

/// Numbers from −1 to 1.
pub(super) fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

pub(super) fn unit_rows(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut noise = noise(seed);
    let mut vectors: Vec<f32> = (0..rows * dim).map(|_| noise() + noise() + noise()).collect();
    for row in vectors.chunks_exact_mut(dim) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }
    vectors
}

/// Compares all ways for each query.
fn check(vectors: &[f32], dim: usize, queries: &[f32], k: usize) {
    let quantised = Quantised::new(vectors, dim, &Options::new()).unwrap();
    let rows = vectors.len() / dim;
    let expected: Vec<_> = queries.chunks_exact(dim).map(|query| naive(vectors, dim, query, k, |_| true)).collect();
    for threads in [1, 3] {
        let options = Options::new().threads(&Threads::new(threads));
        assert_eq!(top_k(vectors, dim, queries, k, &options).unwrap(), expected, "without codes");
        assert_eq!(quantised.rows().top_k(queries, k, &options).unwrap(), expected, "with codes");
    }
    // Each third row, as a list and as a mask.
    let list: Vec<u32> = (0..rows as u32).filter(|row| row % 3 == 1).collect();
    let mut mask = vec![0; rows.div_ceil(64)];
    list.iter().for_each(|&row| mask[row as usize / 64] |= 1 << (row % 64));
    let expected: Vec<_> =
        queries.chunks_exact(dim).map(|query| naive(vectors, dim, query, k, |row| row % 3 == 1)).collect();
    for options in [Options::new().only(&list), Options::new().mask(&mask)] {
        assert_eq!(top_k(vectors, dim, queries, k, &options).unwrap(), expected);
        assert_eq!(quantised.rows().top_k(queries, k, &options).unwrap(), expected);
    }
}

#[test]
fn results_are_those_of_the_plain_ranking() {
    for (rows, dim, k) in [(0, 5, 3), (1, 1, 1), (10, 3, 20), (300, 17, 10), (5000, 64, 7), (4000, 100, 4000)] {
        let vectors = unit_rows(rows, dim, 1);
        check(&vectors, dim, &unit_rows(9, dim, 2), k);
    }
}

#[test]
fn many_rows_are_filtered_by_codes_as_well() {
    let (rows, dim) = (20_000, 24);
    check(&unit_rows(rows, dim, 3), dim, &unit_rows(3, dim, 4), 15);
}

#[test]
fn equal_rows_are_in_the_order_of_their_numbers() {
    let dim = 20;
    let one = unit_rows(1, dim, 5);
    let vectors = one.repeat(6000);
    check(&vectors, dim, &unit_rows(2, dim, 6), 10);
    check(&vec![0.0; 6000 * dim], dim, &unit_rows(2, dim, 6), 10);
    check(&vectors, dim, &vec![0.0; dim], 10);
}

#[test]
fn magnitudes_of_all_kinds_are_ranked() {
    let dim = 33;
    for (small, large) in [(1e-45, 1e-40), (1e-30, 1e30), (1.0, 3.4e38), (1e-38, 1e-3), (3e38, 3.4e38)] {
        let mut noise = noise(7);
        let vectors: Vec<f32> =
            (0..3000 * dim).map(|i| if i / dim % 3 == 0 { noise() * large } else { noise() * small }).collect();
        for size in [1e-45, 1e-20, 1.0, 3.4e38] {
            let query: Vec<f32> = (0..dim).map(|_| noise() * size).collect();
            check(&vectors, dim, &query, 12);
        }
    }
}

#[test]
fn vectors_with_a_common_part_and_with_outliers_are_ranked() {
    let dim = 50;
    let mut vectors = unit_rows(3000, dim, 8);
    for row in vectors.chunks_exact_mut(dim) {
        row[13] += 5.0;
    }
    check(&vectors, dim, &unit_rows(4, dim, 9), 10);
    // Ascending order of scores: every row is the best so far.
    let rising: Vec<f32> = (0..30_000).map(|row| row as f32 / 30_000.0).collect();
    check(&rising, 1, &[1.0, -1.0], 5);
}

#[test]
fn statistics_are_those_of_all_scores() {
    let (rows, dim) = (20_000, 96);
    let vectors = unit_rows(rows, dim, 10);
    let query = unit_rows(1, dim, 11);
    let quantised = Quantised::new(&vectors, dim, &Options::new()).unwrap();
    let scores = quantised.rows().scores(&query, &Options::new()).unwrap();
    assert_eq!(scores.len(), rows);
    let mean = scores.iter().sum::<f64>() / rows as f64;
    let deviation = (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / rows as f64).sqrt();
    let mut all = Vec::new();
    for threads in [1, 2, 5] {
        let options = Options::new().threads(&Threads::new(threads));
        let scan = quantised.rows().search(&query, 3, &options).unwrap().remove(0);
        assert!((scan.mean - mean).abs() < 1e-4 && (scan.deviation - deviation).abs() < 1e-4, "{scan:?} {mean}");
        assert_eq!((scan.looked_at, scan.hits[0].score), (rows, scores[scan.hits[0].row]));
        assert!(scan.rescored < rows / 20, "{}", scan.rescored);
        all.push((scan.mean.to_bits(), scan.deviation.to_bits()));
    }
    assert_eq!(all, vec![all[0]; 3], "statistics do not depend on the threads");
    let plain = Rows::new(&vectors, dim).unwrap().search(&query, 3, &Options::new()).unwrap().remove(0);
    assert!((plain.mean - mean).abs() < 1e-6 && (plain.deviation - deviation).abs() < 1e-6);
    let list = [5, 700];
    let few = quantised.rows().search(&query, 3, &Options::new().only(&list)).unwrap().remove(0);
    assert_eq!((few.looked_at, few.hits.len(), few.mean), (2, 2, (scores[5] + scores[700]) / 2.0));
    assert_eq!(quantised.rows().scores(&query, &Options::new().only(&list)).unwrap(), [scores[5], scores[700]]);
}

#[test]
fn a_minimum_score_ends_the_list() {
    let (rows, dim) = (6000, 30);
    let vectors = unit_rows(rows, dim, 12);
    let query = unit_rows(1, dim, 13);
    let all = naive(&vectors, dim, &query, rows, |_| true);
    let quantised = Quantised::new(&vectors, dim, &Options::new()).unwrap();
    for count in [0, 1, 40, 3000] {
        // The score of the last that belongs: the bound itself is included.
        let least = if count == 0 { 2.0 } else { all[count - 1].score };
        let options = Options::new().min_score(least);
        assert_eq!(quantised.rows().top_k(&query, rows, &options).unwrap()[0], all[..count]);
        assert_eq!(top_k(&vectors, dim, &query, rows, &options).unwrap()[0], all[..count]);
        assert_eq!(quantised.rows().top_k(&query, 20, &options).unwrap()[0], all[..count.min(20)]);
    }
    assert!(quantised.rows().top_k(&query, 0, &Options::new()).unwrap()[0].is_empty());
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let dim = 7;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut vectors = unit_rows(2000, dim, 14);
        vectors[1500 * dim + 6] = bad;
        let expected = Error::NotFinite { what: "row", row: 1500 };
        assert_eq!(Quantised::new(&vectors, dim, &Options::new()).unwrap_err(), expected);
        assert_eq!(top_k(&vectors, dim, &[1.0; 7], 5, &Options::new()).unwrap_err(), expected);
        assert_eq!(top_k(&vectors, dim, &[1.0; 7], 5, &Options::new().only(&[3, 1500])).unwrap_err(), expected);
        // Rows that are not looked at do not matter.
        assert!(top_k(&vectors, dim, &[1.0; 7], 5, &Options::new().only(&[3, 1501])).is_ok());
        let mut queries = [1.0; 14];
        queries[7] = bad;
        let expected = Error::NotFinite { what: "query", row: 1 };
        assert_eq!(top_k(&vectors[..7], dim, &queries, 5, &Options::new()).unwrap_err(), expected);
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let options = Options::new();
    assert_eq!(top_k(&[], 0, &[], 1, &options).unwrap_err(), Error::Dim { dim: 0 });
    assert_eq!(top_k(&[], MAX_DIM + 1, &[], 1, &options).unwrap_err(), Error::Dim { dim: MAX_DIM + 1 });
    let error = top_k(&[1.0; 5], 2, &[1.0; 2], 1, &options).unwrap_err();
    assert_eq!(error.to_string(), "5 values of rows are no whole number of vectors of 2; give [any, 2]");
    assert_eq!(
        top_k(&[1.0; 4], 2, &[1.0; 3], 1, &options).unwrap_err(),
        Error::Shape { what: "queries", len: 3, dim: 2 }
    );
    for (list, row) in [(&[0, 0][..], 0), (&[1, 0], 0), (&[0, 2], 2)] {
        let error = top_k(&[1.0; 4], 2, &[1.0; 2], 1, &options.clone().only(list)).unwrap_err();
        assert_eq!(error, Error::Allowed { row, rows: 2 });
    }
    let error = top_k(&[1.0; 4], 2, &[1.0; 2], 1, &options.clone().mask(&[0, 0])).unwrap_err();
    assert_eq!(error.to_string(), "a mask of 2 words was given for 2 rows, which need 1");
    assert_eq!(top_k(&[1.0; 4], 2, &[], 1, &options).unwrap(), Vec::<Vec<Hit>>::new());
    assert!(top_k(&[1.0; 4], 2, &[1.0; 2], 9, &options.mask(&[!3])).unwrap()[0].is_empty());
}

#[test]
fn a_set_flag_stops_every_call() {
    let vectors = unit_rows(5000, 8, 15);
    let cancel = CancelToken::new();
    let options = Options::new().cancel(&cancel);
    let quantised = Quantised::new(&vectors, 8, &options).unwrap();
    cancel.cancel();
    assert_eq!(top_k(&vectors, 8, &vectors[..8], 1, &options).unwrap_err(), Error::Cancelled);
    assert_eq!(quantised.rows().top_k(&vectors[..8], 1, &options).unwrap_err(), Error::Cancelled);
    assert_eq!(quantised.rows().scores(&vectors[..8], &options).unwrap_err(), Error::Cancelled);
    assert_eq!(Quantised::new(&vectors, 8, &options).unwrap_err(), Error::Cancelled);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bits that are finite numbers, with repetitions, so that there are ties and near ties.
    #[test]
    fn any_finite_vectors_are_ranked(
        dim in 1usize..70,
        bits in prop::collection::vec(any::<u32>(), 1..40),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..900),
        k in 0usize..30,
        narrow in any::<bool>(),
    ) {
        let number = |bits: u32| {
            let bits = if narrow { 0x3f00_0000 | bits & 0x80ff_ffff } else { bits };
            let value = f32::from_bits(bits);
            if value.is_finite() { value } else { 0.0 }
        };
        let numbers: Vec<f32> = bits.into_iter().map(number).collect();
        let rows = picks.len() / dim;
        let values: Vec<f32> = picks.iter().cycle().take((3 * rows + 1) * dim).enumerate()
            .map(|(i, pick)| numbers[(pick.index(numbers.len()) + i / dim / 3) % numbers.len()]).collect();
        let (query, vectors) = values.split_at(dim);
        check(vectors, dim, query, k);
    }
}

/// All pairs by float64 cosines.
fn naive_pairs(vectors: &[f32], dim: usize, threshold: f64, allowed: impl Fn(usize) -> bool) -> Vec<Pair> {
    let rows: Vec<Vec<f64>> = vectors.chunks_exact(dim).map(|row| row.iter().map(|&v| v.into()).collect()).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b);
    let mut pairs = Vec::new();
    for first in (0..rows.len()).filter(|&row| allowed(row)) {
        for second in (first + 1..rows.len()).filter(|&row| allowed(row)) {
            let (a, b) = (&rows[first], &rows[second]);
            let cosine = product(a, b) / (product(a, a).sqrt() * product(b, b).sqrt());
            if cosine >= threshold {
                pairs.push(Pair { first, second, cosine });
            }
        }
    }
    pairs
}

fn check_pairs(vectors: &[f32], dim: usize, threshold: f64) -> usize {
    let quantised = Quantised::new(vectors, dim, &Options::new()).unwrap();
    let expected = naive_pairs(vectors, dim, threshold, |_| true);
    for threads in [1, 3] {
        let options = Options::new().threads(&Threads::new(threads));
        assert_eq!(quantised.rows().pairs(threshold, expected.len(), &options).unwrap(), expected);
    }
    assert_eq!(Rows::new(vectors, dim).unwrap().pairs(threshold, usize::MAX, &Options::new()).unwrap(), expected);
    let list: Vec<u32> = (0..(vectors.len() / dim) as u32).filter(|row| row % 5 < 2).collect();
    let some = naive_pairs(vectors, dim, threshold, |row| row % 5 < 2);
    assert_eq!(quantised.rows().pairs(threshold, usize::MAX, &Options::new().only(&list)).unwrap(), some);
    if let Some(limit) = expected.len().checked_sub(1) {
        let error = quantised.rows().pairs(threshold, limit, &Options::new()).unwrap_err();
        assert_eq!(error, Error::TooManyPairs { limit });
    }
    expected.len()
}

#[test]
fn all_pairs_that_are_alike_are_found() {
    let (rows, dim) = (2500, 20);
    let mut vectors = unit_rows(rows, dim, 16);
    // Copies, scaled copies, near copies and zeros.
    vectors.copy_within(100 * dim..101 * dim, 2400 * dim);
    for i in 0..dim {
        vectors[7 * dim + i] = 1e20 * vectors[2222 * dim + i];
        vectors[8 * dim + i] = 1e-20 * vectors[2222 * dim + i];
        vectors[9 * dim + i] = vectors[3 * dim + i] + if i == 4 { 0.02 } else { 0.0 };
        vectors[600 * dim + i] = 0.0;
        vectors[601 * dim + i] = 0.0;
    }
    assert_eq!(check_pairs(&vectors[..700 * dim], dim, 2.0), 0);
    assert!(check_pairs(&vectors, dim, 0.99) >= 5);
    assert!(check_pairs(&vectors, dim, 0.7) > 100);
    let error = Rows::new(&vectors, dim).unwrap().pairs(0.5, 3, &Options::new()).unwrap_err();
    assert_eq!(error.to_string(), "more than 3 pairs are alike; raise the threshold or the limit");
    // The cosine of each pair is a threshold that includes it.
    let pairs = naive_pairs(&vectors[..300 * dim], dim, 0.6, |_| true);
    assert!(pairs.len() > 3);
    for pair in pairs.iter().step_by(pairs.len() / 3) {
        check_pairs(&vectors[..300 * dim], dim, pair.cosine);
    }
}

#[test]
fn pairs_of_the_whole_and_of_nothing() {
    let one = unit_rows(1, 16, 17).repeat(60);
    assert_eq!(check_pairs(&one, 16, 0.999), 60 * 59 / 2);
    assert_eq!(check_pairs(&[], 16, 0.5), 0);
    assert_eq!(check_pairs(&unit_rows(1, 16, 18), 16, -1.0), 0);
    assert_eq!(check_pairs(&unit_rows(40, 3, 19), 3, -2.0), 40 * 39 / 2);
}
