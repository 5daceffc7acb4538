//! Makes the canonical layers of a weights file from the tensors of a checkpoint.

use super::checkpoint::Checkpoint;
use super::error::Error;
use super::fold::{self, Fold, Outputs, conv};
use super::options::{ConvertOptions, TokenTable};
use super::recipes::source::Source;
use crate::models::config::ModelConfig;
use crate::models::{Layer, LayerKind, LinearSpec, layers};
use crate::weights::{Data, Dtype, Layout, MAX_QUAD_INPUTS, Precision, TensorSpec};

/// Most elements of a tensor. The largest published one, XLM-V's table of tokens, has 1.2 billion; a sparse file may
/// declare any number.
const MAX_ELEMENTS: usize = 1 << 31;

/// A canonical layer to make.
pub(super) struct Job<'a> {
    layer: Layer,
    source: &'a Source,
    /// The layer's tensors in the order of the file.
    tensors: Vec<TensorSpec>,
    precision: Precision,
    /// Whether the first tensor is rounded to halves.
    rounds: bool,
}

/// What storing numbers in 8 bits costs: a length of the difference, relative to the length of what it is made to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Difference {
    /// To a row of the token table.
    Row(f64),
    /// To the weights of an output of a linear layer.
    Column(f64),
}

/// Takes a finished tensor.
pub(super) type Sink<'s> = dyn FnMut(&TensorSpec, Data<'_>) -> Result<(), Error> + 's;

/// Memory that is used again for the next layer.
#[derive(Default)]
pub(super) struct Scratch {
    numbers: Vec<f32>,
    integers: Vec<i8>,
}

/// The layers of a model in the order of the file, each with its source. `sources` are those of the layers of the draft
/// from which the configuration was made.
pub(super) fn jobs<'a>(
    checkpoint: &Checkpoint,
    sources: &'a [(Layer, Source)],
    config: &ModelConfig,
    options: &ConvertOptions,
) -> Result<Vec<Job<'a>>, Error> {
    let defect =
        |reason: &str| Error::Option { reason: format!("the model's layers are not those of its draft: {reason}") };
    let layers = layers(config).map_err(|error| defect(&error.to_string()))?;
    if layers.len() != sources.len() {
        return Err(defect("there are more or fewer of them"));
    }
    let precision = options.precision;
    let (token_table, halves) = match precision {
        Precision::F32 => (options.token_table, false),
        Precision::F16 => (options.token_table, true),
        Precision::Int8 => (TokenTable::Int8, true),
    };
    let job = |(layer, (drafted, source)): (Layer, &'a (Layer, Source))| {
        let mut tensors = layer.tensors();
        if !layer.has_same_source(drafted) {
            return Err(defect(&layer.path));
        }
        let unsupported = |reason| Err(Error::Unsupported { path: checkpoint.path().to_owned(), reason });
        if tensors.iter().any(|tensor| tensor.stored_len().is_none_or(|len| len > MAX_ELEMENTS)) {
            return unsupported(format!(
                "its layer `{}` has more than the {MAX_ELEMENTS} numbers that are read",
                layer.path
            ));
        }
        if let (Precision::Int8, Some(int8)) = (precision, layer.int8_tensors()) {
            if int8.iter().any(|tensor| tensor.stored_len().is_none()) {
                return unsupported(format!(
                    "its layer `{}` has more than {MAX_QUAD_INPUTS} inputs, too many for sums of 8-bit products; convert it \
                     with --precision f16",
                    layer.path
                ));
            }
            return Ok(Job { layer, source, tensors: int8, precision, rounds: false });
        }
        let (name, factor) = match source {
            Source::Rows(name) => (Some(name), 1.0),
            Source::ScaledRows { name, factor } => (Some(name), *factor),
            _ => (None, 1.0),
        };
        if let (LayerKind::Table(..), Some(name), [table]) = (&layer.kind, name, tensors.as_mut_slice()) {
            // Lookup tables are read row by row, so the smaller type is no slower.
            match token_table {
                TokenTable::Int8 => (table.dtype, table.layout) = (Dtype::I8, Layout::ScaledRows),
                TokenTable::Exact if halves || fold::fits_halves(checkpoint, name, factor)? => table.dtype = Dtype::F16,
                TokenTable::Exact => {}
            }
        }
        if let (true, Some(of_halves)) = (halves, layer.half_tensors()) {
            tensors = of_halves;
        }
        let rounds = halves && tensors.first().is_some_and(|tensor| tensor.dtype == Dtype::F16);
        Ok(Job { layer, source, tensors, precision, rounds })
    };
    if options.token_table == TokenTable::Int8 && config.text.is_none() {
        let reason = "--token-table does not apply: the checkpoint has no text tower; leave it out";
        return Err(Error::Option { reason: reason.to_owned() });
    }
    let jobs = layers.into_iter().zip(sources).map(job).collect::<Result<Vec<Job<'a>>, Error>>()?;
    if precision == Precision::Int8 && !jobs.iter().any(Job::is_quantised) {
        let reason = "--precision int8 does not apply: it is for the linear layers of blocks with attention or an MLP, of which \
                      the model has none; give f16";
        return Err(Error::Option { reason: reason.to_owned() });
    }
    Ok(jobs)
}

impl Job<'_> {
    pub(super) fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// The type of the first tensor, which are the weights if there are several.
    fn weight_type(&self) -> Dtype {
        self.tensors.first().map_or(Dtype::F32, |weight| weight.dtype)
    }

    /// Whether the weights are stored as integers, with scales, sums and perhaps gains.
    fn is_quantised(&self) -> bool {
        self.tensors.first().is_some_and(|weight| weight.layout == Layout::Quads16)
    }

    /// Makes the tensors and passes them to `sink` in the order of the file. Returns the largest relative difference that
    /// storing them in 8 bits makes.
    pub(super) fn run(
        &self,
        checkpoint: &Checkpoint,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Difference>, Error> {
        if self.is_quantised() {
            return self.run_quantised(checkpoint, scratch, sink).map(Some);
        }
        let [table] = self.tensors.as_slice() else { return self.run_exact(checkpoint, &mut scratch.numbers, sink) };
        let (name, factor) = match (table.layout, self.source) {
            (Layout::ScaledRows, Source::Rows(name)) => (name, 1.0),
            (Layout::ScaledRows, Source::ScaledRows { name, factor }) => (name, *factor),
            _ => return self.run_exact(checkpoint, &mut scratch.numbers, sink),
        };
        let width = table.shape.last().copied().unwrap_or(0);
        let difference = fold::scaled_rows_of_int8(checkpoint, name, factor, width, &mut scratch.integers)?;
        sink(table, Data::Integers(&scratch.integers))?;
        Ok(Some(Difference::Row(difference)))
    }

    /// Folds the linear layer `spec` and packs it into `buffer`. Returns its bias.
    fn fold_linear(
        &self,
        checkpoint: &Checkpoint,
        spec: &LinearSpec,
        buffer: &mut Vec<f32>,
    ) -> Result<Vec<f32>, Error> {
        match self.source {
            Source::Linear { linear, norm, layer_scale } => {
                let weight = self.weight_type();
                let fold = Fold {
                    norm: norm.as_ref(),
                    gains_apart: spec.has_gains(weight),
                    scale: spec.folded_query_scale(weight),
                    layer_scale: layer_scale.as_deref(),
                    outputs: spec.pairs_of_head.map_or(Outputs::Same, Outputs::InPairs),
                };
                fold::linear(checkpoint, linear, fold, buffer)
            }
            Source::Conv(source) => conv::dense(checkpoint, source, spec.even_first, spec.order, buffer),
            _ => Err(self.mismatch(checkpoint)),
        }
    }

    /// The factors of the norm before the linear layer `spec`, if they are a tensor of their own.
    fn gains(&self, checkpoint: &Checkpoint, spec: &LinearSpec) -> Result<Option<Vec<f32>>, Error> {
        if !spec.has_gains(self.weight_type()) {
            return Ok(None);
        }
        let norm = match self.source {
            Source::Linear { norm, .. } => norm.as_ref(),
            _ => None,
        };
        fold::gains(checkpoint, norm, spec.inputs()).map(Some)
    }

    fn run_quantised(
        &self,
        checkpoint: &Checkpoint,
        Scratch { numbers, integers }: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<Difference, Error> {
        let LayerKind::Linear(spec) = &self.layer.kind else { return Err(self.mismatch(checkpoint)) };
        let inputs = spec.inputs();
        let bias = self.fold_linear(checkpoint, spec, numbers)?;
        let columns = fold::quads(checkpoint, numbers, (inputs, spec.outputs), integers)?;
        let gains = self.gains(checkpoint, spec)?;
        let of_outputs = [Some(columns.scales), Some(columns.sums), gains, spec.bias.then_some(bias)];
        let Some((weight, others)) = self.tensors.split_first() else { return Err(self.mismatch(checkpoint)) };
        sink(weight, Data::Integers(integers))?;
        for (tensor, data) in others.iter().zip(of_outputs.iter().flatten()) {
            sink(tensor, Data::Numbers(data))?;
        }
        Ok(Difference::Column(columns.difference))
    }

    fn run_exact(
        &self,
        checkpoint: &Checkpoint,
        buffer: &mut Vec<f32>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Difference>, Error> {
        let beside = match (&self.layer.kind, self.source) {
            (LayerKind::Linear(spec), _) => {
                let bias = self.fold_linear(checkpoint, spec, buffer)?;
                let gains = self.gains(checkpoint, spec)?;
                gains.into_iter().chain(spec.bias.then_some(bias)).collect()
            }
            (LayerKind::Depthwise(spec), Source::Conv(source)) => {
                vec![conv::depthwise(checkpoint, source, spec.even_first(), buffer)?]
            }
            (&LayerKind::Queries { heads, .. }, Source::PoolQueries { latent, query, keys, norm }) => {
                let queries = fold::Queries { latent, query, keys, norm, heads };
                fold::queries(checkpoint, queries, buffer)?;
                Vec::new()
            }
            (LayerKind::Rows(shape), Source::BiasedPositions { position, skip, bias }) => {
                let rows = shape.first().copied().unwrap_or(0);
                fold::biased_positions(checkpoint, position, *skip..skip.saturating_add(rows), bias, buffer)?;
                Vec::new()
            }
            (LayerKind::Rows(shape), Source::Sinusoids { first }) => {
                let &[rows, width] = shape.as_slice() else { return Err(self.mismatch(checkpoint)) };
                fold::sinusoids(checkpoint, *first..first.saturating_add(rows), width, buffer)?;
                Vec::new()
            }
            (LayerKind::Rows(_) | LayerKind::Table(..), Source::Rows(name)) => {
                fold::rows(checkpoint, name, buffer)?;
                Vec::new()
            }
            (LayerKind::Rows(_) | LayerKind::Table(..), Source::ScaledRows { name, factor }) => {
                fold::scaled_rows(checkpoint, name, *factor, buffer)?;
                Vec::new()
            }
            (LayerKind::Rows(_), Source::SplitRows { first, rows, rest }) => {
                fold::split_rows(checkpoint, first, *rows, rest, buffer)?;
                Vec::new()
            }
            (LayerKind::Rows(_), Source::ClassAndPositions { class, position, class_has_position }) => {
                fold::image_positions(checkpoint, class, position, *class_has_position, buffer)?;
                Vec::new()
            }
            _ => return Err(self.mismatch(checkpoint)),
        };
        if self.rounds {
            fold::halves(checkpoint, &self.layer.path, self.precision, buffer)?;
        }
        let all = std::iter::once(&*buffer).chain(&beside);
        for (tensor, data) in self.tensors.iter().zip(all) {
            sink(tensor, Data::Numbers(data))?;
        }
        Ok(None)
    }

    fn mismatch(&self, checkpoint: &Checkpoint) -> Error {
        let reason = format!("the recipe of this layout makes `{}` of something else", self.layer.path);
        Error::Unsupported { path: checkpoint.path().to_owned(), reason }
    }
}
