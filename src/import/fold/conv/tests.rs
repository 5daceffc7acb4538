//! Compares folded convolutions with their branches, computed one by one on a map.

use super::super::super::recipes::source::{BatchNorm, Kernel as Weight};
use super::super::tests::{checkpoint, numbers};
use super::*;
use WindowOrder::{ChannelsFirst, ChannelsLast, ColumnsFirst};

const SIDE: usize = 9;

/// A map `[channels, SIDE, SIDE]`.
type Map = Vec<f64>;

/// Tensors by name: shape and values.
type Tensors = Vec<(String, Vec<usize>, Vec<f64>)>;

fn get<'a>(tensors: &'a Tensors, name: &str) -> &'a [f64] {
    &tensors.iter().find(|t| t.0 == name).unwrap().2
}

/// `y[o] = sum w[o][i] * x[group of o]`, with zeros around and the stride.
fn convolve(x: &Map, w: &[f64], [outputs, inputs, height, width]: [usize; 4], stride: usize) -> Map {
    let channels = x.len() / SIDE / SIDE;
    let groups = channels / inputs;
    let side = SIDE.div_ceil(stride);
    let mut y = vec![0.0; outputs * side * side];
    for (o, y) in y.chunks_mut(side * side).enumerate() {
        for (at, y) in y.iter_mut().enumerate() {
            for i in 0..inputs {
                let channel = o / (outputs / groups) * inputs + i;
                for (tap, w) in w[(o * inputs + i) * height * width..][..height * width].iter().enumerate() {
                    let row = (at / side * stride + tap / width).checked_sub(height / 2).filter(|r| *r < SIDE);
                    let column = (at % side * stride + tap % width).checked_sub(width / 2).filter(|c| *c < SIDE);
                    if let (Some(row), Some(column)) = (row, column) {
                        *y += w * x[(channel * SIDE + row) * SIDE + column];
                    }
                }
            }
        }
    }
    y
}

/// `(x - mean) / sqrt(var + eps) * weight + bias`, in that order.
fn normalise(tensors: &Tensors, norm: &BatchNorm, y: &mut Map) {
    let [w, b, m, v] = [&norm.weight, &norm.bias, &norm.mean, &norm.variance].map(|name| get(tensors, name));
    let each = y.len() / w.len();
    for (c, y) in y.chunks_mut(each).enumerate() {
        y.iter_mut().for_each(|y| *y = (*y - m[c]) / (v[c] + 1e-5).sqrt() * w[c] + b[c]);
    }
}

/// The result of the branches, computed one by one.
fn trained(tensors: &Tensors, conv: &Conv, x: &Map, stride: usize) -> Map {
    let mut sum: Map = Vec::new();
    for branch in &conv.branches {
        let mut y = match &branch.weight {
            Some(kernel) => {
                let [height, width] = kernel.sides;
                convolve(x, get(tensors, &kernel.name), [conv.outputs, conv.inputs, height, width], stride)
            }
            None => x.clone(),
        };
        if let Some(bias) = &branch.bias {
            let each = y.len() / conv.outputs;
            for (y, bias) in y.chunks_mut(each).zip(get(tensors, bias)) {
                y.iter_mut().for_each(|y| *y += bias);
            }
        }
        if let Some(norm) = &branch.norm {
            normalise(tensors, norm, &mut y);
        }
        let sign = if branch.negative { -1.0 } else { 1.0 };
        sum.resize(y.len(), 0.0);
        sum.iter_mut().zip(&y).for_each(|(sum, y)| *sum += sign * y);
    }
    if let Some(scale) = &conv.scale {
        let each = sum.len() / conv.outputs;
        for (y, scale) in sum.chunks_mut(each).zip(get(tensors, scale)) {
            y.iter_mut().for_each(|y| *y *= scale);
        }
    }
    if conv.residual {
        sum.iter_mut().zip(x).for_each(|(y, x)| *y += x);
    }
    sum
}

/// A convolution and the tensors of its branches.
struct Made {
    tensors: Tensors,
    conv: Conv,
}

impl Made {
    fn new([outputs, inputs, height, width]: [usize; 4]) -> Self {
        let kernel = [height, width];
        Made {
            tensors: Vec::new(),
            conv: Conv { outputs, inputs, kernel, branches: Vec::new(), scale: None, residual: false },
        }
    }

    fn tensor(&mut self, shape: &[usize], shift: f64) -> String {
        let name = format!("t{}", self.tensors.len());
        let len = shape.iter().product();
        let values = numbers(len, 0.37 + self.tensors.len() as f64 * 0.61).iter().map(|v| v + shift).collect();
        self.tensors.push((name.clone(), shape.to_vec(), values));
        name
    }

    fn norm(&mut self) -> BatchNorm {
        let c = [self.conv.outputs];
        BatchNorm {
            weight: self.tensor(&c, 0.5),
            bias: self.tensor(&c, 0.0),
            mean: self.tensor(&c, 0.1),
            variance: self.tensor(&c, 1.5),
        }
    }

    /// Adds a branch with a kernel of these sides, or without a kernel, and a norm.
    fn branch(mut self, sides: Option<[usize; 2]>, negative: bool) -> Self {
        let weight = sides.map(|[height, width]| {
            let name = self.tensor(&[self.conv.outputs, self.conv.inputs, height, width], 0.0);
            Weight { name, order: Order::OutIn, sides: [height, width] }
        });
        let norm = Some(self.norm());
        self.conv.branches.push(Branch { weight, bias: None, norm, negative });
        self
    }

    fn checkpoint(&self) -> Checkpoint {
        let tensors: Vec<(&str, &[usize], Vec<f64>)> = self
            .tensors
            .iter()
            .map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.clone()))
            .collect();
        checkpoint(&tensors)
    }

    /// Compares the folded kernel with the branches on a map.
    fn check(&self, channels: usize, stride: usize) {
        let Made { tensors, conv } = self;
        let x = numbers(channels * SIDE * SIDE, 0.83);
        let kernel = fold(&self.checkpoint(), conv).unwrap();
        let size = [conv.outputs, conv.inputs, conv.kernel[0], conv.kernel[1]];
        let mut found = convolve(&x, &kernel.weight, size, stride);
        let each = found.len() / conv.outputs;
        for (y, bias) in found.chunks_mut(each).zip(&kernel.bias) {
            y.iter_mut().for_each(|y| *y += bias);
        }
        let wanted = trained(tensors, conv, &x, stride);
        assert_eq!(found.len(), wanted.len());
        let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-12, "{off:e}");
    }
}

#[test]
fn branches_become_one_kernel() {
    // The stem: kernel and 1 x 1 with stride 2; depthwise; 1 x 1 and identity.
    Made::new([5, 3, 3, 3]).branch(Some([3, 3]), false).branch(Some([1, 1]), false).check(3, 2);
    Made::new([5, 1, 3, 3]).branch(Some([3, 3]), false).branch(Some([1, 1]), false).check(5, 2);
    Made::new([5, 5, 1, 1]).branch(Some([1, 1]), false).branch(None, false).check(5, 1);
    // Depthwise with an identity, and with twice the channels.
    Made::new([4, 1, 3, 3]).branch(Some([3, 3]), false).branch(Some([1, 1]), false).branch(None, false).check(4, 1);
    Made::new([8, 1, 3, 3]).branch(Some([3, 3]), false).branch(Some([1, 1]), false).check(4, 1);
    // A small kernel in the centre of a large one.
    Made::new([8, 1, 7, 7]).branch(Some([7, 7]), false).branch(Some([3, 3]), false).check(4, 2);
}

#[test]
fn mixers_include_their_residual() {
    for sides in [[3, 3], [1, 11]] {
        let mut made =
            Made::new([4, 1, sides[0], sides[1]]).branch(Some(sides), false).branch(None, false).branch(None, true);
        made.conv.scale = Some(made.tensor(&[4, 1, 1], 0.2));
        made.conv.residual = true;
        made.check(4, 1);
    }
}

#[test]
fn positions_include_their_residual_and_norms_apply_to_biases() {
    let mut made = Made::new([4, 1, 7, 7]).branch(Some([7, 7]), false);
    made.conv.branches[0].bias = Some(made.tensor(&[4], 0.0));
    made.check(4, 1);
    made.conv.branches[0].norm = None;
    made.conv.residual = true;
    made.check(4, 1);
}

#[test]
fn packs_taps_with_even_outputs_first() {
    let made = Made::new([6, 1, 3, 3]).branch(Some([3, 3]), false);
    let kernel = fold(&made.checkpoint(), &made.conv).unwrap();
    let mut out = vec![f32::NAN; 5];
    for (outputs, order) in [(true, [0, 2, 4, 1, 3, 5]), (false, [0, 1, 2, 3, 4, 5])] {
        let reorder = EvenFirst { inputs: false, outputs };
        let bias = depthwise(&made.checkpoint(), &made.conv, reorder, &mut out).unwrap();
        assert_eq!(out.len(), 9 * 6);
        for (column, o) in order.into_iter().enumerate() {
            assert_eq!(bias[column], kernel.bias[o] as f32);
            for tap in 0..9 {
                assert_eq!(out[tap * 6 + column], kernel.weight[o * 9 + tap] as f32);
            }
        }
    }
}

#[test]
fn packs_panels_in_every_order() {
    let made = Made::new([21, 6, 2, 2]).branch(Some([2, 2]), false);
    let kernel = fold(&made.checkpoint(), &made.conv).unwrap();
    let evens =
        |n: usize| -> Vec<usize> { (0..n).filter(|i| i % 2 == 0).chain((0..n).filter(|i| i % 2 == 1)).collect() };
    for (inputs, outputs, order) in [
        (false, false, ChannelsFirst),
        (true, false, ChannelsFirst),
        (false, true, ChannelsLast),
        (true, true, ChannelsLast),
        (false, false, ColumnsFirst),
        (true, true, ColumnsFirst),
    ] {
        let mut out = vec![f32::NAN; 5];
        let bias = dense(&made.checkpoint(), &made.conv, EvenFirst { inputs, outputs }, order, &mut out).unwrap();
        // Six channels are padded to sixteen.
        let rows = if order == ColumnsFirst { 64 } else { 24 };
        assert_eq!((out.len(), bias.len()), (2 * rows * 16, 32));
        if order == ColumnsFirst {
            let zeros = out.chunks_exact(16).enumerate().filter(|(row, _)| row % 16 >= 6);
            assert!(zeros.flat_map(|(_, row)| row).all(|&weight| weight == 0.0));
        }
        let in_order = if inputs { evens(6) } else { (0..6).collect() };
        let out_order = if outputs { evens(21) } else { (0..21).collect() };
        for column in 0..32 {
            assert_eq!(bias[column], out_order.get(column).map_or(0.0, |&o| kernel.bias[o] as f32));
            for (i, &input) in in_order.iter().enumerate() {
                for tap in 0..4 {
                    let k = match order {
                        ChannelsFirst => i * 4 + tap,
                        ChannelsLast => tap * 6 + i,
                        ColumnsFirst => (tap % 2 * 2 + tap / 2) * 16 + i,
                    };
                    let wanted =
                        out_order.get(column).map_or(0.0, |&o| kernel.weight[(o * 6 + input) * 4 + tap] as f32);
                    assert_eq!(out[(column / 16 * rows + k) * 16 + column % 16], wanted);
                }
            }
        }
    }
}

#[test]
fn a_matrix_of_inputs_first_is_a_convolution_too() {
    let mut made = Made::new([3, 4, 1, 1]);
    let name = made.tensor(&[4, 3], 0.0);
    let weight = Some(Weight { name: name.clone(), order: Order::InOut, sides: [1, 1] });
    made.conv.branches.push(Branch { weight, bias: None, norm: None, negative: false });
    let kernel = fold(&made.checkpoint(), &made.conv).unwrap();
    let matrix = get(&made.tensors, &name);
    for o in 0..3 {
        for i in 0..4 {
            assert_eq!(kernel.weight[o * 4 + i], matrix[i * 3 + o]);
        }
    }
}

#[test]
fn what_cannot_be_folded_is_refused_by_name() {
    let mut made = Made::new([4, 1, 3, 3]).branch(Some([3, 3]), false);
    let error = |made: &Made| {
        depthwise(&made.checkpoint(), &made.conv, EvenFirst::default(), &mut Vec::new()).unwrap_err().to_string()
    };
    let variance = made.conv.branches[0].norm.as_ref().unwrap().variance.clone();
    let at = made.tensors.iter().position(|t| t.0 == variance).unwrap();
    made.tensors[at].2[2] = -1.0;
    assert_eq!(error(&made), format!("made: tensor `{variance}` holds -1; a variance must not be negative"));
    made.tensors[at].2[2] = 1.0;
    made.tensors[0].2[5] = 1e39;
    assert!(error(&made).contains("made: tensor `t0` gives values beyond the range of f32"), "{}", error(&made));
    made.tensors[0].2[5] = f64::NAN;
    assert!(error(&made).contains("made: tensor `t0` holds NaN at element 5"), "{}", error(&made));
}
