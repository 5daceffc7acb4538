//! CLIP embeddings in a WebAssembly module of plain functions, without generated bindings.
//!
//! The host writes what a call reads to the input and reads what it made from the output; both lie in the module's
//! memory and belong to it, so no function takes a pointer:
//!
//! 1. `clip_input(length)` makes room for so many bytes and says where; the host writes them there.
//! 2. `clip_open()`, `clip_text()` or `clip_image()` uses them.
//! 3. The host reads `clip_output_length()` bytes at `clip_output()`.
//!
//! `clip_open`, `clip_text` and `clip_image` return 0 if they failed; the output is then a message in UTF-8. If they trap, it
//! is that of the panic, and the module must not be used any more. Memory may grow in any call, so the host makes its views
//! of it anew after each.

use std::cell::RefCell;

use clippie_rs::{Clip, Error, Options};

/// The model and what the host wrote. A module has one thread.
struct State {
    input: Vec<u8>,
    clip: Option<Clip>,
}

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State { input: Vec::new(), clip: None }) };
    /// Apart, because a panic writes to it while the state is in use.
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes the input `length` zero bytes long and returns its address, or null if there is no memory for it.
// SAFETY: no other function of the module or of a system library has this name; so with all below.
#[unsafe(no_mangle)]
pub extern "C" fn clip_input(length: usize) -> *mut u8 {
    STATE.with_borrow_mut(|state| {
        state.input = Vec::new();
        if state.input.try_reserve_exact(length).is_err() {
            return std::ptr::null_mut();
        }
        state.input.resize(length, 0);
        state.input.as_mut_ptr()
    })
}

/// The address of the output.
// SAFETY: see `clip_input`.
#[unsafe(no_mangle)]
pub extern "C" fn clip_output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}

/// The length of the output in bytes.
// SAFETY: see `clip_input`.
#[unsafe(no_mangle)]
pub extern "C" fn clip_output_length() -> usize {
    OUTPUT.with_borrow(|output| output.len())
}

/// Opens the weights file in the input, in place of the model before. Returns the number of components of its
/// embeddings.
// SAFETY: see `clip_input`.
#[unsafe(no_mangle)]
pub extern "C" fn clip_open() -> usize {
    std::panic::set_hook(Box::new(|panic| write(panic.to_string().into_bytes())));
    STATE.with_borrow_mut(|state| {
        // Two models at a time could be more than there is memory for.
        state.clip = None;
        let weights = std::mem::take(&mut state.input);
        // One thread is the calling one: the module cannot start others.
        match Options::new().threads(1).open_bytes(weights, "the given weights") {
            Ok(clip) => state.clip.insert(clip).embed_dim(),
            Err(error) => failed(error),
        }
    })
}

/// Encodes the text in the input, UTF-8. Makes the output its embedding: `f32`, little-endian, of length one. Returns the
/// number of components.
// SAFETY: see `clip_input`.
#[unsafe(no_mangle)]
pub extern "C" fn clip_text() -> usize {
    with_clip(|clip, bytes| match std::str::from_utf8(bytes) {
        Ok(text) => row(clip.encode_texts([text])),
        Err(error) => failed(format_args!("the text is not UTF-8: {error}")),
    })
}

/// Encodes the image in the input, the bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF file. Output and result as of
/// `clip_text`.
// SAFETY: see `clip_input`.
#[unsafe(no_mangle)]
pub extern "C" fn clip_image() -> usize {
    with_clip(|clip, bytes| row(clip.encode_images([bytes])))
}

fn with_clip(call: impl FnOnce(&Clip, &[u8]) -> usize) -> usize {
    STATE.with_borrow(|state| match &state.clip {
        Some(clip) => call(clip, &state.input),
        None => failed("no model is open; call clip_open() first"),
    })
}

/// Makes the output the components of the only row. Returns their number.
fn row<E: IntoIterator<Item = f32>>(rows: Result<E, Error>) -> usize {
    match rows {
        Ok(components) => {
            let bytes: Vec<u8> = components.into_iter().flat_map(f32::to_le_bytes).collect();
            let length = bytes.len() / 4;
            write(bytes);
            length
        }
        Err(error) => failed(error),
    }
}

/// Makes the output a message. Returns what stands for a failure.
fn failed(message: impl std::fmt::Display) -> usize {
    write(message.to_string().into_bytes());
    0
}

fn write(bytes: Vec<u8>) {
    OUTPUT.with_borrow_mut(|output| *output = bytes);
}
