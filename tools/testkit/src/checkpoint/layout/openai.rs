//! OpenAI's layout: a TorchScript archive of nested modules, partly in half precision.
//!
//! Imitates a traced and saved module as far as readers need it: every module has its own class, tensors are attributes
//! of nested objects, the code of the classes is compressed, constants have their own pickle. The methods are left out,
//! so `torch.jit.load` reads the archive but has nothing to run. Class names are those that OpenAI's archives show when
//! printed.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::super::model::Model;
use super::super::tensor::Element;
use super::entry::Entry;
use super::pickle::{Dialect, Pickle};
use super::torch_zip::TorchZip;

/// The tensors in the order of the archive's storages.
pub fn entries(model: &Model) -> Vec<Entry> {
    let tensors = model.tensors().into_iter().map(|tensor| {
        let element = if tensor.half { Element::F16 } else { Element::F32 };
        Entry::whole(tensor, element)
    });
    let entries: Vec<Entry> = super::with_counts(tensors.collect())
        .into_iter()
        .chain([
            Entry::integer("input_resolution", model.image_size() as i64),
            Entry::integer("context_length", model.context_length() as i64),
            Entry::integer("vocab_size", model.vocab_size() as i64),
        ])
        .collect();
    let order = Module::tree(&entries).storages();
    order.iter().filter_map(|&i| entries.get(i).cloned()).collect()
}

/// Writes an archive of `entries`, which are in the order of [`entries`].
pub fn write(out: &mut impl Write, model: &Model, entries: &[Entry], seed: u64) -> io::Result<()> {
    let mut root = Module::tree(entries);
    root.mangle(&mut HashSet::new());

    let mut zip = TorchZip::new(out, &model.archive);
    for (key, entry) in entries.iter().enumerate() {
        zip.store(&format!("data/{key}"), &entry.bytes(seed))?;
    }
    let mut pickle = Pickle::new(Dialect::TorchScript);
    root.pickle(entries, &mut pickle);
    zip.store("data.pkl", &pickle.stop())?;

    let mut files = Vec::new();
    root.code(entries, &mut files);
    for (name, text) in files {
        zip.deflate(&name, text.as_bytes())?;
    }

    // Tracing bakes the attention mask in as a constant.
    let context = model.context_length();
    let mask: Vec<u8> = (0..context * context)
        .map(|i| if i % context > i / context { f32::NEG_INFINITY } else { 0.0 })
        .flat_map(f32::to_le_bytes)
        .collect();
    zip.store("constants/0", &mask)?;
    let mut constants = Pickle::new(Dialect::TorchScript);
    constants.mark();
    constants.tensor(0, Element::F32, &[context, context], false);
    constants.tuple();
    zip.store("constants.pkl", &constants.stop())?;
    zip.store("version", b"3\n")?;
    zip.finish()
}

/// A module of the traced model.
#[derive(Default)]
struct Module {
    /// Dotted module of the class, below `__torch__`.
    home: String,
    class: &'static str,
    /// Attribute name and index of the entry.
    tensors: Vec<(String, usize)>,
    children: Vec<(String, Module)>,
}

impl Module {
    /// The modules that the names of `entries` imply.
    fn tree(entries: &[Entry]) -> Module {
        let mut root = Module::at("");
        for (i, entry) in entries.iter().enumerate() {
            let mut module = &mut root;
            let (path, attribute) = entry.name.rsplit_once('.').unwrap_or(("", &entry.name));
            for part in path.split('.').filter(|part| !part.is_empty()) {
                module = module.child(part);
            }
            module.tensors.push((attribute.to_owned(), i));
        }
        root
    }

    /// A module without tensors whose class follows from its last name.
    fn at(name: &str) -> Module {
        let model = "multimodal.model.multimodal_transformer";
        let (home, class) = match name {
            "" => (model, "Multimodal"),
            "visual" => (model, "VisualTransformer"),
            "transformer" => (model, "Transformer"),
            "resblocks" | "mlp" => ("torch.nn.modules.container", "Sequential"),
            "attn" => ("torch.nn.modules.activation", "MultiheadAttention"),
            "out_proj" => ("torch.nn.modules.linear", "_LinearWithBias"),
            "c_fc" | "c_proj" => ("torch.nn.modules.linear", "Linear"),
            "gelu" => (model, "QuickGELU"),
            "conv1" | "conv2" | "conv3" => ("torch.nn.modules.conv", "Conv2d"),
            "bn1" | "bn2" | "bn3" => ("torch.nn.modules.batchnorm", "BatchNorm2d"),
            "layer1" | "layer2" | "layer3" | "layer4" | "downsample" => ("torch.nn.modules.container", "Sequential"),
            "attnpool" => (model, "AttentionPool2d"),
            "q_proj" | "k_proj" | "v_proj" => ("torch.nn.modules.linear", "Linear"),
            "token_embedding" => ("torch.nn.modules.sparse", "Embedding"),
            "ln_1" | "ln_2" | "ln_pre" | "ln_post" | "ln_final" => (model, "LayerNorm"),
            _ => (model, "ResidualAttentionBlock"),
        };
        let mut module = Module { home: home.to_owned(), class, ..Module::default() };
        // An attribute without tensors, which readers must skip.
        if name == "mlp" {
            module.child("gelu");
        }
        module
    }

    fn child(&mut self, name: &str) -> &mut Module {
        let i = self.children.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.children.push((name.to_owned(), Module::at(name)));
            self.children.len() - 1
        });
        &mut self.children[i].1
    }

    /// Indices of the entries, in the order of the pickle.
    fn storages(&self) -> Vec<usize> {
        let own = self.tensors.iter().map(|&(_, i)| i);
        let theirs = self.children.iter().flat_map(|(_, child)| child.storages());
        own.chain(theirs).collect()
    }

    /// Renames classes with equal names, as tracing does.
    fn mangle(&mut self, taken: &mut HashSet<String>) {
        if !taken.insert(format!("{}.{}", self.home, self.class)) {
            self.home = format!("{}.___torch_mangle_{}", self.home, taken.len());
            taken.insert(format!("{}.{}", self.home, self.class));
        }
        for (_, child) in &mut self.children {
            child.mangle(taken);
        }
    }

    fn pickle(&self, entries: &[Entry], pickle: &mut Pickle) {
        pickle.object(&format!("__torch__.{}", self.home), self.class, |pickle| {
            for (name, i) in &self.tensors {
                let entry = &entries[*i];
                pickle.text(name);
                pickle.tensor(*i, entry.element, &entry.shape, entry.element != Element::I64);
            }
            pickle.text("training");
            pickle.truth(false);
            for (name, child) in &self.children {
                pickle.text(name);
                child.pickle(entries, pickle);
            }
        });
    }

    /// Appends the source files of this module's class and of its children's.
    fn code(&self, entries: &[Entry], files: &mut Vec<(String, String)>) {
        let list = |trained: bool| -> String {
            self.tensors
                .iter()
                .filter(|(_, i)| (entries[*i].element != Element::I64) == trained)
                .map(|(name, _)| format!("\"{name}\", "))
                .collect()
        };
        let mut code = format!(
            "class {}(Module):\n  __parameters__ = [{}]\n  __buffers__ = [{}]\n",
            self.class,
            list(true),
            list(false),
        );
        for (name, _) in &self.tensors {
            let _ = writeln!(code, "  {name} : Tensor");
        }
        code.push_str("  training : bool\n");
        for (name, child) in &self.children {
            let class = format!("__torch__.{}.{}", child.home, child.class);
            let _ = if name.starts_with(|first: char| first.is_ascii_digit()) {
                writeln!(code, "  __annotations__[\"{name}\"] = {class}")
            } else {
                writeln!(code, "  {name} : {class}")
            };
        }

        let file = format!("code/__torch__/{}.py", self.home.replace('.', "/"));
        match files.iter_mut().find(|(name, _)| *name == file) {
            Some((_, text)) => text.push_str(&code),
            None => files.push((file, code)),
        }
        for (_, child) in &self.children {
            child.code(entries, files);
        }
    }
}
