//! What a photo is, and what a model sees of it: for people who wonder why a photo is not found.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::Text;
use crate::cli::args::{Info, Photos};
use crate::cli::messages::{Failure, Messages, Outcome, size};
use crate::cli::model;
use crate::cli::output::{Destination, cannot_write, plain_json, print, same_file};
use crate::photo::{self, Cicp, ColourSource, ColourSpace, Format, Metadata};
use crate::preprocess::PreprocessConfig;

/// Output of `--json`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Summary {
    file: String,
    bytes: u64,
    format: &'static str,
    /// Which code decodes it: `clippie-rs`, or the name of a crate.
    decoder: &'static str,
    /// Pixels in a row and rows, as stored.
    width: usize,
    height: usize,
    /// 1 to 8, as in EXIF.
    orientation: u8,
    upright: [usize; 2],
    taken: Option<String>,
    make: Option<String>,
    camera: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    colours: Colours,
    /// Bytes of the embedded thumbnail.
    thumbnail: Option<usize>,
    /// Seconds that decoding took.
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<PreprocessConfig>,
}

/// What the file states about its colours.
#[derive(Serialize)]
struct Colours {
    /// In words.
    stated: Option<String>,
    /// The description of the ICC profile.
    profile: Option<String>,
    /// Code points of ITU-T H.273: primaries, transfer characteristics, matrix coefficients.
    cicp: Option<[u16; 3]>,
    /// EXIF's tag `ColorSpace`.
    exif: Option<u16>,
    /// What --icc converts from: `profile`, if it is one that can be applied, or `description`.
    converted_from: Option<&'static str>,
}

impl From<&ColourSpace> for Colours {
    fn from(colours: &ColourSpace) -> Self {
        Colours {
            stated: (!colours.is_unknown()).then(|| colours.to_string()),
            profile: colours.profile.clone(),
            cicp: colours.cicp.map(|Cicp { primaries, transfer, matrix, .. }| [primaries, transfer, matrix]),
            exif: colours.exif,
            converted_from: match colours.converted {
                Some(ColourSource::Profile) => Some("profile"),
                Some(ColourSource::Description) => Some("description"),
                None => None,
            },
        }
    }
}

/// Whether the start of a file is that of a picture, also of one that cannot be read.
pub(super) fn is_photo(what: &OsStr) -> bool {
    let mut start = Vec::new();
    let read = File::open(what).and_then(|file| file.take(4096).read_to_end(&mut start));
    let nothing = |error: &photo::Error| matches!(error, photo::Error::NotAnImage { .. } | photo::Error::Empty { .. });
    read.is_ok() && !photo::metadata(&start, "it").is_err_and(|error| nothing(&error))
}

pub(super) fn run(args: &Info, messages: &Messages) -> Result<Outcome, Failure> {
    if args.verify {
        return Err(Failure::Usage("--verify is for weights files".into()));
    }
    let path = Path::new(&args.what);
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Failure::Error(format!("cannot read {name}: {error}")))?;
    let failed = |error: photo::Error| Failure::Error(error.to_string());
    let limits = args.limits.limits();
    let metadata = photo::metadata_within(&bytes, &limits, &name).map_err(failed)?;
    let started = Instant::now();
    photo::decode_within(&bytes, &limits, true, &name).map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    let seen = match &args.output {
        Some(output) => Some(write_seen(args, path, output, messages)?),
        None => None,
    };
    let summary = summary(name, bytes.len() as u64, &metadata, seconds, seen);
    print(&match args.json {
        true => plain_json::pretty(&summary).map_err(|error| Failure::Error(error.to_string()))? + "\n",
        false => describe(&summary),
    })?;
    Ok(Outcome::Complete)
}

fn summary(file: String, bytes: u64, metadata: &Metadata, seconds: f64, seen: Option<PreprocessConfig>) -> Summary {
    let upright = metadata.upright_size();
    Summary {
        file,
        bytes,
        format: metadata.format.name(),
        decoder: decoder(metadata.format),
        width: metadata.width,
        height: metadata.height,
        orientation: metadata.orientation,
        upright: [upright.0, upright.1],
        taken: metadata.taken.map(|taken| taken.to_string()),
        make: metadata.make.clone(),
        camera: metadata.model.clone(),
        latitude: metadata.place.map(|place| place.latitude),
        longitude: metadata.place.map(|place| place.longitude),
        colours: Colours::from(&metadata.colours),
        thumbnail: metadata.thumbnail.clone().map(|range| range.len()),
        seconds,
        seen,
    }
}

/// The code that decodes a format.
fn decoder(format: Format) -> &'static str {
    match format {
        Format::Png => "png",
        Format::Gif => "gif",
        Format::Heic => "heifer-hevc-dec",
        Format::JpegXl => "jxl",
        Format::WebP => "clippie-rs if lossless, image-webp if lossy",
        _ => "clippie-rs",
    }
}

fn describe(summary: &Summary) -> String {
    let mut text = Text(String::new());
    text.line("file", &summary.file);
    text.line("size", &size(summary.bytes));
    text.line("format", summary.format);
    text.line("decoder", &format!("{}, in {:.3} s", summary.decoder, summary.seconds));
    let of = if summary.format == "raw" { "of the preview" } else { "as stored" };
    text.line("pixels", &format!("{} x {}, {of}", summary.width, summary.height));
    let turned = match summary.orientation {
        1 => "upright as stored",
        2 => "mirrored",
        3 => "turned by 180 degrees",
        4 => "flipped",
        5 => "mirrored and turned",
        6 => "turned by 90 degrees clockwise",
        7 => "mirrored and turned the other way",
        _ => "turned by 90 degrees anticlockwise",
    };
    let [across, down] = summary.upright;
    text.line("orientation", &format!("{}: {turned}, then {across} x {down}", summary.orientation));
    // Many models begin with their make.
    let is_said = |make: &&str| !summary.camera.as_deref().is_some_and(|camera| camera.starts_with(make));
    let make = summary.make.as_deref().filter(is_said);
    let camera = [make, summary.camera.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    for (name, value) in [("taken", summary.taken.clone()), ("camera", (!camera.is_empty()).then(|| camera.join(" ")))]
    {
        text.line(name, value.as_deref().unwrap_or("not stated"));
    }
    let place = summary.latitude.zip(summary.longitude).map(|(north, east)| format!("{north:.5}, {east:.5}"));
    text.line("place", place.as_deref().unwrap_or("not stated"));
    if let Some(length) = summary.thumbnail {
        text.line("thumbnail", &size(length as u64));
    }
    let stated = summary.colours.stated.as_deref().unwrap_or("not stated");
    let converted = match summary.colours.converted_from {
        Some("profile") => ", with --icc converted if the profile allows it",
        Some(_) => ", with --icc converted",
        None => "",
    };
    // The others have none.
    let transparency =
        if ["JPEG", "raw"].contains(&summary.format) { "" } else { "; transparency, if there is any, is dropped" };
    text.line("colours", &format!("{stated}; levels are read as sRGB's{converted}{transparency}"));
    if let Some(PreprocessConfig { image_size, resize, interpolation, .. }) = &summary.seen {
        let how = format!("{image_size} x {image_size}, {resize:?}, {interpolation:?}").to_lowercase();
        text.line("seen by the model", &how);
    }
    text.0
}

/// Writes the pixels that a model receives, before they are normalised, as a PNG file.
fn write_seen(args: &Info, photo: &Path, output: &Path, messages: &Messages) -> Result<PreprocessConfig, Failure> {
    let mut out = Destination::open(Some(output)).map_err(|error| cannot_write(Some(output), &error))?;
    let chosen = model::preprocessing(args.model.model.as_deref(), &Photos::default(), messages)?;
    if same_file(output, photo) || same_file(output, chosen.weights.path()) {
        return Err(Failure::Usage(format!("{} is the model or the photo; write to another file", output.display())));
    }
    let config = serde_json::from_value::<PreprocessConfig>(chosen.weights.header().meta.preprocess.clone());
    let config = config.map_err(|error| Failure::Error(format!("the model describes no preprocessing: {error}")))?;
    let encoder = chosen.options.limits(args.limits.limits()).open_weights_image(chosen.weights.clone())?;
    let pixels = encoder.preprocess_image(photo)?;
    let side = config.image_size;
    // From planes to pixels, and back to levels.
    let levels: Vec<u8> = (0..side * side)
        .flat_map(|at| [0, 1, 2].map(|channel| (at, channel)))
        .map(|(at, channel)| {
            let value = f64::from(pixels[[channel, at / side, at % side]]);
            ((value * config.std[channel] + config.mean[channel]) * 255.0).round().clamp(0.0, 255.0) as u8
        })
        .collect();
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, side as u32, side as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&levels));
    written.map_err(|error| Failure::Error(format!("cannot write {}: {error}", output.display())))?;
    out.write_all(&png).and_then(|()| out.commit()).map_err(|error| cannot_write(Some(output), &error))?;
    Ok(config)
}
