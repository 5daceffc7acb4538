//! The shapes with which the models call the kernels.
//!
//! Sizes are those of one image of 224 (ViT, ResNet) or 256 pixels (MobileCLIP), or of one text.

use clippie_rs::Isa;
use clippie_rs::internals::{self, After, Kernel, Layout, Probe};

/// A kernel with a shape.
pub struct Case {
    pub name: String,
    /// Makes the probe for an instruction set.
    pub probe: Box<dyn Fn(Isa) -> Probe>,
    /// Largest difference from the portable result, relative to the largest number in it.
    pub tolerance: f32,
}

/// Far above the rounding of chains of 3072 products (1e-6), far below the effect of one missing product.
const TOLERANCE: f32 = 2e-5;

/// Of two products of integers with floats in between: rounding decides about integers that lie between two.
const TOLERANCE_OF_INTEGERS: f32 = 5e-3;

/// Cases of one kind.
pub type Group = (&'static str, Vec<Case>);

/// Channels of the stages of the FastViT towers that are measured.
const MOBILECLIP: [(&str, [usize; 4]); 2] =
    [("mobileclip2-s0", [64, 128, 256, 512]), ("mobileclip-s2", [80, 160, 320, 640])];

/// Side of the maps in the stages of a FastViT tower.
const SIDES: [usize; 4] = [64, 32, 16, 8];

const ROWS: [Layout; 2] = [Layout::Rows; 2];
const BLOCKS: [Layout; 2] = [Layout::Blocks; 2];

pub fn groups() -> Vec<Group> {
    vec![
        ("transformer", transformer()),
        ("integers", integers()),
        ("pointwise", pointwise()),
        ("attention", attention()),
        ("turn", turn()),
        ("depthwise", depthwise()),
        ("dense", dense()),
        ("rows", rows()),
    ]
}

fn case(name: String, probe: impl Fn(Isa) -> Probe + 'static) -> Case {
    Case { name, probe: Box::new(probe), tolerance: TOLERANCE }
}

/// A product of a set, its sizes, what follows it, layouts, and whether weights come from memory.
type Product = fn(Isa, [usize; 3], After, [Layout; 2], bool) -> Probe;

fn product(name: &str, sizes: [usize; 3], after: After, layouts: [Layout; 2], streamed: bool) -> Case {
    product_of(internals::product, name, sizes, after, layouts, streamed)
}

fn product_of(
    product: Product,
    name: &str,
    sizes: [usize; 3],
    after: After,
    layouts: [Layout; 2],
    streamed: bool,
) -> Case {
    let [rows, k, n] = sizes;
    case(format!("{name} {rows}x{k}x{n}"), move |isa| product(isa, sizes, after, layouts, streamed))
}

/// The four products of a transformer block.
fn block(cases: &mut Vec<Case>, name: &str, rows: usize, width: usize, activation: After, streamed: bool) {
    block_of(internals::product, cases, name, rows, width, activation, streamed);
}

/// The same, with products of any kind.
fn block_of(
    product: Product,
    cases: &mut Vec<Case>,
    name: &str,
    rows: usize,
    width: usize,
    activation: After,
    streamed: bool,
) {
    let hidden = 4 * width;
    let (into, out_of) = ([Layout::Rows, Layout::Blocks], [Layout::Blocks, Layout::Rows]);
    let mut add = |part, k, n, after, layouts| {
        cases.push(product_of(product, &format!("{name} {part}"), [rows, k, n], after, layouts, streamed));
    };
    add("qkv", width, 3 * width, After::Store, ROWS);
    add("out", width, width, After::Add, ROWS);
    add("fc1", width, hidden, activation, into);
    add("fc2", hidden, width, After::Add, out_of);
}

fn transformer() -> Vec<Case> {
    let mut cases = vec![
        product("vit-b-32 patches", [49, 3072, 768], After::Store, ROWS, false),
        product("vit-b-16 patches", [196, 768, 768], After::Store, ROWS, false),
    ];
    block(&mut cases, "vit-b-32", 50, 768, After::QuickGelu, false);
    block(&mut cases, "vit-b-32 streamed", 50, 768, After::QuickGelu, true);
    block(&mut cases, "vit-b-32 batch 8", 400, 768, After::QuickGelu, false);
    block(&mut cases, "vit-b-16", 197, 768, After::QuickGelu, false);
    block(&mut cases, "text", 77, 512, After::Gelu, false);
    block(&mut cases, "text of ten", 10, 512, After::QuickGelu, false);
    block(&mut cases, "text of ten streamed", 10, 512, After::QuickGelu, true);
    cases
}

/// Products of integers of eight bits.
fn integers() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut block = |name: &str, rows: usize, width: usize, activation: After, streamed: bool| {
        block_of(internals::integer_product, &mut cases, name, rows, width, activation, streamed);
    };
    block("vit-b-32", 50, 768, After::QuickGelu, false);
    block("vit-b-32 streamed", 50, 768, After::QuickGelu, true);
    block("vit-b-32 batch 8", 400, 768, After::QuickGelu, false);
    block("vit-b-16", 197, 768, After::QuickGelu, false);
    block("text", 77, 512, After::Gelu, false);
    block("text of ten", 10, 512, After::QuickGelu, false);
    block("text of ten streamed", 10, 512, After::QuickGelu, true);
    for (model, channels) in MOBILECLIP {
        for (stage, (c, side)) in channels.into_iter().zip(SIDES).enumerate() {
            let (pixels, hidden) = (side * side, 3 * c);
            let name = format!("{model} stage {stage} mlp {pixels}x{c}x{hidden}x{c}");
            let case = case(name, move |isa| internals::integer_feed_forward(isa, pixels, c, hidden));
            cases.push(Case { tolerance: TOLERANCE_OF_INTEGERS, ..case });
        }
    }
    cases
}

fn pointwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for (model, channels) in MOBILECLIP {
        let first = channels[0];
        cases.push(case(format!("{model} stem 256x256x{first}"), move |isa| internals::stem(isa, 256, first)));
        for (stage, (c, side)) in channels.into_iter().zip(SIDES).enumerate() {
            let (pixels, hidden) = (side * side, 3 * c);
            let name = |part| format!("{model} stage {stage} {part}");
            if stage > 0 {
                cases.push(product(&name("downsample"), [pixels, c, c], After::Gelu, BLOCKS, false));
            }
            let both = format!("{} {pixels}x{c}x{hidden}x{c}", name("mlp"));
            cases.push(case(both, move |isa| internals::feed_forward(isa, pixels, c, hidden)));
            cases.push(product(&name("fc1"), [pixels, c, hidden], After::Gelu, BLOCKS, false));
            cases.push(product(&name("fc2"), [pixels, hidden, c], After::Add, BLOCKS, false));
            if stage == 3 {
                let (from, to) = ([Layout::Blocks, Layout::Rows], [Layout::Rows, Layout::Blocks]);
                cases.push(product(&name("qkv"), [pixels, c, 3 * c], After::Store, from, false));
                cases.push(product(&name("out"), [pixels, c, c], After::Add, to, false));
            }
        }
    }
    cases
}

fn attention() -> Vec<Case> {
    let shapes = [
        ("vit-b-32", 50, 12, 64, false),
        ("vit-b-16", 197, 12, 64, false),
        ("siglip-so400m", 256, 16, 72, false),
        ("siglip-gopt", 256, 16, 96, false),
        ("pe-core-t", 577, 3, 64, false),
        ("pe-core-l", 577, 16, 64, false),
        ("pe-core-g", 1024, 16, 96, false),
        ("siglip text", 64, 12, 64, false),
        ("text", 77, 8, 64, false),
        ("text causal", 77, 8, 64, true),
        ("text causal of ten", 10, 8, 64, true),
        ("mobileclip2-s0 stage 3", 64, 16, 32, false),
        ("mobileclip-s2 stage 3", 64, 20, 32, false),
    ];
    let one = |(name, tokens, heads, head_dim, causal)| {
        case(format!("{name} {tokens} tokens {heads}x{head_dim}"), move |isa| {
            internals::attention(isa, tokens, heads, head_dim, causal)
        })
    };
    shapes.into_iter().map(one).collect()
}

/// Rotary positions, there and back: twice what a block of the same shape in `attention` needs.
fn turn() -> Vec<Case> {
    let shapes =
        [("pe-core-t", 24, 3, 64), ("pe-core-b", 14, 12, 64), ("pe-core-l", 24, 16, 64), ("pe-core-g", 32, 16, 96)];
    let one = |(name, grid, heads, head_dim)| {
        case(format!("{name} {grid}x{grid} {heads}x{head_dim}"), move |isa| internals::turn(isa, grid, heads, head_dim))
    };
    shapes.into_iter().map(one).collect()
}

fn depthwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for (model, channels) in MOBILECLIP {
        let mut add = |part: &str, side: usize, c: usize, kernel: Kernel, gelu: bool| {
            let Kernel { size, stride, multiplier } = kernel;
            let stride = if stride > 1 { format!(" stride {stride}") } else { String::new() };
            let doubled = if multiplier > 1 { " doubled" } else { "" };
            let name = format!("{model} {part} {size}x{size}{stride}{doubled} on {side}x{side}x{c}");
            cases.push(case(name, move |isa| internals::depthwise(isa, side, c, kernel, gelu)));
        };
        let plain = |size| Kernel { size, stride: 1, multiplier: 1 };
        for (stage, (c, side)) in channels.into_iter().zip(SIDES).enumerate() {
            if stage > 0 {
                // GELU is part of the convolution unless squeeze-and-excitation comes in between.
                let kernel = Kernel { size: 7, stride: 2, multiplier: 2 };
                add(&format!("downsample {stage}"), 2 * side, c / 2, kernel, stage == 1);
            }
            if stage < 3 {
                add(&format!("stage {stage}"), side, c, plain(3), false);
            }
            add(&format!("stage {stage}"), side, c, plain(7), false);
        }
        add("last", 8, channels[3], Kernel { size: 3, stride: 1, multiplier: 2 }, false);
    }
    cases
}

/// The dense convolutions of RN50 with kernels of 3 x 3, and the first of a bottleneck.
fn dense() -> Vec<Case> {
    let mut cases = Vec::new();
    for (part, side, kernel, channels) in [
        ("stem", 112, 3, [32, 64]),
        ("stage 0", 56, 1, [256, 64]),
        ("stage 0", 56, 3, [64, 64]),
        ("stage 1", 28, 3, [128, 128]),
        ("stage 2", 14, 3, [256, 256]),
        ("stage 3", 7, 1, [2048, 512]),
        ("stage 3", 7, 3, [512, 512]),
    ] {
        let [inputs, outputs] = channels;
        let name = format!("rn50 {part} {kernel}x{kernel} {inputs} to {outputs} on {side}x{side}");
        cases.push(case(name, move |isa| internals::convolution(isa, side, kernel, channels)));
    }
    cases
}

/// Kernels over rows or maps that are bound by memory or by elementary functions.
fn rows() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, rows, width) in [("vit-b-32", 50, 768), ("vit-b-16", 197, 768), ("text", 77, 512)] {
        let name = format!("layer norm {name} {rows}x{width}");
        cases.push(case(name, move |isa| internals::layer_norm(isa, rows, width)));
    }
    for (name, rows, width, quick) in
        [("quick gelu vit-b-32", 50, 3072, true), ("gelu text", 77, 2048, false), ("gelu tile", 112, 192, false)]
    {
        cases.push(case(format!("{name} {rows}x{width}"), move |isa| internals::gelu(isa, rows * width, quick)));
    }
    for (name, rows, width) in [("vit-b-32", 600, 50), ("vit-b-16", 28, 197), ("text", 616, 77)] {
        let name = format!("softmax {name} {rows}x{width}");
        cases.push(case(name, move |isa| internals::softmax(isa, rows, width)));
    }
    for (model, channels) in MOBILECLIP {
        for (part, side, c) in [("stage 2", 16, channels[2]), ("stage 3", 8, channels[3]), ("last", 8, 2 * channels[3])]
        {
            let name = |kernel| format!("{kernel} {model} {part} {side}x{side}x{c}");
            cases.push(case(name("squeeze mean"), move |isa| internals::pool_mean(isa, side * side, c)));
            cases.push(case(name("squeeze scale"), move |isa| internals::pool_scale(isa, side * side, c)));
        }
    }
    cases
}
