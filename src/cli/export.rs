//! `clippie-rs export`: writes the embeddings of the library to a file.

use super::args::{self, ExportFormat, Format};
use super::library;
use super::messages::{Failure, Messages, Outcome, count};
use super::output::{self, Destination, Head, Row, Source, cannot_write};
use crate::library::{Embeddings, Filter};

pub(super) fn run(args: &args::Export, messages: &Messages) -> Result<Outcome, Failure> {
    let path = Some(args.output.as_path());
    let broken = |error| cannot_write(path, &error);
    let mut filter = Filter::new();
    for folder in &args.folders {
        filter = filter.folder(folder)?;
    }
    // Before any work, so that an output that cannot be written fails at once.
    let out = Destination::open(path).map_err(broken)?;
    let library = library::open(&args.library)?;
    let fingerprint = library::fingerprint(args.model.as_deref(), &library)?;
    let stored = Embeddings::of(&library, fingerprint.as_deref(), &filter)?;
    let format = match args.format {
        ExportFormat::Npy => Format::Npy,
        ExportFormat::Csv => Format::Csv,
    };
    let (model, fingerprint, embed_dim) = (stored.model_name(), stored.fingerprint(), stored.embed_dim());
    let terminal = out.is_terminal();
    let head = Head { model, fingerprint, embed_dim, photos: true, texts: false };
    let mut writer = output::start(format, &head, out).map_err(broken)?;
    let progress = messages.progress(stored.len() as u64, "photos", terminal);
    for (row, path) in stored.paths().enumerate() {
        let vector = stored.vector(row)?;
        writer.write(&Row { source: Source::Path(path), outcome: Ok(vector) }).map_err(broken)?;
        progress.advance(1);
    }
    drop(progress);
    writer.finish().map_err(broken)?;
    match stored.len() {
        0 => messages.warning("no photo has an embedding and passes the filters; the output has no rows"),
        rows => messages.summary(&format!("exported {}", count(rows, "photo"))),
    }
    Ok(Outcome::Complete)
}
