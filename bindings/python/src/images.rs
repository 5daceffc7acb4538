//! What Python gives as images: paths, bytes of files, images of Pillow, arrays of pixels.
//!
//! Everything that other Python code could change while the engine reads it is copied; `bytes` cannot change and are not.

use std::path::PathBuf;

use clippie_rs::{ImageInput, RgbBuffer};
use numpy::{PyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyIterator, PyList, PyMapping, PyMemoryView, PyString, PyTuple};

use crate::{errors, memory};

/// Bytes of images that one batch may copy or keep, so that an iterator of any length needs bounded memory.
const BATCH_BYTES: usize = 256 << 20;

/// An image that no Python code can change.
pub enum Image {
    Path(PathBuf),
    Bytes(PyBackedBytes),
    /// A copy of bytes that can change.
    Copied(PyBackedBytes),
    Rgb(RgbBuffer),
}

impl<'a> From<&'a Image> for ImageInput<'a> {
    fn from(image: &'a Image) -> Self {
        match image {
            Image::Path(path) => path.into(),
            Image::Bytes(bytes) | Image::Copied(bytes) => ImageInput::Bytes(bytes),
            Image::Rgb(rgb) => rgb.into(),
        }
    }
}

impl Image {
    /// Bytes that only this package holds, if the caller holds all `bytes` itself.
    fn size(&self, caller_keeps: bool) -> usize {
        match self {
            Image::Path(_) => 0,
            Image::Bytes(bytes) if !caller_keeps => bytes.len(),
            Image::Bytes(_) => 0,
            Image::Copied(bytes) => bytes.len(),
            Image::Rgb(rgb) => rgb.data().len(),
        }
    }
}

/// The images of a call, in batches.
pub struct Images<'py> {
    items: Items<'py>,
    /// Whether the caller holds all of them anyway: then only copies count.
    listed: bool,
    /// Most images of a batch; more only in a list of paths or bytes, which is one batch.
    batch: usize,
    /// Whether EXIF orientation is applied to images of Pillow, as to files.
    orient: bool,
    /// Images taken so far.
    taken: usize,
    ended: bool,
}

enum Items<'py> {
    One(Option<Bound<'py, PyAny>>),
    Many(Bound<'py, PyIterator>),
}

/// The next images of a call: `Err` holds the exception of one that cannot be taken.
pub type Batch = Vec<Result<Image, PyErr>>;

impl<'py> Images<'py> {
    /// Looks at the argument of a call: one image, or any iterable of images.
    ///
    /// # Errors
    /// `TypeError`: neither.
    pub fn new(images: &Bound<'py, PyAny>, batch: usize, orient: bool) -> PyResult<Self> {
        let listed = images.is_instance_of::<PyList>() || images.is_instance_of::<PyTuple>();
        let items = if !listed && is_one(images)? {
            Items::One(Some(images.clone()))
        } else if images.cast::<PyMapping>().is_ok() && !listed {
            return Err(errors::wrong_type("images", None, "a mapping has no order; give a list of its values"));
        } else {
            let iterator = images.try_iter().map_err(|_| {
                let reason = format!("{} is neither an image nor iterable; {}", name_of(images), TAKEN);
                errors::wrong_type("images", None, &reason)
            })?;
            Items::Many(iterator)
        };
        Ok(Images { items, listed, batch: batch.max(1), orient, taken: 0, ended: false })
    }

    /// Whether the argument is one image, not a sequence of them.
    pub fn is_one(&self) -> bool {
        matches!(self.items, Items::One(_))
    }

    /// Whether all were taken.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Takes the next images.
    ///
    /// # Errors
    /// An exception of the iterator.
    pub fn next_batch(&mut self, py: Python<'py>) -> PyResult<Batch> {
        let (mut batch, mut bytes) = (Batch::new(), 0);
        // A list of paths is one batch.
        while bytes < BATCH_BYTES && (batch.len() < self.batch || (self.listed && bytes == 0)) {
            let (item, index) = match &mut self.items {
                Items::One(one) => (one.take(), None),
                Items::Many(iterator) => (iterator.next().transpose()?, Some(self.taken)),
            };
            let Some(item) = item else {
                self.ended = true;
                break;
            };
            self.taken += 1;
            let image = image(&item, index, self.orient);
            if let Ok(image) = &image {
                bytes += image.size(self.listed);
            }
            // Ctrl-C while an image of Pillow was decoded, an exit: no failure of this image.
            if let Err(error) = &image
                && !error.is_instance_of::<PyException>(py)
            {
                return Err(error.clone_ref(py));
            }
            batch.push(image);
        }
        Ok(batch)
    }
}

/// What the messages say is taken.
const TAKEN: &str =
    "an image is a path, the bytes of a file, an image of Pillow, or an array [height, width, 3] of uint8";

fn is_one(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return Ok(matches!(array.ndim(), 2 | 3));
    }
    Ok(object.is_instance_of::<PyString>() || is_buffer(object) || is_path(object)? || is_pillow(object)?)
}

/// Bytes, in whichever type.
fn is_buffer(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
}

fn is_path(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.hasattr("__fspath__")
}

/// Whether this is an image of Pillow. Does not import it: who has such an image has done so.
fn is_pillow(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let modules = object.py().import("sys")?.getattr("modules")?;
    match modules.call_method1("get", ("PIL.Image",))? {
        pillow if pillow.is_none() => Ok(false),
        pillow => object.is_instance(&pillow.getattr("Image")?),
    }
}

/// Takes one image; `index` is its place among those of the call.
fn image(object: &Bound<'_, PyAny>, index: Option<usize>, orient: bool) -> PyResult<Image> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Image::Bytes(bytes.clone().into()));
    }
    if object.is_instance_of::<PyString>() || is_path(object)? {
        return Ok(Image::Path(object.extract()?));
    }
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return pixels(array, index);
    }
    if is_pillow(object)? {
        return pillow(object, index, orient);
    }
    if is_buffer(object) {
        let copy = object.py().get_type::<PyBytes>().call1((object,))?;
        return Ok(Image::Copied(copy.cast::<PyBytes>()?.clone().into()));
    }
    Err(errors::wrong_type("image", index, &format!("{} is no image; {TAKEN}", name_of(object))))
}

/// Copies an array of pixels.
fn pixels(array: &Bound<'_, PyUntypedArray>, index: Option<usize>) -> PyResult<Image> {
    let shape = array.shape().to_vec();
    let refused = || {
        let found = format!("{} {shape:?}", array.dtype());
        let remedy = match shape[..] {
            [1 | 3, _, _] => "; put the channels last with `numpy.moveaxis(image, 0, -1)`",
            [_, _, 4] => "; leave out alpha with `image[..., :3]`",
            [_, _] | [_, _, 1] => "; repeat the grey channel three times",
            _ => "",
        };
        format!("an array of pixels is [height, width, 3] of uint8, found {found}{remedy}")
    };
    let Ok(bytes) = array.cast::<PyArrayDyn<u8>>() else {
        return Err(errors::wrong_type("image", index, &refused()));
    };
    let &[height, width, 3] = &shape[..] else {
        return Err(errors::of_input(array.py(), "ImageError", "image", index, &refused()));
    };
    rgb(array.py(), width, height, memory::copied(bytes, "a copy of the pixels")?, index)
}

/// Converts an image of Pillow to pixels, upright if `orient`.
fn pillow(image: &Bound<'_, PyAny>, index: Option<usize>, orient: bool) -> PyResult<Image> {
    let py = image.py();
    let converted = || -> PyResult<(usize, usize, Vec<u8>)> {
        let mut image = image.clone();
        if orient && image.call_method0("getexif")?.call_method1("get", (ORIENTATION, 1))?.ne(1)? {
            image = py.import("PIL.ImageOps")?.call_method1("exif_transpose", (image,))?;
        }
        let image = image.call_method1("convert", ("RGB",))?;
        let (width, height) = image.getattr("size")?.extract()?;
        let bytes: PyBackedBytes = image.call_method0("tobytes")?.extract()?;
        let mut data = Vec::new();
        memory::reserve(&mut data, bytes.len(), "a copy of the pixels")
            .map_err(|error| errors::exception(py, &error))?;
        data.extend_from_slice(&bytes);
        Ok((width, height, data))
    };
    match converted() {
        Ok((width, height, data)) => rgb(py, width, height, data, index),
        Err(error) if error.is_instance_of::<PyException>(py) && !error.is_instance_of::<PyMemoryError>(py) => {
            let refused = errors::of_input(py, "ImageError", "image", index, &format!("Pillow: {}", error.value(py)));
            refused.set_cause(py, Some(error));
            Err(refused)
        }
        Err(error) => Err(error),
    }
}

/// The tag of EXIF.
const ORIENTATION: u16 = 0x0112;

fn rgb(py: Python<'_>, width: usize, height: usize, data: Vec<u8>, index: Option<usize>) -> PyResult<Image> {
    RgbBuffer::new(width, height, data)
        .map(Image::Rgb)
        .map_err(|error| errors::of_input(py, "ImageError", "image", index, &error.to_string()))
}

/// The type of an object, as messages name it.
fn name_of(object: &Bound<'_, PyAny>) -> String {
    match object.get_type().name() {
        Ok(_) if object.is_none() => "None".to_owned(),
        Ok(name) => format!("an object of type {name}"),
        Err(_) => "this object".to_owned(),
    }
}
