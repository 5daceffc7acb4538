//! Pulls a model: lock, look in the store and in Hugging Face's cache, download, convert, clean up.

use std::path::Path;

use super::api::{self, Purpose, RemoteFile};
use super::checksum::Checksum;
use super::download::{Download, Downloaded, sha256_of_all, sums};
use super::error::Error;
use super::hf_cache::{self, Cached, CachedFile};
use super::http::{Client, Retries};
use super::layout;
use super::name::ModelName;
use super::progress::{Event, Origin, Plan, Reporter};
use super::settings::{ENDPOINT, Remote};
use super::store::{Store, StoredModel};
use crate::catalog;
use crate::files::{open_regular, private_folder};
use crate::import::{self, ConvertOptions, TokenTable};
use crate::weights::{Precision, WeightsFile};

/// Options of a pull.
///
/// ```
/// use clippie_rs::hub::PullOptions;
///
/// let options = PullOptions::default().force(true);
/// assert!(options.force && !options.keep_original);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullOptions {
    /// Download again even if the model is installed, in Hugging Face's cache or kept.
    pub force: bool,
    /// Keep the downloaded checkpoint after the conversion.
    pub keep_original: bool,
    /// How the token table of the text tower is stored. A model that is installed stays as it is without `force`.
    pub token_table: TokenTable,
}

impl PullOptions {
    /// Sets [`PullOptions::force`].
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Sets [`PullOptions::keep_original`].
    #[must_use]
    pub fn keep_original(mut self, keep_original: bool) -> Self {
        self.keep_original = keep_original;
        self
    }

    /// Sets [`PullOptions::token_table`].
    #[must_use]
    pub fn token_table(mut self, token_table: TokenTable) -> Self {
        self.token_table = token_table;
        self
    }
}

/// One pull.
pub(super) struct Pull<'a> {
    pub(super) store: &'a Store,
    pub(super) remote: &'a Remote,
    pub(super) name: &'a ModelName,
    pub(super) options: PullOptions,
}

impl Pull<'_> {
    pub(super) fn run(&self, reporter: &mut Reporter<'_>) -> Result<StoredModel, Error> {
        let _lock = self.store.lock(self.name, reporter)?;
        if !self.options.force {
            // The previous holder of the lock may have installed it.
            if let Some(model) = self.store.find(self.name)? {
                return Ok(model);
            }
            if let Some(model) = self.use_hub_cache(reporter)? {
                return Ok(model);
            }
        }
        match self.remote.offline {
            Some(setting) => Err(Error::Offline { model: self.name.to_string(), setting }),
            None => self.download(reporter),
        }
    }

    /// Converts a checkpoint from Hugging Face's cache, if it is usable.
    fn use_hub_cache(&self, reporter: &mut Reporter<'_>) -> Result<Option<StoredModel>, Error> {
        let cache = self.remote.hub_cache.as_deref();
        let Some(cached) = cache.and_then(|cache| hf_cache::find(cache, self.name)) else { return Ok(None) };
        match self.convert_cached(&cached, reporter) {
            Ok(model) => Ok(Some(model)),
            // The hub may have what the cache lacks: a configuration file, or an undamaged checkpoint.
            Err(Error::DamagedCache { file, .. }) if self.remote.offline.is_none() => {
                let file = file.display();
                tracing::warn!("{file} is damaged, which another tool downloaded; the hub's own copy is used instead");
                Ok(None)
            }
            Err(Error::Convert { error, folder, .. }) if self.remote.offline.is_none() => {
                let folder = folder.display();
                tracing::warn!("{folder}, which another tool downloaded, cannot be used ({error}); the hub is asked");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn convert_cached(&self, cached: &Cached, reporter: &mut Reporter<'_>) -> Result<StoredModel, Error> {
        let damaged = |file: &CachedFile, what: &str, expected: &str, found: &str| {
            let reason = format!("its {what} is {found} instead of {expected}");
            Error::DamagedCache { model: self.name.to_string(), file: file.blob.clone(), reason }
        };
        let license = self.name.known().map(|model| model.license.id);
        let size = cached.parts.iter().map(|part| part.size).sum();
        let origin = Origin::HubCache(&cached.checkpoint);
        reporter.report(Event::Plan(Plan { name: self.name, origin, bytes: size, license }))?;
        self.check_space(0, size)?;
        let mut read = Vec::new();
        for part in &cached.parts {
            let file = open_regular(&part.path).map_err(Error::file("read", &part.path))?;
            let sums = sums(file, &part.path, part.checksum.as_ref(), part.size, reporter)?;
            if let Some(expected) = &part.checksum
                && let Some(found) = sums.differs(expected)
            {
                return Err(damaged(part, expected.kind(), expected.digits(), found));
            }
            read.push(Downloaded { path: part.path.clone(), sha256: sums.sha256 });
        }
        let sha256 = sha256(&read, reporter)?;
        self.convert(&cached.checkpoint, &sha256, reporter).map_err(|error| match (error, cached.parts.first()) {
            // It changed during the conversion.
            (Error::Mismatch { what, expected, found, .. }, Some(first)) => damaged(first, what, &expected, &found),
            (error, _) => error,
        })
    }

    fn download(&self, reporter: &mut Reporter<'_>) -> Result<StoredModel, Error> {
        let client = Client::new(self.remote)?;
        let mut retries = client.retries();
        let repository = api::repository(&client, self.name, &mut retries, reporter)?;
        let files = layout::choose(self.name, &repository.files)?;
        let commit = &repository.commit;
        // The checkpoint comes last, so that failures of small files show at once.
        let names = files.configs.iter().chain(files.index()).chain(&files.parts);
        let purpose = |file: &String| match files.parts.contains(file) {
            true => Purpose::Checkpoint,
            false if layout::is_vocabulary(file) => Purpose::Vocabulary,
            false => Purpose::Configuration,
        };
        let mut remote_files: Vec<RemoteFile> = names
            .map(|file| api::file(&client, self.name, commit, (file, purpose(file)), &mut retries, reporter))
            .collect::<Result<_, _>>()?;
        if let Some(file) = self.lent_tokenizer(&client, &files, &mut retries, reporter)? {
            remote_files.insert(0, file);
        }
        remote_files.retain(|file| {
            let is_too_long = layout::is_vocabulary(&file.name) && file.size > layout::MAX_VOCABULARY;
            if is_too_long {
                tracing::warn!(
                    "{} of {} has {} bytes, several times as many as any known vocabulary, and is not fetched; texts may \
                     get wrong embeddings from this model",
                    file.name,
                    self.name,
                    file.size
                );
            }
            !is_too_long
        });

        let page = format!("{ENDPOINT}/{}", self.name.repository());
        let url = if client.endpoint().host() == "huggingface.co" {
            page
        } else {
            client.endpoint().with(self.name.repository()).to_string()
        };
        let bytes = remote_files.iter().map(|file| file.size).sum();
        let license = repository.license.as_deref().or(self.name.known().map(|model| model.license.id));
        let origin = Origin::Hub { url: &url, commit };
        reporter.report(Event::Plan(Plan { name: self.name, origin, bytes, license }))?;

        let folder = self.store.download_folder(self.name)?;
        let download = |file| Download { client: &client, file, folder: &folder };
        let is_part = |file: &RemoteFile| files.parts.contains(&file.name);
        let size = remote_files.iter().filter(|file| is_part(file)).map(|file| file.size).sum();
        self.check_space(remote_files.iter().map(|file| download(file).missing()).sum(), size)?;
        private_folder(&folder).map_err(Error::file("use", &folder))?;
        // The conversion reads any configuration that it finds; those of another commit are not this model's.
        for other in layout::all_configs().filter(|config| !remote_files.iter().any(|own| own.name == *config)) {
            let _ = std::fs::remove_file(folder.join(other));
        }
        remove_other_parts(&folder, &remote_files);
        let mut parts = Vec::new();
        for file in &remote_files {
            let downloaded = download(file).run(&mut retries, reporter)?;
            parts.extend(Some(downloaded).filter(|_| is_part(file)));
        }
        let sha256 = sha256(&parts, reporter)?;
        let model = self.convert(&folder.join(&files.checkpoint), &sha256, reporter)?;
        if !self.options.keep_original {
            self.store.remove_download(self.name)?;
        }
        Ok(model)
    }

    /// The tokenizer of a model that has it from another repository, if its own lacks it.
    fn lent_tokenizer(
        &self,
        client: &Client,
        files: &layout::Files,
        retries: &mut Retries,
        reporter: &mut Reporter<'_>,
    ) -> Result<Option<RemoteFile>, Error> {
        let known = self.name.known().and_then(|model| model.tokenizer_repository);
        let Some(lender) = known.filter(|_| !files.configs.iter().any(|file| layout::is_vocabulary(file))) else {
            return Ok(None);
        };
        let lender: ModelName = format!("hf-hub:{lender}").parse()?;
        let repository = api::repository(client, &lender, retries, reporter)?;
        let file = layout::choose_tokenizer(&lender, &repository.files)?;
        let wanted = (file, Purpose::Vocabulary);
        api::file(client, &lender, &repository.commit, wanted, retries, reporter).map(Some)
    }

    /// Converts the checkpoint with this SHA-256 and installs the result.
    fn convert(&self, checkpoint: &Path, sha256: &str, reporter: &mut Reporter<'_>) -> Result<StoredModel, Error> {
        self.store.own_models_folder()?;
        let path = self.store.model_path(self.name, sha256);
        let model = self.name.known().or_else(|| catalog::find_repository(self.name.repository()));
        let (model, token_table) = (model.map(|model| model.name.to_owned()), self.options.token_table);
        let precision = self.name.precision();
        // The file says of which precision it is.
        let name = Some(self.name.clone().with_precision(Precision::default()).to_string());
        let options = ConvertOptions { model, name, token_table, precision, ..Default::default() };
        let cancel = options.cancel.clone();
        let mut report = |progress| {
            if !cancel.is_cancelled() && reporter.report(Event::Convert(progress)).is_err() {
                cancel.cancel();
            }
        };
        import::convert(checkpoint, &path, &options, &mut report).map_err(|error| match error {
            import::Error::Cancelled => Error::Cancelled,
            error @ import::Error::Weights(_) => Error::Write(Box::new(error)),
            error => Error::Convert {
                model: self.name.to_string(),
                folder: checkpoint.parent().unwrap_or(checkpoint).to_owned(),
                error: Box::new(error),
            },
        })?;
        let weights = WeightsFile::open(&path).map_err(|error| Error::Write(Box::new(error.into())))?;
        let converted = &weights.header().meta.provenance.source_sha256;
        if converted != sha256 {
            let (expected, found) = (sha256.to_owned(), converted.clone());
            let _ = std::fs::remove_file(&path);
            let file = checkpoint.display().to_string();
            return Err(Error::Mismatch { file, what: Checksum::SHA256, expected, found });
        }
        let model = StoredModel { name: self.name.clone(), bytes: weights.file_len(), path };
        self.store.remove_older(&model);
        Ok(model)
    }

    /// Refuses a pull that does not fit on the disk: `download` bytes left, and the weights file of a checkpoint of
    /// `checkpoint` bytes.
    fn check_space(&self, download: u64, checkpoint: u64) -> Result<(), Error> {
        let converted = match self.name.known() {
            // Folding removes branches and adds nothing.
            Some(model) => model.download_bytes().max(checkpoint),
            // Half precision becomes single precision.
            None => checkpoint.saturating_mul(2),
        };
        let needed = download.saturating_add(converted);
        let folder = self.store.root().ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        // If the free space is unknown, a full disk shows when writing.
        let Ok(free) = fs4::available_space(folder) else { return Ok(()) };
        if needed <= free {
            return Ok(());
        }
        let (model, folder) = (self.name.to_string(), self.store.root().to_owned());
        Err(Error::DiskSpace { model, folder, download, converted, needed, free })
    }
}

/// The SHA-256 of a checkpoint, whose conversion states it: that of all its parts, one after the other.
fn sha256(parts: &[Downloaded], reporter: &mut Reporter<'_>) -> Result<String, Error> {
    match parts {
        [whole] => Ok(whole.sha256.clone()),
        parts => sha256_of_all(&parts.iter().map(|part| part.path.clone()).collect::<Vec<_>>(), reporter),
    }
}

/// Removes the parts and indexes of other commits, which a conversion would take for those of this one.
fn remove_other_parts(folder: &Path, files: &[RemoteFile]) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if layout::is_of_parts(&name) && !files.iter().any(|own| own.name == name) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
