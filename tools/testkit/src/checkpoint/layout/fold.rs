//! The folded form of convolutions that are trained with several branches: one kernel and one bias each.
//!
//! Knows the arithmetic and how both naming schemes distinguish branches; computed in f64 from the trained form's
//! numbers and rounded once. Folds what timm's and Apple's `reparameterize` fold: branches, RepMixer and position
//! convolutions; not the MLPs' and attention's norms, not LayerScale.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::tensor::Tensor;
use super::entry::Entry;

/// `eps` of every BatchNorm.
const EPS: f64 = 1e-5;

/// Names of the parts of a trained module, and of the folded large kernel.
pub struct Names {
    /// The branch with the full kernel.
    pub full: &'static str,
    /// The branch with a 1x1 kernel.
    pub scale: &'static str,
    /// The branch that is only a norm.
    pub identity: &'static str,
    /// The 7x7 branch of a downsampling.
    pub large: &'static str,
    /// The position convolution.
    pub position: &'static str,
    /// A RepMixer's factor per channel.
    pub layer_scale: &'static str,
    /// Name of the folded convolution of a downsampling.
    pub folded_large: &'static str,
}

/// timm's names.
pub const TIMM: Names = Names {
    full: "conv_kxk.0",
    scale: "conv_scale",
    identity: "identity",
    large: "large_conv",
    position: "pos_enc",
    layer_scale: "layer_scale.gamma",
    folded_large: "reparam_conv",
};

/// Apple's names.
pub const APPLE: Names = Names {
    full: "rbr_conv.0",
    scale: "rbr_scale",
    identity: "rbr_skip",
    large: "lkb_origin",
    position: "pe",
    layer_scale: "layer_scale",
    folded_large: "lkb_reparam",
};

/// The 3x3 branch of a downsampling, in both naming schemes.
const SMALL: &str = "small_conv";
const FOLDED: &str = "reparam_conv";

/// `entries` with every trained module replaced by its folded convolution.
pub fn fold(entries: Vec<Entry>, names: &Names) -> Vec<Entry> {
    let mut modules: BTreeMap<String, Parts> = BTreeMap::new();
    let mut order: Vec<Result<Entry, String>> = Vec::new();
    for entry in entries {
        let Some((module, part)) = names.split(&entry.name) else {
            order.push(Ok(entry));
            continue;
        };
        let parts = modules.entry(module.to_owned()).or_insert_with(|| {
            order.push(Err(module.to_owned()));
            Parts::default()
        });
        if let Some(tensor) = entry.tensor() {
            parts.0.insert(part.to_owned(), tensor.clone());
        }
    }
    let folded = |module: String| {
        let (name, convolution) = names.convolution(&modules[&module]);
        let convolution = Arc::new(convolution);
        let shape = convolution.shape;
        [
            Entry::folded(format!("{module}.{name}.weight"), &shape, Arc::clone(&convolution), false),
            Entry::folded(format!("{module}.{name}.bias"), &shape[..1], convolution, true),
        ]
    };
    order
        .into_iter()
        .flat_map(|entry| match entry {
            Ok(entry) => vec![entry],
            Err(module) => folded(module).to_vec(),
        })
        .collect()
}

/// The tensors of a module by their names within it.
#[derive(Default)]
struct Parts(BTreeMap<String, Tensor>);

impl Parts {
    fn get(&self, name: &str) -> Option<Tensor> {
        self.0.get(name).cloned()
    }

    fn norm(&self, name: &str) -> Option<Norm> {
        Some(Norm {
            weight: self.get(&format!("{name}.weight"))?,
            bias: self.get(&format!("{name}.bias"))?,
            mean: self.get(&format!("{name}.running_mean"))?,
            variance: self.get(&format!("{name}.running_var"))?,
        })
    }

    /// A convolution and its norm.
    fn branch(&self, name: &str) -> Option<Branch> {
        let weight = self.get(&format!("{name}.conv.weight"))?;
        Some(Branch { weight: Some(weight), norm: self.norm(&format!("{name}.bn"))? })
    }

    /// Only a norm.
    fn identity(&self, name: &str) -> Option<Branch> {
        Some(Branch { weight: None, norm: self.norm(name)? })
    }
}

impl Names {
    /// The module that a tensor's branch belongs to, and the tensor's name within the module.
    fn split<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        const MIXER: &str = ".token_mixer.";
        if let Some(at) = name.find(MIXER) {
            let (module, part) = (&name[..at + MIXER.len() - 1], &name[at + MIXER.len()..]);
            let folds = part == self.layer_scale || part.starts_with("mixer.") || part.starts_with("norm.");
            return folds.then_some((module, part));
        }
        [self.full, self.scale, self.identity, self.large, SMALL, self.position].iter().find_map(|branch| {
            let at = name.find(&format!(".{branch}."))?;
            Some((&name[..at], &name[at + 1..]))
        })
    }

    /// The folded convolution of a module, and its name within the module.
    fn convolution(&self, parts: &Parts) -> (&'static str, Convolution) {
        let full = |prefix: &str| format!("{prefix}{}", self.full);
        let branches = |prefix: &str| -> Vec<Branch> {
            let convolutions = [self.full, self.scale, self.large, SMALL];
            let convolutions = convolutions.iter().filter_map(|name| parts.branch(&format!("{prefix}{name}")));
            convolutions.chain(parts.identity(&format!("{prefix}{}", self.identity))).collect()
        };
        let shape = |tensor: Option<Tensor>| -> [usize; 4] {
            let tensor = tensor.expect("every trained module has a full kernel");
            tensor.shape.try_into().expect("convolutions have four dimensions")
        };

        if let Some(layer_scale) = parts.get(self.layer_scale) {
            let shape = shape(parts.get(&format!("{}.conv.weight", full("mixer."))));
            let recipe = Recipe::Mixer { layer_scale, mixer: branches("mixer."), norm: branches("norm.") };
            return (FOLDED, Convolution { shape, recipe });
        }
        if let Some(weight) = parts.get(&format!("{}.weight", self.position)) {
            let shape = shape(Some(weight.clone()));
            let bias = parts.get(&format!("{}.bias", self.position)).expect("position convolutions have a bias");
            return (FOLDED, Convolution { shape, recipe: Recipe::Position { weight, bias } });
        }
        let (name, weight) = match parts.get(&format!("{}.conv.weight", self.large)) {
            Some(weight) => (self.folded_large, Some(weight)),
            None => (FOLDED, parts.get(&format!("{}.conv.weight", full("")))),
        };
        (name, Convolution { shape: shape(weight), recipe: Recipe::Sum(branches("")) })
    }
}

/// A convolution folded from several branches.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Outputs, inputs per group, height, width.
    shape: [usize; 4],
    recipe: Recipe,
}

#[derive(Clone, Debug)]
enum Recipe {
    /// The sum of the branches.
    Sum(Vec<Branch>),
    /// The input plus the scaled difference of mixer and norm.
    Mixer { layer_scale: Tensor, mixer: Vec<Branch>, norm: Vec<Branch> },
    /// The input plus a convolution.
    Position { weight: Tensor, bias: Tensor },
}

/// A convolution, or nothing, and the BatchNorm after it.
#[derive(Clone, Debug)]
struct Branch {
    weight: Option<Tensor>,
    norm: Norm,
}

#[derive(Clone, Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

/// Kernel and bias being summed up.
struct Sum {
    shape: [usize; 4],
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Convolution {
    /// The kernel, or the bias.
    pub fn values(&self, seed: u64, bias: bool) -> Vec<f32> {
        let sum = self.sum(seed);
        let values = if bias { sum.bias } else { sum.weight };
        values.into_iter().map(|value| value as f32).collect()
    }

    fn sum(&self, seed: u64) -> Sum {
        let mut sum = Sum::zero(self.shape);
        match &self.recipe {
            Recipe::Sum(branches) => {
                for branch in branches {
                    sum.add(branch, seed, 1.0);
                }
            }
            Recipe::Mixer { layer_scale, mixer, norm } => {
                for (branches, sign) in [(mixer, 1.0), (norm, -1.0)] {
                    for branch in branches {
                        sum.add(branch, seed, sign);
                    }
                }
                sum.scale(&layer_scale.values(seed));
                sum.add_identity(&vec![1.0; self.shape[0]]);
            }
            Recipe::Position { weight, bias } => {
                sum.add_kernel(weight, seed, &vec![1.0; self.shape[0]]);
                sum.bias = bias.values(seed).into_iter().map(f64::from).collect();
                sum.add_identity(&vec![1.0; self.shape[0]]);
            }
        }
        sum
    }
}

impl Sum {
    fn zero(shape: [usize; 4]) -> Self {
        Sum { shape, weight: vec![0.0; shape.iter().product()], bias: vec![0.0; shape[0]] }
    }

    fn add(&mut self, branch: &Branch, seed: u64, sign: f64) {
        let read = |tensor: &Tensor| tensor.values(seed).into_iter().map(f64::from);
        let factors: Vec<f64> = read(&branch.norm.weight)
            .zip(read(&branch.norm.variance))
            .map(|(w, v)| sign * w / (v + EPS).sqrt())
            .collect();
        match &branch.weight {
            Some(weight) => self.add_kernel(weight, seed, &factors),
            None => self.add_identity(&factors),
        }
        let shifts = read(&branch.norm.bias).zip(read(&branch.norm.mean)).zip(&factors);
        for (sum, ((bias, mean), factor)) in self.bias.iter_mut().zip(shifts) {
            *sum += sign * bias - mean * factor;
        }
    }

    /// Adds a kernel, centred, times a factor per output.
    fn add_kernel(&mut self, kernel: &Tensor, seed: u64, factors: &[f64]) {
        let [_, inputs, height, width] = self.shape;
        let (rows, columns) = (kernel.shape[2], kernel.shape[3]);
        let (top, left) = ((height - rows) / 2, (width - columns) / 2);
        for (i, value) in kernel.values(seed).into_iter().enumerate() {
            let (column, rest) = (i % columns, i / columns);
            let (row, rest) = (rest % rows, rest / rows);
            let at = (rest * height + row + top) * width + column + left;
            self.weight[at] += factors[rest / inputs] * f64::from(value);
        }
    }

    /// Adds an identity kernel times a factor per output.
    fn add_identity(&mut self, factors: &[f64]) {
        let [_, inputs, height, width] = self.shape;
        for (output, factor) in factors.iter().enumerate() {
            let at = ((output * inputs + output % inputs) * height + height / 2) * width + width / 2;
            self.weight[at] += factor;
        }
    }

    fn scale(&mut self, factors: &[f32]) {
        let each = self.weight.len() / factors.len();
        for (kernel, factor) in self.weight.chunks_mut(each).zip(factors) {
            kernel.iter_mut().for_each(|value| *value *= f64::from(*factor));
        }
        for (bias, factor) in self.bias.iter_mut().zip(factors) {
            *bias *= f64::from(*factor);
        }
    }
}
