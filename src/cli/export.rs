//! `clippie-rs export`: writes the embeddings of the library to a file.

use super::args::{self, ExportFormat, Format};
use super::library;
use super::messages::{Failure, Messages, Outcome, count};
use super::output::{self, Destination, Head, Row, RowWriter, Source, cannot_write};
use crate::library::Embeddings;

pub(super) fn run(args: &args::Export, messages: &Messages) -> Result<Outcome, Failure> {
    let format = args.format().map_err(Failure::Usage)?;
    let to_stdout = output::is_stdout(&args.output);
    #[cfg(feature = "parquet")]
    if format == ExportFormat::ClipRetrieval && to_stdout {
        return Err(Failure::Usage("clip-retrieval writes a folder, not a stream; name the folder".into()));
    }
    let path = Some(args.output.as_path());
    let broken = |error| cannot_write(path, &error);
    let library = library::open(&args.library)?;
    let filter = library::in_folders(&args.folders, &library)?;
    let fingerprint = library::fingerprint(args.model.as_deref(), &library)?;
    let stored = Embeddings::of(&library, fingerprint.as_deref(), &filter)?;
    let head = Head {
        model: stored.model_name(),
        fingerprint: stored.fingerprint(),
        embed_dim: stored.embed_dim(),
        photos: true,
        texts: false,
        errors: false,
        #[cfg(feature = "parquet")]
        column: "embedding",
        #[cfg(feature = "parquet")]
        fixed_size: false,
        odd_paths: stored.paths().any(|path| path.to_str().is_none()),
    };
    let (mut writer, terminal) = start(args, format, &head)?;
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
        rows if to_stdout => messages.summary(&format!("wrote {}", count(rows, "row"))),
        rows => messages.result(&format!("wrote {} to {}", count(rows, "row"), args.output.display())),
    }
    Ok(Outcome::Complete)
}

/// Starts the output; says whether it goes to a terminal.
fn start(args: &args::Export, format: ExportFormat, head: &Head<'_>) -> Result<(Box<dyn RowWriter>, bool), Failure> {
    let broken = |error| cannot_write(Some(&args.output), &error);
    let format = match format {
        ExportFormat::Npy => Format::Npy,
        ExportFormat::Csv => Format::Csv,
        #[cfg(feature = "parquet")]
        ExportFormat::Parquet => Format::Parquet,
        #[cfg(feature = "parquet")]
        ExportFormat::ClipRetrieval => Format::ClipRetrieval,
    };
    #[cfg(feature = "parquet")]
    if format.is_folder() {
        let folder = Destination::folder(&args.output).map_err(broken)?;
        return Ok((output::start(format, head, folder).map_err(broken)?, false));
    }
    let out = Destination::open(Some(&args.output)).map_err(broken)?;
    let terminal = out.is_terminal();
    if format.is_binary() && terminal {
        return Err(Failure::Usage("arrays and tables are not for a terminal; name a file".into()));
    }
    Ok((output::start(format, head, out).map_err(broken)?, terminal))
}
