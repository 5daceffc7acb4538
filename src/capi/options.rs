//! Options of a model, set one by one, so that later versions may have more.

use std::ffi::c_char;

use super::error::{clippie_error, quietly};
use super::pointers;
use super::status::{CLIPPIE_ERROR_ARGUMENT, CLIPPIE_ERROR_OPTION, CLIPPIE_OK, clippie_status};
use crate::{Isa, Options};

/// Which towers of a model to open: one of the constants `CLIPPIE_TOWERS_...`.
pub type clippie_towers = i32;

/// Images and texts; the default.
pub const CLIPPIE_TOWERS_BOTH: clippie_towers = 0;
/// Images alone. The file needs no text tower.
pub const CLIPPIE_TOWERS_IMAGE: clippie_towers = 1;
/// Texts alone: the pages of the image tower stay on disk. The file needs no image tower.
pub const CLIPPIE_TOWERS_TEXT: clippie_towers = 2;

/// Options for opening a model. They belong to the caller, and one thread at a time uses them. A model copies what it
/// needs: they may be changed or freed after it is open, and serve any number of models.
#[derive(Clone)]
pub struct clippie_options {
    pub(super) options: Options,
    pub(super) towers: clippie_towers,
    pub(super) language: Option<Vec<u8>>,
    pub(super) isa: Option<Vec<u8>>,
}

impl Default for clippie_options {
    fn default() -> Self {
        // Threads of the model's own, because only those can be waited for when it is freed.
        let options = Options::new().threads(0);
        clippie_options { options, towers: CLIPPIE_TOWERS_BOTH, language: None, isa: None }
    }
}

impl clippie_options {
    /// The options with the instruction set.
    pub(super) fn checked(&self) -> Result<Options, clippie_error> {
        let Some(isa) = &self.isa else { return Ok(self.options.clone()) };
        let isa = Isa::named(&String::from_utf8_lossy(isa)).map_err(|error| {
            // The variable is not where the name came from.
            let message = error.to_string().replacen("CLIPPIE_ISA", "the instruction set", 1);
            clippie_error::new(CLIPPIE_ERROR_OPTION, message)
        })?;
        Ok(self.options.clone().isa(isa))
    }

    /// The language as text.
    pub(super) fn language(&self) -> Result<Option<&str>, clippie_error> {
        self.language.as_deref().map(|language| pointers::text(language, "the language")).transpose()
    }
}

/// Changes options.
///
/// # Safety
/// `options` is null or options that nobody else uses.
unsafe fn set(options: *mut clippie_options, change: impl FnOnce(&mut clippie_options)) -> clippie_status {
    // SAFETY: null or options, as the caller ensures.
    let Some(options) = (unsafe { options.as_mut() }) else { return CLIPPIE_ERROR_ARGUMENT };
    quietly(CLIPPIE_ERROR_ARGUMENT, || {
        change(options);
        CLIPPIE_OK
    })
}

/// Changes the part of options that the crate has too.
///
/// # Safety
/// `options` is null or options that nobody else uses.
unsafe fn set_inner(options: *mut clippie_options, change: impl FnOnce(Options) -> Options) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set(options, |options| options.options = change(std::mem::take(&mut options.options))) }
}

/// A copy of a string, `None` for null.
///
/// # Safety
/// `string` is null or a string that ends with a zero.
unsafe fn copied(string: *const c_char) -> Option<Vec<u8>> {
    // SAFETY: as this function's.
    unsafe { pointers::string(string, "") }.ok().map(<[u8]>::to_vec)
}

/// Creates the default options: both towers, a thread for each core, batches of eight, embeddings of length one, EXIF
/// orientation applied, long texts truncated. They belong to the caller, who frees them with `clippie_options_free`.
#[unsafe(no_mangle)]
pub extern "C" fn clippie_options_new() -> *mut clippie_options {
    quietly(std::ptr::null_mut(), || Box::into_raw(Box::default()))
}

/// Sets which towers to open, `CLIPPIE_TOWERS_BOTH` at first. An unknown constant is refused when a model is opened.
/// This and the other setters return `CLIPPIE_OK`, or `CLIPPIE_ERROR_ARGUMENT` if `options` is null.
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_towers(
    options: *mut clippie_options,
    towers: clippie_towers,
) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set(options, |options| options.towers = towers) }
}

/// Sets the number of threads of a model; 0, the default, means one for each core, and 1 the calling thread alone.
/// Others are started when the model is opened and have ended when it is freed. Never changes results.
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_threads(options: *mut clippie_options, threads: usize) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set_inner(options, |options| options.threads(threads)) }
}

/// Sets how many images or texts share a pass, at first 8: larger batches are faster and need more memory. Never changes
/// results. 0 changes nothing and returns `CLIPPIE_ERROR_ARGUMENT`.
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_batch_size(
    options: *mut clippie_options,
    batch_size: usize,
) -> clippie_status {
    if batch_size == 0 {
        return CLIPPIE_ERROR_ARGUMENT;
    }
    // SAFETY: as this function's.
    unsafe { set_inner(options, |options| options.batch_size(batch_size)) }
}

/// Sets whether embeddings are scaled to length one (they are at first).
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_normalize(
    options: *mut clippie_options,
    normalize: bool,
) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set_inner(options, |options| options.normalize(normalize)) }
}

/// Sets whether the EXIF orientation of photos is applied (it is at first).
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_orient(options: *mut clippie_options, orient: bool) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set_inner(options, |options| options.orient(orient)) }
}

/// Sets whether texts that are longer than the model's context are errors (at first they are truncated).
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_refuse_long_texts(
    options: *mut clippie_options,
    refuse: bool,
) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set_inner(options, |options| options.refuse_long_texts(refuse)) }
}

/// Sets whether a model is copied to memory and verified when it is opened, instead of mapped (it is mapped at first):
/// for files on removable disks or network drives. Never changes results.
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_copy_weights(options: *mut clippie_options, copy: bool) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set_inner(options, |options| options.copy_weights(copy)) }
}

/// Sets the language of texts, for a model whose texts have one: a name in FLORES-200, such as "deu_Latn", or a code of
/// ISO 639-1, such as "de". Null, the default, means that of the file. The string is copied; one that the model does not
/// have is refused when it is opened.
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses; `language` is null or a string that
/// ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_language(
    options: *mut clippie_options,
    language: *const c_char,
) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set(options, |options| options.language = copied(language)) }
}

/// Sets the instruction set: for tests, "avx512", "avx2", "sse", "neon" or "portable"; "amx" asks Linux for the processor's
/// matrix tiles, for the whole process, which make models in 8 bits faster. Null, the default, means the fastest one
/// without these, or that of the environment variable CLIPPIE_ISA. Changes results in the last bits, of models in 8 bits
/// by more. The string is copied; one that the machine does not have is refused when a model is opened.
///
/// # Safety
/// `options` is null or options that are not freed and that no other thread uses; `isa` is null or a string that ends
/// with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_set_isa(options: *mut clippie_options, isa: *const c_char) -> clippie_status {
    // SAFETY: as this function's.
    unsafe { set(options, |options| options.isa = copied(isa)) }
}

/// Lets models in 8 bits that are opened from now on, without an instruction set in their options or in CLIPPIE_ISA, use
/// the processor's matrix tiles (AMX), which make them faster and give the same bits as AVX-512 with VNNI. If the processor has
/// them, the first such model asks Linux for them, which grants them to the whole process; from then on, it refuses
/// alternate signal stacks of less than some 11 KiB. Otherwise nothing changes.
#[unsafe(no_mangle)]
pub extern "C" fn clippie_allow_amx() {
    quietly((), Isa::allow_amx);
}

/// Frees options. Null is allowed.
///
/// # Safety
/// `options` is null or options that are not freed and that nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clippie_options_free(options: *mut clippie_options) {
    if !options.is_null() {
        // SAFETY: all options come from `clippie_options_new`, and the caller frees them once.
        quietly((), || drop(unsafe { Box::from_raw(options) }));
    }
}
