//! Pages for people: contact sheets of photos and reports, each one self-contained HTML file.
//!
//! A [`Page`] writes to any [`std::io::Write`] as it is told of sections and cards, so memory stays flat however many
//! there are. The same calls give the same bytes. A page has no scripts and loads nothing: thumbnails are part of it,
//! and its own content security policy forbids any request. Names are hostile: they are escaped everywhere, and links
//! are percent-encoded.
//!
//! ```
//! use clippie_rs::library::sheet::{Card, Head, Page, Section};
//!
//! let head = Head { title: "a dog on a beach", facts: &[("Model", "mobileclip2-s2")], ..Head::default() };
//! let mut page = Page::begin(Vec::new(), &head)?;
//! page.section(&Section { heading: "June 2024", note: "" })?;
//! let mut card = Card::new("/photos/beach.jpg".as_ref());
//! card.cosine = Some(0.287);
//! page.card(&card)?; // without a picture, because none was given
//! let html = page.finish()?;
//! assert!(html.starts_with(b"<!DOCTYPE html>"));
//! # Ok::<(), std::io::Error>(())
//! ```
//! Knows no library, no model and no command: what is shown comes from the caller.

mod card;
mod chart;
mod escape;
mod heat_map;
mod link;
mod numbers;
mod page;
mod table;
#[cfg(test)]
mod tests;
mod thumbnail;

pub use card::{Card, Picture};
pub use chart::{Bars, Lines, Series};
pub use heat_map::HeatMap;
pub use numbers::Number;
#[cfg(feature = "serve")]
pub(crate) use page::STYLE;
pub use page::{Head, Page, Section};
pub use table::{Column, Table};
pub use thumbnail::{THUMBNAIL_SIDE, Thumbnail, thumbnail_jpeg};
