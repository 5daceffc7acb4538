//! From a name to a weights file: look here, wait for others, look in the hub's cache, fetch, convert, tidy up.

use std::ops::ControlFlow;
use std::path::Path;

use super::api::{self, RemoteFile};
use super::checksum::Checksum;
use super::download::{Download, sums, sync_folder};
use super::error::Error;
use super::hf_cache::{self, Cached};
use super::http::Client;
use super::layout;
use super::name::ModelName;
use super::progress::{Event, Origin, Plan, Teller};
use super::settings::{ENDPOINT, Remote};
use super::store::{Store, StoredModel, create_folder};
use crate::catalog;
use crate::import::{self, ConvertOptions};
use crate::weights::WeightsFile;

/// How a model is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// Fetch it anew even if it is here, in the hub's cache or kept.
    pub force: bool,
    /// Keep the checkpoint as it was downloaded, beside the converted file.
    pub keep_original: bool,
}

/// One pull.
pub(super) struct Pull<'a> {
    pub(super) store: &'a Store,
    pub(super) remote: &'a Remote,
    pub(super) name: &'a ModelName,
    pub(super) options: PullOptions,
}

impl Pull<'_> {
    pub(super) fn run(&self, teller: &mut Teller<'_>) -> Result<StoredModel, Error> {
        let _lock = self.store.lock(self.name, teller)?;
        if !self.options.force {
            // Whoever held the lock may have pulled it.
            if let Some(model) = self.store.find(self.name)? {
                return Ok(model);
            }
            if let Some(model) = self.use_hub_cache(teller)? {
                return Ok(model);
            }
        }
        match self.remote.offline {
            Some(setting) => Err(Error::Offline { model: self.name.to_string(), setting }),
            None => self.fetch(teller),
        }
    }

    /// Converts what another tool downloaded, if that can be used.
    fn use_hub_cache(&self, teller: &mut Teller<'_>) -> Result<Option<StoredModel>, Error> {
        let cache = self.remote.hub_cache.as_deref();
        let Some(cached) = cache.and_then(|cache| hf_cache::find(cache, self.name)) else { return Ok(None) };
        match self.convert_cached(&cached, teller) {
            Ok(model) => Ok(Some(model)),
            // The hub may have what this lacks: a file of configuration, an undamaged checkpoint.
            Err(error @ (Error::Mismatch { .. } | Error::Convert { .. })) if self.remote.offline.is_none() => {
                tracing::warn!(%error, "the hub's cache cannot be used");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn convert_cached(&self, cached: &Cached, teller: &mut Teller<'_>) -> Result<StoredModel, Error> {
        let Cached { checkpoint, size, checksum } = cached;
        let license = self.name.known().map(|model| model.license.id);
        let origin = Origin::HubCache(checkpoint);
        teller.tell(Event::Plan(Plan { name: self.name, origin, bytes: *size, license }))?;
        self.check_space(0, *size)?;
        let sums = sums(checkpoint, checksum.as_ref(), *size, teller)?;
        if let Some(expected) = checksum
            && let Some(found) = sums.differs(expected)
        {
            let (file, found) = (checkpoint.display().to_string(), found.to_owned());
            let (what, expected) = (expected.kind(), expected.digits().to_owned());
            return Err(Error::Mismatch { file, what, expected, found });
        }
        self.convert(checkpoint, &sums.sha256, teller)
    }

    fn fetch(&self, teller: &mut Teller<'_>) -> Result<StoredModel, Error> {
        let client = Client::new(self.remote)?;
        let mut patience = client.patience();
        let repository = api::repository(&client, self.name, &mut patience, teller)?;
        let files = layout::choose(self.name, &repository.files)?;
        let commit = &repository.commit;
        // The checkpoint last: small files fail at once if they do.
        let names = files.configs.iter().chain([&files.checkpoint]);
        let remote_files: Vec<RemoteFile> = names
            .map(|file| api::file(&client, self.name, commit, file, &mut patience, teller))
            .collect::<Result<_, _>>()?;

        let page = format!("{ENDPOINT}/{}", self.name.repository());
        let url = if client.endpoint().host() == "huggingface.co" {
            page
        } else {
            client.endpoint().with(self.name.repository()).to_string()
        };
        let bytes = remote_files.iter().map(|file| file.size).sum();
        let license = repository.license.as_deref().or(self.name.known().map(|model| model.license.id));
        let origin = Origin::Hub { url: &url, commit };
        teller.tell(Event::Plan(Plan { name: self.name, origin, bytes, license }))?;

        let folder = self.store.download_folder(self.name);
        let download = |file| Download {
            client: &client,
            repository: self.name.repository(),
            revision: commit,
            file,
            folder: &folder,
        };
        let size = remote_files.last().map_or(0, |file| file.size);
        self.check_space(remote_files.iter().map(|file| download(file).missing()).sum(), size)?;
        create_folder(&folder)?;
        let mut fetched = None;
        for file in &remote_files {
            fetched = Some(download(file).run(&mut patience, teller)?);
        }
        let Some(checkpoint) = fetched else { unreachable!("the checkpoint is one of the files") };
        let model = self.convert(&checkpoint.path, &checkpoint.sha256, teller)?;
        if !self.options.keep_original {
            self.store.remove_download(self.name)?;
        }
        Ok(model)
    }

    /// Converts the checkpoint with this SHA-256 and puts the result in its place.
    fn convert(&self, checkpoint: &Path, sha256: &str, teller: &mut Teller<'_>) -> Result<StoredModel, Error> {
        create_folder(&self.store.models_folder())?;
        let path = self.store.model_path(self.name, sha256);
        let model = self.name.known().or_else(|| catalog::find_repository(self.name.repository()));
        let options = ConvertOptions { model: model.map(|model| model.name.to_owned()), ..Default::default() };
        let mut report = |progress| {
            // Seconds from the end, and nothing half-written to undo: it is brought to its end.
            let _: ControlFlow<()> = (teller.0)(Event::Convert(progress));
        };
        import::convert(checkpoint, &path, &options, &mut report).map_err(|error| match error {
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
        sync_folder(&self.store.models_folder());
        let model = StoredModel { name: self.name.clone(), bytes: weights.file_len(), path };
        self.store.remove_older(&model);
        Ok(model)
    }

    /// Refuses what will not fit: `download` bytes that are still to come, and the weights file of a checkpoint of
    /// `checkpoint` bytes.
    fn check_space(&self, download: u64, checkpoint: u64) -> Result<(), Error> {
        let converted = match self.name.known() {
            // Branches are folded away, nothing is added.
            Some(model) => model.download_bytes().max(checkpoint),
            // Half precision becomes single.
            None => checkpoint.saturating_mul(2),
        };
        let needed = download.saturating_add(converted);
        let folder = self.store.root().ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        // Where the system does not tell, the disk will.
        let Ok(free) = fs4::available_space(folder) else { return Ok(()) };
        if needed <= free {
            return Ok(());
        }
        let (model, folder) = (self.name.to_string(), self.store.root().to_owned());
        Err(Error::DiskSpace { model, folder, download, converted, needed, free })
    }
}
