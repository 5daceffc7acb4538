//! Pages as a whole: well-formed whatever the names are, written as they go, the same every time.

use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Texts that break pages.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)",
    "</title></style></li></ul><h1>",
    "]]>--><!-- &lt; &#0; &",
    "\u{202e}gpj.exe\u{2066}\0\x1b[2J\n\r\u{85}\u{2028}",
    "שלום صورة 写真 👨‍👩‍👧‍👦",
];

/// An element of a page: its name and attributes.
#[derive(Debug, PartialEq)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// What a strict reader finds in a page: its elements in order and its texts, with references resolved.
struct Read {
    elements: Vec<Element>,
    texts: Vec<String>,
}

impl Read {
    fn all(&self, name: &str) -> Vec<&Element> {
        self.elements.iter().filter(|element| element.name == name).collect()
    }
}

fn resolve(text: &str) -> String {
    let mut resolved = text.to_owned();
    for (reference, c) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")] {
        resolved = resolved.replace(reference, c);
    }
    assert_eq!(resolved.matches('&').count(), resolved.matches("&amp;").count(), "{text}");
    resolved.replace("&amp;", "&")
}

/// Reads a page. Panics if elements do not nest, an attribute is not quoted, or a control character is in the page.
fn read(html: &[u8]) -> Read {
    let html = std::str::from_utf8(html).unwrap();
    assert!(!html.contains(|c: char| c.is_control() && c != '\n'));
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    let (mut elements, mut texts, mut open) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((text, after)) = rest.split_once('<') {
        assert!(!text.contains('>') || open.last() == Some(&"style"), "{text}");
        if !text.trim().is_empty() && open.last() != Some(&"style") {
            texts.push(resolve(text.trim()));
        }
        if let Some(after) = after.strip_prefix('/') {
            let (name, after) = after.split_once('>').unwrap();
            assert_eq!(open.pop(), Some(name));
            rest = after;
            continue;
        }
        let (name, mut after) = after.split_at(after.find([' ', '>', '/']).unwrap());
        let mut attributes = Vec::new();
        while let Some(attribute) = after.strip_prefix(' ') {
            let end = attribute.find(['=', '>', ' ']).unwrap();
            let (key, value) = attribute.split_at(end);
            let Some(quoted) = value.strip_prefix("=\"") else {
                assert_eq!(key, "hidden");
                attributes.push((key.to_owned(), String::new()));
                after = value;
                continue;
            };
            let (value, end) = quoted.split_once('"').unwrap();
            assert!(!value.contains(['<', '>']), "{value}");
            attributes.push((key.to_owned(), resolve(value)));
            after = end;
        }
        let closed = after.strip_prefix("/>");
        let void = ["meta", "link", "img"].contains(&name);
        if closed.is_none() && !void {
            open.push(name);
        }
        rest = closed.or_else(|| after.strip_prefix('>')).unwrap();
        elements.push(Element { name: name.to_owned(), attributes });
    }
    assert!(open.is_empty(), "{open:?}");
    Read { elements, texts }
}

/// A page with every part, in which every text is `text`.
fn everything(text: &str) -> Vec<u8> {
    let head = Head { title: text, facts: &[(text, text), ("", text)], folder: None };
    let mut page = Page::begin(Vec::new(), &head).unwrap();
    page.paragraph(text).unwrap();
    page.section(&Section { heading: text, note: text }).unwrap();
    let mut card = Card::new(Path::new(text));
    card.picture = Picture::Jpeg { bytes: &[0xff, 0xd8], width: 3, height: 4 };
    (card.score, card.cosine, card.date, card.mark) = (Some(0.5), Some(-0.1), Some(text), Some(text));
    (card.pixels, card.bytes) = (Some((4000, 3000)), Some(3_140_000));
    let captions = [text, text];
    card.captions = &captions;
    page.card(&card).unwrap();
    card.picture = Picture::Missing(text);
    page.card(&card).unwrap();
    page.numbers(&[Number { name: text, value: text, note: text }, Number { name: text, value: text, note: "" }])
        .unwrap();
    let table = Table {
        caption: text.to_owned(),
        columns: vec![Column::words(text), Column::numbers(text)],
        rows: vec![vec![text.to_owned(); 2]; 2],
        marked: Some(1),
    };
    page.table(&table).unwrap();
    page.section(&Section { heading: text, note: "" }).unwrap();
    let names = vec![text.to_owned(); 2];
    let values = vec![0.0, f32::NAN, 0.5, 1.0];
    page.heat_map(&HeatMap {
        title: text.to_owned(),
        rows: names.clone(),
        columns: names,
        values,
        ..HeatMap::default()
    })
    .unwrap();
    let series = |points| Series { name: text.to_owned(), points };
    page.lines(&Lines {
        title: text.to_owned(),
        x: text.to_owned(),
        y: text.to_owned(),
        log_x: true,
        series: vec![series(vec![(0.1, 1.0), (10.0, 2.0)]), series(vec![])],
        marker: Some((1.0, text.to_owned())),
    })
    .unwrap();
    let bars = vec![(text.to_owned(), 1.0), (text.to_owned(), f64::NAN)];
    page.bars(&Bars { title: text.to_owned(), bars, ..Bars::default() }).unwrap();
    page.nothing(text).unwrap();
    page.finish().unwrap()
}

#[test]
fn no_text_changes_the_structure_of_a_page() {
    let plain = read(&everything("plain"));
    let names = |read: &Read| read.elements.iter().map(|element| element.name.clone()).collect::<Vec<_>>();
    for text in HOSTILE {
        let html = everything(text);
        let hostile = read(&html);
        // Cards without a folder or with one differ in a paragraph.
        let without_folder = |read: &Read| {
            let mut kept = Vec::new();
            let mut elements = read.elements.iter();
            while let Some(element) = elements.next() {
                match element.get("class") {
                    Some("folder") => assert_eq!(elements.next().unwrap().name, "bdi"),
                    _ => kept.push(element.name.clone()),
                }
            }
            kept
        };
        assert_eq!(without_folder(&hostile), without_folder(&plain), "{text:?}");
        assert!(!names(&hostile).contains(&"script".to_owned()));
        assert_eq!(html, everything(text));
    }
    // What is empty is left out.
    assert!(read(&everything("")).elements.len() < plain.elements.len());
    let read = read(&everything("<i>&amp;'\""));
    assert!(read.texts.iter().filter(|text| *text == "<i>&amp;'\"").count() > 10, "{:?}", read.texts);
    assert_eq!(read.all("img")[0].get("alt"), Some("<i>&amp;'\""));
}

#[test]
fn elements_that_people_and_readers_need_are_there() {
    let read = read(&everything("word"));
    assert_eq!(read.all("html")[0].get("lang"), Some("en"));
    // Of the page, and of each cell.
    assert_eq!(read.all("title").len(), 1 + 4);
    let policy = read.all("meta").into_iter().find(|meta| meta.get("http-equiv").is_some()).unwrap();
    assert!(policy.get("content").unwrap().starts_with("default-src 'none'; img-src data:;"));
    let scopes: Vec<_> = read.all("th").into_iter().map(|header| header.get("scope").unwrap()).collect();
    assert_eq!(scopes, ["col", "col", "row", "row", "row", "row"]);
    // Every label refers to an element, and no two have the same name.
    let mut ids: Vec<_> = read.elements.iter().filter_map(|element| element.get("id")).collect();
    for element in &read.elements {
        assert!(element.get("aria-labelledby").is_none_or(|id| ids.contains(&id)), "{element:?}");
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (4, 4));
    for word in ["50%", "cosine -0.100", "4000 × 3000", "3.1 MB", "No picture"] {
        assert!(read.texts.iter().any(|text| text == word), "{word}: {:?}", read.texts);
    }
}

#[test]
fn a_thumbnail_is_part_of_the_page_and_links_to_its_file() {
    for len in [0, 1, 2, 3, 1000] {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 7 % 256) as u8).collect();
        let mut card = Card::new(Path::new("/photos/a b.jpg"));
        card.picture = Picture::Jpeg { bytes: &bytes, width: 240, height: 320 };
        let head = Head { folder: Some(Path::new("/photos")), ..Head::default() };
        let mut page = Page::begin(Vec::new(), &head).unwrap();
        page.card(&card).unwrap();
        let read = read(&page.finish().unwrap());
        let image = read.all("img")[0];
        let data = image.get("src").unwrap().strip_prefix("data:image/jpeg;base64,").unwrap();
        assert_eq!(STANDARD.decode(data).unwrap(), bytes);
        assert_eq!((image.get("alt"), image.get("style")), (Some("a b.jpg"), Some("width:75.0%")));
        assert_eq!(read.all("a")[0].get("href"), Some("a%20b.jpg"));
    }
}

#[test]
fn a_score_that_is_no_number_is_not_shown() {
    for (score, cosine) in [(Some(f32::NAN), Some(f32::INFINITY)), (None, None)] {
        let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
        let mut card = Card::new(Path::new("a.jpg"));
        (card.score, card.cosine) = (score, cosine);
        page.card(&card).unwrap();
        let read = read(&page.finish().unwrap());
        assert!(read.elements.iter().all(|element| !matches!(element.get("class"), Some("score" | "bar"))));
    }
    let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
    let mut card = Card::new(Path::new("a.jpg"));
    card.score = Some(7.0);
    page.card(&card).unwrap();
    assert!(read(&page.finish().unwrap()).texts.contains(&"100%".to_owned()));
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf8_is_shown_and_linked() {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"/p/\xff.jpg"));
    let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
    page.card(&Card::new(path)).unwrap();
    let read = read(&page.finish().unwrap());
    assert_eq!(read.all("a")[0].get("href"), Some("file:///p/%FF.jpg"));
    assert!(read.texts.contains(&"\u{fffd}.jpg".to_owned()));
}

#[test]
fn cards_are_written_as_they_come() {
    let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
    let bytes = vec![7; 4000];
    for at in 1..=300 {
        let path = format!("{at}.jpg");
        let mut card = Card::new(Path::new(&path));
        card.picture = Picture::Jpeg { bytes: &bytes, width: 4, height: 3 };
        page.card(&card).unwrap();
        assert!(page.out.ends_with(b"</li>\n"));
        assert!(page.out.len() > at * 5333);
    }
    assert_eq!(read(&page.finish().unwrap()).all("li").len(), 300);
}

/// Refuses everything after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_comes() {
    let write = |room: usize| {
        let mut page = Page::begin(Full(room), &Head::default())?;
        let mut card = Card::new(Path::new("a.jpg"));
        card.picture = Picture::Jpeg { bytes: &[1; 99], width: 1, height: 1 };
        page.card(&card)?;
        page.finish().map(|out| room - out.0)
    };
    let whole = write(usize::MAX).unwrap();
    assert_eq!(write(whole).unwrap(), whole);
    for room in (0..whole).step_by(7) {
        assert_eq!(write(room).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn misshapen_tables_and_heat_maps_are_refused() {
    let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
    let table = Table { columns: vec![Column::words("a")], rows: vec![vec![]], ..Table::default() };
    assert_eq!(page.table(&table).unwrap_err().to_string(), "row 0 of a table has 0 cells for 1 columns");
    let map = HeatMap { rows: vec![String::new()], values: vec![1.0], ..HeatMap::default() };
    assert_eq!(page.heat_map(&map).unwrap_err().to_string(), "a heat map of 1 rows and 0 columns has 1 values");
}

#[test]
fn heat_maps_from_none_to_a_hundred_classes_have_a_cell_for_each_value() {
    for (rows, columns) in [(0, 0), (1, 1), (2, 2), (3, 16), (17, 2), (100, 100)] {
        let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
        let names = |count: usize| (0..count).map(|at| format!("class {at}")).collect::<Vec<_>>();
        let values = (0..rows * columns).map(|at| at as f32 / 100.0).collect();
        let map = HeatMap { rows: names(rows), columns: names(columns), values, decimals: 2, ..HeatMap::default() };
        page.heat_map(&map).unwrap();
        page.heat_map(&map).unwrap();
        let html = page.finish().unwrap();
        let read = read(&html);
        assert_eq!(read.all("rect").len(), 2 * rows * columns);
        // The colours are written once.
        assert_eq!(read.all("style").len(), 2);
        // Numbers are printed where there is room for them.
        let printed = read.all("text").into_iter().filter(|text| text.get("class").is_some()).count();
        assert_eq!(printed, if rows.max(columns) <= 16 { 2 * rows * columns } else { 0 });
    }
}

#[test]
fn charts_of_odd_numbers_have_finite_positions() {
    let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-300, 1e300, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1.0, 1.0];
    let all: Vec<_> = odd.iter().flat_map(|&x| odd.map(|y| (x, y))).collect();
    for points in [vec![], vec![(2.0, 3.0)], vec![(0.0, 0.0)], vec![(1.0, f64::MAX), (2.0, f64::MIN)], all] {
        for log_x in [false, true] {
            let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
            let series = vec![Series { name: String::new(), points: points.clone() }];
            let marker = Some((f64::NAN, "nowhere".to_owned()));
            page.lines(&Lines { series, log_x, marker, ..Lines::default() }).unwrap();
            let bars = points.iter().map(|point| ("bar".to_owned(), point.1)).collect();
            page.bars(&Bars { bars, ..Bars::default() }).unwrap();
            let html = page.finish().unwrap();
            let read = read(&html);
            let body = String::from_utf8(html).unwrap();
            let body = body.split_once("<body>").unwrap().1;
            assert!(!body.contains("NaN") && !body.contains("inf"), "{points:?}");
            assert!(read.all("text").len() <= 40, "{}", read.all("text").len());
            for line in read.all("polyline") {
                for number in line.get("points").unwrap().split([' ', ',']).filter(|number| !number.is_empty()) {
                    assert!((0.0..=640.0).contains(&number.parse::<f64>().unwrap()));
                }
            }
        }
    }
}

#[test]
fn axes_have_round_ticks() {
    let labels = |points: Vec<(f64, f64)>, log_x| {
        let mut page = Page::begin(Vec::new(), &Head::default()).unwrap();
        let series = vec![Series { name: String::new(), points }];
        page.lines(&Lines { series, log_x, ..Lines::default() }).unwrap();
        let read = read(&page.finish().unwrap());
        read.texts.into_iter().filter(|text| text.parse::<f64>().is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(
        labels(vec![(0.0, 0.013), (3.0, 0.247)], false),
        ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0", "1", "2", "3"]
    );
    assert_eq!(labels(vec![(0.1, 0.0), (10.0, 1.0)], true)[6..], ["0.1", "0.2", "0.5", "1", "2", "5", "10"]);
}
