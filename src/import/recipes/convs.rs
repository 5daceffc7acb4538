//! Convolutions of MobileCLIP's towers, in several branches as trained or folded into one, under the names of timm or
//! of Apple's `ml-mobileclip`.
//!
//! Knows the names of the parts of a convolution, not which convolutions a model has.

use super::names::Checklist;
use super::source::{BatchNorm, Branch, Conv, Kernel, Linear, Order};

/// Names of the parts of a convolution.
pub(super) struct PartNames {
    /// The branch with the full kernel.
    pub full: &'static str,
    /// The branch with a 1 x 1 kernel.
    pub scale: &'static str,
    /// The branch that is only a norm.
    pub identity: &'static str,
    /// The branch of a downsampling with the full kernel.
    pub large: &'static str,
    /// The convolution that adds positions.
    pub position: &'static str,
    /// The MLP after a convolution.
    pub mlp: &'static str,
    /// Suffix of a factor per channel.
    pub gamma: &'static str,
    /// A downsampling's folded convolution.
    pub folded_large: &'static str,
}

pub(super) const TIMM: PartNames = PartNames {
    full: "conv_kxk.0",
    scale: "conv_scale",
    identity: "identity",
    large: "large_conv",
    position: "pos_enc",
    mlp: "mlp",
    gamma: ".gamma",
    folded_large: FOLDED,
};

pub(super) const APPLE: PartNames = PartNames {
    full: "rbr_conv.0",
    scale: "rbr_scale",
    identity: "rbr_skip",
    large: "lkb_origin",
    position: "pe",
    mlp: "convffn",
    gamma: "",
    folded_large: "lkb_reparam",
};

/// The 3 x 3 branch of a downsampling, in both naming schemes.
const SMALL: &str = "small_conv";
/// Any other folded convolution, in both naming schemes.
const FOLDED: &str = "reparam_conv";

/// Takes convolutions from a checklist. A checkpoint is either folded throughout or not at all.
pub(super) struct Convs<'t, 'a> {
    pub names: &'t mut Checklist<'a>,
    pub part_names: &'static PartNames,
    pub folded: bool,
}

/// Sizes of a convolution: outputs, inputs per output, height and width of the kernel.
pub(super) type Size = [usize; 4];

impl<'t, 'a> Convs<'t, 'a> {
    /// The checkpoint counts as folded if the module `first` is.
    pub(super) fn new(names: &'t mut Checklist<'a>, part_names: &'static PartNames, first: &str) -> Self {
        let folded = names.has_prefix(&format!("{first}.{FOLDED}."));
        Convs { names, part_names, folded }
    }

    /// Name of the weight of a convolution with the branches of [`Convs::branches`].
    pub(super) fn full_weight(&self, module: &str) -> String {
        match self.folded {
            true => format!("{module}.{FOLDED}.weight"),
            false => format!("{module}.{}.conv.weight", self.part_names.full),
        }
    }

    /// A convolution with a full kernel and, if requested, a 1 x 1 branch and a branch that is only a norm.
    pub(super) fn branches(&mut self, module: &str, size: Size, scale: bool, identity: bool) -> Conv {
        if self.folded {
            return self.biased(&format!("{module}.{FOLDED}"), size);
        }
        let branches = self.take_branches(module, size, scale, identity);
        conv(size, branches)
    }

    fn take_branches(&mut self, module: &str, size: Size, scale: bool, identity: bool) -> Vec<Branch> {
        let part_names = self.part_names;
        let [outputs, inputs, ..] = size;
        let mut branches = vec![self.normed(&format!("{module}.{}", part_names.full), "bn", size)];
        if scale {
            branches.push(self.normed(&format!("{module}.{}", part_names.scale), "bn", [outputs, inputs, 1, 1]));
        }
        if identity {
            branches.push(self.identity(&format!("{module}.{}", part_names.identity), outputs));
        }
        branches
    }

    /// The convolution of a downsampling: a large kernel and a small one in its centre.
    pub(super) fn large(&mut self, module: &str, size: Size) -> Conv {
        let part_names = self.part_names;
        if self.folded {
            return self.biased(&format!("{module}.{}", part_names.folded_large), size);
        }
        let [outputs, inputs, ..] = size;
        let large = self.normed(&format!("{module}.{}", part_names.large), "bn", size);
        let small = self.normed(&format!("{module}.{SMALL}"), "bn", [outputs, inputs, 3, 3]);
        conv(size, vec![large, small])
    }

    /// A token mixer: `x + scale * (mixer(x) - norm(x))`.
    pub(super) fn mixer(&mut self, module: &str, size: Size, scale: bool) -> Conv {
        if self.folded {
            return self.biased(&format!("{module}.{FOLDED}"), size);
        }
        let mut branches = self.take_branches(&format!("{module}.mixer"), size, scale, true);
        let norm = self.identity(&format!("{module}.norm.{}", self.part_names.identity), size[0]);
        branches.push(Branch { negative: true, ..norm });
        let factor = self.factor(&format!("{module}.layer_scale"), size[0]);
        Conv { scale: Some(factor), residual: true, ..conv(size, branches) }
    }

    /// A convolution that adds positions to its input.
    pub(super) fn position(&mut self, module: &str, size: Size) -> Conv {
        if self.folded {
            return self.biased(&format!("{module}.{FOLDED}"), size);
        }
        let name = format!("{module}.{}", self.part_names.position);
        Conv { residual: true, ..self.biased(&name, size) }
    }

    /// A convolution with a bias.
    pub(super) fn biased(&mut self, name: &str, size: Size) -> Conv {
        let weight = self.kernel(format!("{name}.weight"), size);
        let bias = Some(self.names.take(format!("{name}.bias"), &size[..1]));
        conv(size, vec![Branch { weight: Some(weight), bias, norm: None, negative: false }])
    }

    /// A convolution without bias, `{name}.conv`, and the BatchNorm after it, `{name}.{norm}`.
    pub(super) fn normed(&mut self, name: &str, norm: &str, size: Size) -> Branch {
        let weight = self.kernel(format!("{name}.conv.weight"), size);
        let norm = self.batch_norm(&format!("{name}.{norm}"), size[0]);
        Branch { weight: Some(weight), bias: None, norm: Some(norm), negative: false }
    }

    fn kernel(&mut self, name: String, size: Size) -> Kernel {
        let [.., height, width] = size;
        Kernel { name: self.names.take(name, &size), order: Order::OutIn, sides: [height, width] }
    }

    fn identity(&mut self, name: &str, channels: usize) -> Branch {
        let norm = Some(self.batch_norm(name, channels));
        Branch { weight: None, bias: None, norm, negative: false }
    }

    pub(super) fn batch_norm(&mut self, name: &str, channels: usize) -> BatchNorm {
        batch_norm(self.names, name, channels)
    }

    /// A factor per channel.
    pub(super) fn factor(&mut self, name: &str, channels: usize) -> String {
        self.names.take(format!("{name}{}", self.part_names.gamma), &[channels, 1, 1])
    }

    /// Hidden channels of the MLP of the block `name`.
    pub(super) fn probe_mlp(&mut self, name: &str, channels: usize) -> usize {
        let weight = format!("{name}.{}.fc1.weight", self.part_names.mlp);
        let [hidden, ..] = self.names.probe(&weight, [0, channels, 1, 1]);
        hidden
    }

    /// The depthwise convolution of the MLP of the block `name`.
    pub(super) fn mlp_conv(&mut self, name: &str, size: Size) -> Conv {
        let branch = self.normed(&format!("{name}.{}.conv", self.part_names.mlp), "bn", size);
        conv(size, vec![branch])
    }

    /// A linear layer of the MLP of the block `name`.
    pub(super) fn mlp_linear(&mut self, name: &str, layer: &str, k: usize, n: usize) -> Linear {
        self.pointwise(&format!("{name}.{}.{layer}", self.part_names.mlp), k, n)
    }

    /// A linear layer stored as a convolution of 1 x 1.
    fn pointwise(&mut self, name: &str, k: usize, n: usize) -> Linear {
        Linear {
            weight: vec![self.names.take(format!("{name}.weight"), &[n, k, 1, 1])],
            order: Order::OutIn,
            bias: vec![self.names.take(format!("{name}.bias"), &[n])],
            k,
            n,
            skip: 0,
        }
    }
}

/// Takes a BatchNorm.
pub(super) fn batch_norm(names: &mut Checklist<'_>, name: &str, channels: usize) -> BatchNorm {
    let mut take = |part: &str| names.take(format!("{name}.{part}"), &[channels]);
    BatchNorm { weight: take("weight"), bias: take("bias"), mean: take("running_mean"), variance: take("running_var") }
}

/// The sum of `branches`.
pub(super) fn conv([outputs, inputs, height, width]: Size, branches: Vec<Branch>) -> Conv {
    Conv { outputs, inputs, kernel: [height, width], branches, scale: None, residual: false }
}
