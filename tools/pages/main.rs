//! Writes what `.ci/pages` looks at in a browser: a contact sheet of photos under odd names, duplicates and an empty
//! sheet; and photos, data sets and labels under odd names, of which the command makes further pages.
//!
//! ```text
//! cargo run --example pages -- OUT
//! ```
//! OUT gets folders of photos, pages, and `expected.json`: what a browser has to find in it.

mod datasets;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use clippie_rs::library::sheet::{Card, Head, Page, Picture, Section, THUMBNAIL_SIDE, thumbnail_jpeg};
use clippie_rs::{RgbBuffer, photo};

/// A photo of the sheets.
struct Photo {
    path: PathBuf,
    /// The thumbnail and its sides, or why there is none.
    thumbnail: Result<(Vec<u8>, usize, usize), &'static str>,
    pixels: (u64, u64),
    bytes: u64,
    caption: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: pages OUT")?);
    let drawings = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/drawings");
    fs::create_dir_all(out.join("photos/2024/a long trip & back"))?;
    let out = out.canonicalize()?;
    let photos = photos(&out, &drawings)?;
    contact_sheet(&out, &photos)?;
    duplicates(&out, &photos)?;
    let head = Head { title: "a submarine made of cheese", facts: &[("Model", "demo")], ..Head::default() };
    let mut page = Page::begin(create(&out.join("nothing.html"))?, &head)?;
    page.nothing("Nothing fits among 36 photos. Add --all to see the nearest ones.")?;
    page.finish()?;
    datasets::write(&out)?;
    fs::create_dir_all(out.join("photos/copies"))?;
    fs::copy(&photos[0].path, out.join("photos/copies/of the beach.jpg"))?;
    let pictures = photos.iter().filter(|photo| photo.thumbnail.is_ok()).count();
    let sheets = [("sheet", pictures), ("duplicates", 5), ("nothing", 0), ("found", 12), ("similar", 8), ("copies", 4)];
    let reports = ["none", "shapes", "many", "captions", "models"].map(|name| (name, 0));
    let expected: Vec<String> =
        sheets.iter().chain(&reports).map(|(name, pictures)| format!("\"{name}.html\": {pictures}")).collect();
    fs::write(out.join("expected.json"), format!("{{{}}}\n", expected.join(", ")))?;
    Ok(())
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path)?))
}

/// Reduces the drawings and photos of the examples, and tall and wide parts of them, under odd names.
fn photos(out: &Path, drawings: &Path) -> Result<Vec<Photo>, Box<dyn std::error::Error>> {
    let captions = fs::read_to_string(drawings.join("captions.txt"))?;
    let captions: Vec<&str> = captions.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
    let mut pictures: Vec<PathBuf> = fs::read_dir(drawings.with_file_name("photos"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    pictures.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    pictures.sort();
    let mut photos = Vec::new();
    for (at, name) in names().into_iter().enumerate() {
        let drawn = drawings.join(format!("{:02}.png", at % 36 + 1));
        let source = if at % 3 == 1 { &pictures[at / 3 % pictures.len()] } else { &drawn };
        let photo = photo::decode(&fs::read(source)?, true, "source")?;
        let part = match at % 9 {
            2 => part(&photo, 0.62, 1.0),
            5 => part(&photo, 1.0, 0.56),
            7 => part(&photo, 0.2, 1.0),
            8 => part(&photo, 1.0, 0.15),
            _ => part(&photo, 1.0, 0.75),
        };
        let reduced = reduce(&part, THUMBNAIL_SIDE);
        let jpeg = thumbnail_jpeg(&reduced)?;
        let folder = if at % 4 == 3 { "photos/2024/a long trip & back" } else { "photos" };
        let path = out.join(folder).join(&name);
        // The page has to be right for names that this file system refuses, too.
        if fs::write(&path, &jpeg).is_err() {
            eprintln!("the file system refuses {}", path.display());
        }
        photos.push(Photo {
            path,
            thumbnail: match at {
                4 => Err("the drive is not connected"),
                9 => Err("it is a jpeg file whose data ends after 1,024 of 3,145,728 bytes, in the middle of a scan"),
                _ => Ok((jpeg, reduced.width(), reduced.height())),
            },
            pixels: (part.width() as u64, part.height() as u64),
            bytes: 4_182_331 - at as u64 * 91_733,
            caption: captions.get(at % 36).copied().unwrap_or_default().to_owned(),
        });
    }
    Ok(photos)
}

/// Names that people and cameras give, and names that break pages.
fn names() -> Vec<OsString> {
    let mut names: Vec<OsString> = [
        "beach.jpg",
        "IMG_20240601_123042.jpg",
        "Geburtstagsfeier mit Großeltern und Überraschungsgästen im Schrebergarten.jpg",
        "שלום עולם.jpg",
        "unplugged.jpg",
        "<script>document.title='broken'.jpg",
        "\"quotes\" & 'apostrophes' onerror=alert(1).jpg",
        "صورة من الشاطئ ٢٠٢٤.jpg",
        "#hash ?query %41 +plus;semi:colon.jpg",
        "damaged.jpg",
        "写真アルバム・海辺の夕暮れ・家族旅行.jpg",
        "line\nfeed\ttab\u{1b}[31mred.jpg",
        "right\u{202e}gpj.to.left",
        "👨‍👩‍👧‍👦 family.jpg",
        "--> <img src=x onerror=alert(1)><h1>out.jpg",
    ]
    .into_iter()
    .map(OsString::from)
    .collect();
    names.push(format!("{}.jpg", "unbroken".repeat(30)).into());
    #[cfg(unix)]
    names.push(std::os::unix::ffi::OsStringExt::from_vec(b"not utf-8 \xff\xfe.jpg".to_vec()));
    names.extend((names.len()..36).map(|at| format!("DSC_{:04}.jpg", 4100 + at * 7).into()));
    names
}

fn contact_sheet(out: &Path, photos: &[Photo]) -> io::Result<()> {
    let count = format!("{} of 12,480 photos", photos.len());
    let head = Head {
        title: "a red ball and \"something <blue>\" on grass",
        facts: &[("Model", "demo"), ("Found", &count), ("Since", "2024-01-01"), ("", "in 31 ms")],
        folder: Some(out),
    };
    let mut page = Page::begin(create(&out.join("sheet.html"))?, &head)?;
    for (at, photo) in photos.iter().enumerate() {
        let date = format!("2024-06-{:02} 12:{:02}", at % 28 + 1, at * 7 % 60);
        let mut card = card(photo);
        card.score = Some(0.97 - at as f32 * 0.02);
        card.cosine = Some(0.31 - at as f32 * 0.004);
        card.date = Some(&date);
        page.card(&card)?;
    }
    page.finish().map(drop)
}

fn duplicates(out: &Path, photos: &[Photo]) -> io::Result<()> {
    let library = format!("/home/me/{}/photos", "unbroken".repeat(20));
    let head = Head {
        title: "Duplicates",
        facts: &[("Library", &library), ("Groups", "2"), ("Could be freed", "8.1 MB")],
        folder: None,
    };
    let mut page = Page::begin(create(&out.join("duplicates.html"))?, &head)?;
    page.paragraph("Nothing was deleted. In each group the photo to keep comes first: the one with the most pixels.")?;
    let long = format!("The same scene: {}", "unbroken".repeat(40));
    for (heading, group) in [("The same picture, saved again", 0..3), (long.as_str(), 5..7)] {
        let note = format!("{} photos within 4 seconds", group.len());
        page.section(&Section { heading, note: &note })?;
        let first = group.start;
        for at in group {
            let mut card = card(&photos[at]);
            card.mark = (at == first).then_some("keep");
            let captions = [photos[at].caption.as_str(), "turned by 90 degrees"];
            card.captions = &captions[..if at == first { 1 } else { 2 }];
            page.card(&card)?;
        }
    }
    page.finish().map(drop)
}

fn card(photo: &Photo) -> Card<'_> {
    let mut card = Card::new(&photo.path);
    match &photo.thumbnail {
        Ok((bytes, width, height)) => card.picture = Picture::Jpeg { bytes, width: *width, height: *height },
        Err(reason) => card.picture = Picture::Missing(reason),
    }
    card.pixels = photo.thumbnail.is_ok().then_some(photo.pixels);
    card.bytes = Some(photo.bytes);
    card
}

/// The middle of a photo, as large as the shares of its sides.
fn part(photo: &RgbBuffer, across: f64, down: f64) -> RgbBuffer {
    let side = |full: usize, share: f64| ((full as f64 * share) as usize).clamp(1, full);
    let (width, height) = (side(photo.width(), across), side(photo.height(), down));
    let (x, y) = ((photo.width() - width) / 2, (photo.height() - height) / 2);
    let rows = photo.data().chunks(photo.width() * 3).skip(y).take(height);
    let data = rows.flat_map(|row| &row[x * 3..][..width * 3]).copied().collect();
    RgbBuffer::new(width, height, data).expect("a part has its pixels")
}

/// Reduces a photo to a longest side by means over boxes.
fn reduce(photo: &RgbBuffer, side: usize) -> RgbBuffer {
    let (width, height) = (photo.width(), photo.height());
    let scale = (width.max(height) as f64 / side as f64).max(1.0);
    let new = |full: usize| ((full as f64 / scale).round() as usize).max(1);
    let (new_width, new_height) = (new(width), new(height));
    let mut data = Vec::with_capacity(new_width * new_height * 3);
    for y in 0..new_height {
        let rows = y * height / new_height..((y + 1) * height / new_height).max(y * height / new_height + 1);
        for x in 0..new_width {
            let columns = x * width / new_width..((x + 1) * width / new_width).max(x * width / new_width + 1);
            for channel in 0..3 {
                let levels = rows.clone().flat_map(|y| columns.clone().map(move |x| (y * width + x) * 3 + channel));
                let count = rows.len() * columns.len();
                let sum: usize = levels.map(|at| usize::from(photo.data()[at])).sum();
                data.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    RgbBuffer::new(new_width, new_height, data).expect("a reduced photo has its pixels")
}
