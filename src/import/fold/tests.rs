//! Compares folding with its definition, element by element.

use super::*;
use crate::import::recipes::source::Norm;

/// A safetensors file of f64 tensors.
pub(super) fn checkpoint(tensors: &[(&str, &[usize], Vec<f64>)]) -> Checkpoint {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let info = serde_json::json!({"dtype": "F64", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert((*name).to_owned(), info);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(data);
    Checkpoint::from_bytes(bytes, "made").unwrap()
}

pub(super) fn numbers(n: usize, seed: f64) -> Vec<f64> {
    (0..n).map(|i| ((i as f64 + 1.0) * seed).sin()).collect()
}

fn names(names: &[&str]) -> Names {
    names.iter().map(|&name| name.to_owned()).collect()
}

struct Packed {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Folds into a buffer that is not empty.
fn linear(checkpoint: &Checkpoint, linear: &Linear, fold: Fold<'_>) -> Result<Packed, Error> {
    let mut weight = vec![f32::NAN; 1000];
    let bias = super::linear(checkpoint, linear, fold, &mut weight)?;
    Ok(Packed { weight, bias })
}

fn rows(checkpoint: &Checkpoint, name: &str) -> Result<Vec<f32>, Error> {
    let mut out = vec![f32::NAN; 1000];
    super::rows(checkpoint, name, &mut out).map(|()| out)
}

/// The definition, element by element.
fn plain(
    w: &dyn Fn(usize, usize) -> f64,
    bias: &[f64],
    norm: Option<(&[f64], &[f64])>,
    scale: (usize, f64),
    k: usize,
    n: usize,
) -> (Vec<f32>, Vec<f32>) {
    let factor = |n: usize| if n < scale.0 { scale.1 } else { 1.0 };
    let mut weight = vec![0f32; n.div_ceil(16) * 16 * k];
    let mut out_bias = vec![0f32; n.next_multiple_of(16)];
    for n in 0..n {
        let mut sum = 0.0;
        for i in 0..k {
            let gamma = norm.map_or(1.0, |(gamma, _)| gamma[i]);
            weight[(n / 16 * k + i) * 16 + n % 16] = (gamma * w(i, n) * factor(n)) as f32;
            sum += norm.map_or(0.0, |(_, beta)| beta[i]) * w(i, n);
        }
        out_bias[n] = ((bias.get(n).copied().unwrap_or(0.0) + sum) * factor(n)) as f32;
    }
    (weight, out_bias)
}

#[test]
fn folds_every_size_and_order_like_the_definition() {
    for (k, n) in [(1, 1), (3, 16), (5, 17), (255, 31), (256, 48), (257, 33), (600, 15)] {
        let (w, b) = (numbers(k * n, 0.7), numbers(n, 1.3));
        let (gamma, beta) = (numbers(k, 0.31), numbers(k, 0.17));
        let made = checkpoint(&[
            ("w", &[n, k], w.clone()),
            ("t", &[k, n], w.clone()),
            ("b", &[n], b.clone()),
            ("g.weight", &[k], gamma.clone()),
            ("g.bias", &[k], beta.clone()),
        ]);
        let norm = Affine::Layer(Norm { weight: "g.weight".into(), bias: "g.bias".into() });
        let scale = (n / 3, 0.3);
        let fold = Fold { norm: Some(&norm), scale: Some(scale), ..Fold::default() };

        let out_in = Linear { weight: names(&["w"]), order: Order::OutIn, bias: names(&["b"]), k, n, skip: 0 };
        let packed = linear(&made, &out_in, fold).unwrap();
        let wanted = plain(&|i, j| w[j * k + i], &b, Some((&gamma, &beta)), scale, k, n);
        assert!(packed.weight == wanted.0 && packed.bias == wanted.1, "{k} x {n}");

        let in_out = Linear { weight: names(&["t"]), order: Order::InOut, bias: Names::new(), k, n, skip: 0 };
        let packed = linear(&made, &in_out, Fold::default()).unwrap();
        let wanted = plain(&|i, j| w[i * n + j], &[], None, (0, 1.0), k, n);
        assert!(packed.weight == wanted.0 && packed.bias == wanted.1, "{k} x {n}");
    }
}

/// Compares with norms, LayerScale and the scale of the queries in f64 on one input, step by step.
#[test]
fn folded_layers_compute_what_their_parts_do() {
    let (k, n) = (37, 48);
    let positive = |len: usize, seed: f64| -> Vec<f64> { numbers(len, seed).iter().map(|v| v + 1.5).collect() };
    let [w, gamma, beta, mean, x] = [0.7, 0.31, 0.17, 0.23, 0.53].map(|seed| numbers(n * k, seed));
    let (variance, layer_scale, b) = (positive(k, 0.41), numbers(n, 0.19), numbers(n, 1.3));
    let made = checkpoint(&[
        ("w", &[n, k, 1, 1], w.clone()),
        ("b", &[n], b.clone()),
        ("n.weight", &[k], gamma[..k].to_vec()),
        ("n.bias", &[k], beta[..k].to_vec()),
        ("n.mean", &[k], mean[..k].to_vec()),
        ("n.var", &[k], variance.clone()),
        ("ls", &[n, 1, 1], layer_scale.clone()),
    ]);
    let norm = Affine::Batch(BatchNorm {
        weight: "n.weight".into(),
        bias: "n.bias".into(),
        mean: "n.mean".into(),
        variance: "n.var".into(),
    });
    let layer = Linear { weight: names(&["w"]), order: Order::OutIn, bias: names(&["b"]), k, n, skip: 0 };
    let fold = Fold { norm: Some(&norm), scale: Some((16, 0.25)), layer_scale: Some("ls"), ..Fold::default() };
    let packed = linear(&made, &layer, fold).unwrap();
    for o in 0..n {
        let normed = |i: usize| (x[i] - mean[i]) / (variance[i] + 1e-5).sqrt() * gamma[i] + beta[i];
        let y: f64 = b[o] + (0..k).map(|i| w[o * k + i] * normed(i)).sum::<f64>();
        let wanted = y * layer_scale[o] * if o < 16 { 0.25 } else { 1.0 };
        let weight = |i: usize| f64::from(packed.weight[(o / 16 * k + i) * 16 + o % 16]);
        let found = f64::from(packed.bias[o]) + (0..k).map(|i| weight(i) * x[i]).sum::<f64>();
        assert!((found - wanted).abs() < 2e-6, "{o}: {found} {wanted}");
    }
}

#[test]
fn tables_of_halves_are_recognised() {
    let mut values: Vec<f64> = (0..200_000).map(|i| f64::from(i % 2048) / 1024.0).collect();
    let fits = |values: &[f64]| fits_halves(&checkpoint(&[("t", &[values.len()], values.to_vec())]), "t", 1.0);
    assert!(fits(&values).unwrap());
    for (at, value) in [(0, 1.0 + 2f64.powi(-12)), (199_999, 0.1), (131_072, 65_520.0)] {
        let old = std::mem::replace(&mut values[at], value);
        assert!(!fits(&values).unwrap(), "{value}");
        values[at] = old;
    }
    values[77] = f64::NAN;
    assert!(fits(&values).unwrap_err().to_string().contains("holds NaN at element 77"));
}

#[test]
fn stacked_tensors_are_one_matrix() {
    let (k, rows) = (300, 7);
    let parts: Vec<Vec<f64>> = [0.7, 0.9, 1.1].map(|seed| numbers(k * rows, seed)).to_vec();
    let whole: Vec<f64> = parts.concat();
    let made = checkpoint(&[
        ("q", &[rows, k], parts[0].clone()),
        ("k", &[rows, k], parts[1].clone()),
        ("v", &[rows, k], parts[2].clone()),
        ("all", &[3 * rows, k], whole),
    ]);
    let stacked =
        Linear { weight: names(&["q", "k", "v"]), order: Order::OutIn, bias: Names::new(), k, n: 3 * rows, skip: 0 };
    let single = Linear { weight: names(&["all"]), ..stacked.clone() };
    let (a, b) = (linear(&made, &stacked, Fold::default()), linear(&made, &single, Fold::default()));
    assert_eq!(a.unwrap().weight, b.unwrap().weight);
}

#[test]
fn adds_the_class_to_the_first_position_before_rounding() {
    let tiny = 2f64.powi(-24);
    let made = checkpoint(&[("c", &[2], vec![1.0, 2.0]), ("p", &[3, 2], vec![tiny, tiny, 3.0, 4.0, 5.0, 6.0])]);
    let mut out = vec![f32::NAN; 9];
    image_positions(&made, "c", "p", true, &mut out).unwrap();
    assert_eq!(out, [(1.0 + tiny) as f32, (2.0 + tiny) as f32, 3.0, 4.0, 5.0, 6.0]);
    image_positions(&made, "c", "p", false, &mut out).unwrap();
    assert_eq!(out, [1.0, 2.0, tiny as f32, tiny as f32, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn numbers_that_are_not_finite_or_do_not_fit_are_refused_by_name() {
    let values = |at: usize, bad: f64| {
        let mut values = numbers(40 * 300, 0.7);
        values[at] = bad;
        values
    };
    let lin = Linear { weight: names(&["w"]), order: Order::OutIn, bias: Names::new(), k: 300, n: 40, skip: 0 };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let made = checkpoint(&[("w", &[40, 300], values(39 * 300 + 299, bad))]);
        let error = linear(&made, &lin, Fold::default()).err().unwrap().to_string();
        let wanted = format!("made: tensor `w` holds {bad} at element 11999; weights must be finite");
        assert_eq!(error, wanted);
        assert_eq!(rows(&made, "w").unwrap_err().to_string(), wanted);
    }
    let made = checkpoint(&[("w", &[40, 300], values(700, 1e39))]);
    assert!(linear(&made, &lin, Fold::default()).err().unwrap().to_string().contains("beyond the range of f32"));
    assert!(rows(&made, "w").unwrap_err().to_string().contains("beyond the range of f32"));
}

/// A power of two keeps halves exact, unless they leave the range.
#[test]
fn a_scaled_table_is_stored_in_halves_where_it_fits() {
    let values: Vec<f64> = (0..4096).map(|i| f64::from(i % 2048) / 1024.0).collect();
    let made = checkpoint(&[("t", &[64, 64], values.clone()), ("large", &[1], vec![2048.0])]);
    assert!(fits_halves(&made, "t", 32.0).unwrap() && !fits_halves(&made, "t", 40f64.sqrt()).unwrap());
    assert!(fits_halves(&made, "large", 1.0).unwrap() && !fits_halves(&made, "large", 32.0).unwrap());
    let mut out = vec![f32::NAN; 7];
    scaled_rows(&made, "t", 32.0, &mut out).unwrap();
    assert!(out.iter().zip(&values).all(|(&out, value)| f64::from(out) == 32.0 * value) && out.len() == 4096);
}

#[test]
fn positions_are_taken_from_a_row_on_or_computed() {
    let tiny = 2f64.powi(-24);
    let rows = (0..5).flat_map(|i| [f64::from(i), 1.0]).collect();
    let made = checkpoint(&[("p", &[5, 2], rows), ("type", &[1, 2], vec![10.0, tiny])]);
    let mut out = vec![f32::NAN; 9];
    biased_positions(&made, "p", 2..4, "type", &mut out).unwrap();
    assert_eq!(out, [12.0, (1.0 + tiny) as f32, 13.0, (1.0 + tiny) as f32]);

    sinusoids(&made, 2..4, 5, &mut out).unwrap();
    let row = |p: f64| [p.sin(), (p * 1e-4).sin(), p.cos(), (p * 1e-4).cos(), 0.0].map(|x| x as f32);
    assert_eq!(out, [row(2.0), row(3.0)].concat());
    assert!(sinusoids(&made, 2..4, 3, &mut out).unwrap_err().to_string().contains("width of 3"));
}

/// Queries and keys of two heads of six channels; values; each stored output is one of the checkpoint.
#[test]
fn heads_in_pairs_have_their_even_channels_first() {
    let (k, n) = (3, 36);
    let (w, b) = (numbers(k * n, 0.7), numbers(n, 0.3));
    let turned: Vec<f64> = (0..k * n).map(|i| w[i % n * k + i / n]).collect();
    let file = checkpoint(&[("w", &[n, k], w), ("t", &[k, n], turned), ("b", &[n], b)]);
    let packed = |weight: &str, order, outputs| {
        let source = Linear { weight: names(&[weight]), order, bias: names(&["b"]), k, n, skip: 0 };
        let packed = linear(&file, &source, Fold { outputs, scale: Some((12, 0.5)), ..Fold::default() }).unwrap();
        (crate::weights::internals::unpack_panels(&packed.weight, k, n), packed.bias)
    };
    let (plain, plain_bias) = packed("w", Order::OutIn, Outputs::Same);
    let head = [0, 2, 4, 1, 3, 5];
    for (weight, order) in [("w", Order::OutIn), ("t", Order::InOut)] {
        let (pairs, bias) = packed(weight, order, Outputs::InPairs(6));
        for output in 0..n {
            let source = if output < 24 { output / 6 * 6 + head[output % 6] } else { output };
            assert_eq!(bias[output], plain_bias[source], "{order:?} {output}");
            for input in 0..k {
                assert_eq!(pairs[input * n + output], plain[input * n + source], "{order:?} {output} {input}");
            }
        }
    }
}
