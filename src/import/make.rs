//! Makes the canonical layers of a weights file from the tensors of a checkpoint.

use super::checkpoint::Checkpoint;
use super::error::Error;
use super::fold::{self, Fold, Outputs, conv};
use super::options::{ConvertOptions, TokenTable};
use super::recipes::source::Source;
use crate::models::config::ModelConfig;
use crate::models::{Layer, LayerKind, layers};
use crate::weights::{Data, Dtype, Layout, Precision, TensorSpec};

/// Most elements of a tensor. The largest published one, XLM-V's table of tokens, has 1.2 billion; a sparse file may
/// declare any number.
const MAX_ELEMENTS: usize = 1 << 31;

/// A canonical layer to make.
pub(super) struct Job<'a> {
    layer: Layer,
    source: &'a Source,
    /// The layer's tensors in the order of the file.
    tensors: Vec<TensorSpec>,
    /// Whether the first tensor is rounded to halves.
    rounds: bool,
}

/// Takes a finished tensor.
pub(super) type Sink<'s> = dyn FnMut(&TensorSpec, Data<'_>) -> Result<(), Error> + 's;

/// Memory that is used again for the next layer.
#[derive(Default)]
pub(super) struct Scratch {
    numbers: Vec<f32>,
    scaled_rows: Vec<i8>,
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
    let (token_table, halves) = (options.token_table, options.precision == Precision::F16);
    let job = |(layer, (drafted, source)): (Layer, &'a (Layer, Source))| {
        let mut tensors = layer.tensors();
        if !layer.has_same_source(drafted) {
            return Err(defect(&layer.path));
        }
        if tensors.iter().any(|tensor| tensor.stored_len().is_none_or(|len| len > MAX_ELEMENTS)) {
            let reason = format!("its layer `{}` has more than the {MAX_ELEMENTS} numbers that are read", layer.path);
            return Err(Error::Unsupported { path: checkpoint.path().to_owned(), reason });
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
        if let (LayerKind::Linear(spec), [weight, ..], true) = (&layer.kind, tensors.as_mut_slice(), halves)
            && !spec.always_f32
        {
            weight.dtype = Dtype::F16;
        }
        let rounds = halves && tensors.first().is_some_and(|tensor| tensor.dtype == Dtype::F16);
        Ok(Job { layer, source, tensors, rounds })
    };
    if token_table == TokenTable::Int8 && config.text.is_none() {
        let reason = "--token-table does not apply: the checkpoint has no text tower; leave it out";
        return Err(Error::Option { reason: reason.to_owned() });
    }
    layers.into_iter().zip(sources).map(job).collect()
}

impl Job<'_> {
    pub(super) fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// Makes the tensors and passes them to `sink` in the order of the file. Returns the largest relative difference that
    /// storing a table in 8 bits makes to a row.
    pub(super) fn run(
        &self,
        checkpoint: &Checkpoint,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<Option<f64>, Error> {
        let [table] = self.tensors.as_slice() else { return self.run_exact(checkpoint, &mut scratch.numbers, sink) };
        let (name, factor) = match (table.layout, self.source) {
            (Layout::ScaledRows, Source::Rows(name)) => (name, 1.0),
            (Layout::ScaledRows, Source::ScaledRows { name, factor }) => (name, *factor),
            _ => return self.run_exact(checkpoint, &mut scratch.numbers, sink),
        };
        let width = table.shape.last().copied().unwrap_or(0);
        let difference = fold::scaled_rows_of_int8(checkpoint, name, factor, width, &mut scratch.scaled_rows)?;
        sink(table, Data::Integers(&scratch.scaled_rows))?;
        Ok(Some(difference))
    }

    fn run_exact(
        &self,
        checkpoint: &Checkpoint,
        buffer: &mut Vec<f32>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<f64>, Error> {
        let bias = match (&self.layer.kind, self.source) {
            (LayerKind::Linear(spec), Source::Linear { linear, norm, layer_scale }) => {
                let scale = spec.query_scale;
                let outputs = spec.pairs_of_head.map_or(Outputs::Same, Outputs::InPairs);
                let fold = Fold { norm: norm.as_ref(), scale, layer_scale: layer_scale.as_deref(), outputs };
                fold::linear(checkpoint, linear, fold, buffer)?
            }
            (LayerKind::Linear(spec), Source::Conv(source)) => {
                conv::dense(checkpoint, source, spec.even_first, spec.order, buffer)?
            }
            (LayerKind::Depthwise(spec), Source::Conv(source)) => {
                conv::depthwise(checkpoint, source, spec.even_first(), buffer)?
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
                let &[rows, width] = shape.as_slice() else { return self.mismatch(checkpoint) };
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
            _ => return self.mismatch(checkpoint),
        };
        if self.rounds {
            fold::halves(checkpoint, &self.layer.path, buffer)?;
        }
        match self.tensors.as_slice() {
            [weight] => sink(weight, Data::Numbers(buffer))?,
            [weight, folded] => {
                sink(weight, Data::Numbers(buffer))?;
                sink(folded, Data::Numbers(&bias))?;
            }
            _ => {}
        }
        Ok(None)
    }

    fn mismatch(&self, checkpoint: &Checkpoint) -> Result<Option<f64>, Error> {
        let reason = format!("the recipe of this layout makes `{}` of something else", self.layer.path);
        Err(Error::Unsupported { path: checkpoint.path().to_owned(), reason })
    }
}
