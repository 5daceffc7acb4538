//! Reads the bytes of previews back, as a terminal would.

use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::photo;

const ALL: [Protocol; 6] =
    [Protocol::Kitty, Protocol::Iterm, Protocol::Sixel, Protocol::Blocks, Protocol::Blocks256, Protocol::Shades];

/// Four quarters: red, green, blue, white.
fn quarters(width: usize, height: usize) -> RgbBuffer {
    let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
    let pixel = |at: usize| colours[at / width * 2 / height * 2 + at % width * 2 / width];
    RgbBuffer::new(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
}

fn preview(protocol: Protocol, photo: &RgbBuffer, columns: usize, rows: usize) -> Vec<u8> {
    let mut out = Vec::new();
    protocol.preview(photo, columns, rows, &mut out).unwrap();
    out
}

fn text(protocol: Protocol, photo: &RgbBuffer, columns: usize, rows: usize) -> String {
    String::from_utf8(preview(protocol, photo, columns, rows)).unwrap()
}

/// The pixels that half blocks show: for each line, the upper and the lower colours.
fn read_blocks(text: &str) -> Vec<Vec<[u8; 3]>> {
    let mut rows = Vec::new();
    for line in text.lines() {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        let (mut front, mut behind) = ([0; 3], None);
        let mut rest = line;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("▀") {
                upper.push(front);
                lower.extend(behind);
                rest = after;
            } else {
                let (sequence, after) = rest.strip_prefix("\x1b[").unwrap().split_once('m').unwrap();
                let numbers: Vec<u8> = sequence.split(';').map(|number| number.parse().unwrap()).collect();
                match numbers[..] {
                    [38, 2, r, g, b, 48, 2, x, y, z] => (front, behind) = ([r, g, b], Some([x, y, z])),
                    [38, 2, r, g, b, 49] => (front, behind) = ([r, g, b], None),
                    [0] => assert!(after.is_empty()),
                    _ => panic!("unexpected sequence {sequence}"),
                }
                rest = after;
            }
        }
        rows.push(upper);
        if !lower.is_empty() {
            rows.push(lower);
        }
    }
    rows
}

#[test]
fn half_blocks_are_the_reduced_pixels() {
    for (width, height, columns, rows, shown) in [
        (64, 64, 8, 4, (8, 8)),
        (64, 32, 8, 100, (8, 4)),
        (4, 6, 80, 24, (4, 6)),
        (60, 30, 6, 9, (6, 3)),
        (1, 1, 1, 1, (1, 1)),
    ] {
        let photo = quarters(width, height);
        let read = read_blocks(&text(Protocol::Blocks, &photo, columns, rows));
        assert_eq!((read[0].len(), read.len()), shown);
        let expected = reduce(&photo, shown.0, shown.1);
        assert_eq!(read.concat().as_flattened(), expected.data());
    }
}

#[test]
fn reducing_takes_means() {
    let photo = RgbBuffer::new(4, 1, vec![0, 10, 255, 2, 20, 255, 8, 30, 0, 8, 41, 1]).unwrap();
    assert_eq!(reduce(&photo, 2, 1).data(), [1, 15, 255, 8, 36, 1]);
    assert_eq!(reduce(&photo, 1, 1).data(), [5, 25, 128]);
    assert_eq!(reduce(&photo, 4, 1), photo);
    assert_eq!(reduce(&quarters(7, 5), 3, 2).data().len(), 18);
}

#[test]
fn a_palette_of_256_has_the_nearest_colour() {
    let cases = [
        ([0, 0, 0], 16),
        ([255, 255, 255], 231),
        ([255, 0, 0], 196),
        ([128, 128, 128], 244),
        ([8, 8, 8], 232),
        ([95, 135, 175], 67),
        ([238, 238, 238], 255),
    ];
    for (colour, index) in cases {
        assert_eq!(blocks::nearest(48, colour), format!("48;5;{index}"), "{colour:?}");
    }
}

#[test]
fn shades_have_no_sequences() {
    assert_eq!(text(Protocol::Shades, &quarters(4, 4), 4, 2), "░░▒▒\n  ██\n");
}

#[test]
fn kitty_gets_every_pixel_in_chunks() {
    let photo = quarters(120, 90);
    let out = text(Protocol::Kitty, &photo, 40, 10);
    let mut pixels = Vec::new();
    let sequences: Vec<&str> = out.strip_suffix('\n').unwrap().split_terminator("\x1b\\").collect();
    for (at, sequence) in sequences.iter().enumerate() {
        let (keys, data) = sequence.strip_prefix("\x1b_G").unwrap().split_once(';').unwrap();
        assert!(data.len() <= 4096 && keys.contains("q=2"));
        assert!(keys.ends_with(if at + 1 == sequences.len() { "m=0" } else { "m=1" }), "{keys}");
        assert_eq!(keys.starts_with("a=T,f=24,q=2,s=120,v=90,r=5,"), at == 0, "{keys}");
        pixels.extend(STANDARD.decode(data).unwrap());
    }
    assert_eq!(pixels, photo.data());
    assert!(sequences.len() > 1);
}

#[test]
fn iterm_gets_a_jpeg() {
    let out = text(Protocol::Iterm, &quarters(640, 640), 20, 5);
    let (keys, data) =
        out.strip_prefix("\x1b]1337;File=").unwrap().strip_suffix("\x07\n").unwrap().split_once(':').unwrap();
    let jpeg = STANDARD.decode(data).unwrap();
    assert_eq!(keys, format!("inline=1;size={};width=10;height=5;preserveAspectRatio=1", jpeg.len()));
    let decoded = photo::decode(&jpeg, true, "preview").unwrap();
    assert_eq!((decoded.width(), decoded.height()), (160, 160));
}

/// Draws sixels.
fn read_sixels(text: &str) -> (usize, usize, Vec<[u8; 3]>) {
    let body = text.strip_prefix("\x1bP0;1q\"1;1;").unwrap().strip_suffix("\x1b\\\n").unwrap();
    let (size, body) = body.split_at(body.find('#').unwrap());
    let (width, height) = size.split_once(';').unwrap();
    let (width, height): (usize, usize) = (width.parse().unwrap(), height.parse().unwrap());
    let mut pixels = vec![None; width * height];
    let mut palette = std::collections::HashMap::new();
    let (mut x, mut y, mut colour) = (0, 0, 0);
    let mut rest = body.chars().peekable();
    fn number(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.parse().unwrap()
    }
    while let Some(c) = rest.next() {
        let mut draw = |sixel: char, count: usize| {
            for bit in (0..6).filter(|bit| (sixel as u32 - 63) >> bit & 1 == 1) {
                for x in x..x + count {
                    let pixel: &mut Option<[u8; 3]> = &mut pixels[(y + bit) * width + x];
                    assert!(pixel.is_none(), "a pixel was drawn twice");
                    *pixel = Some(palette[&colour]);
                }
            }
            x += count;
        };
        match c {
            '#' => {
                colour = number(&mut rest);
                if rest.next_if_eq(&';').is_some() {
                    let mut values = [0; 3];
                    assert_eq!(number(&mut rest), 2);
                    for value in &mut values {
                        assert_eq!(rest.next(), Some(';'));
                        *value = (number(&mut rest) * 255 / 100) as u8;
                    }
                    palette.insert(colour, values);
                }
            }
            '!' => {
                let count = number(&mut rest);
                draw(rest.next().unwrap(), count);
            }
            '$' => x = 0,
            '-' => (x, y) = (0, y + 6),
            '?'..='~' => draw(c, 1),
            _ => panic!("unexpected {c:?}"),
        }
    }
    (width, height, pixels.into_iter().map(|pixel| pixel.expect("a pixel was not drawn")).collect())
}

#[test]
fn sixels_draw_every_pixel_once_in_nearly_its_colour() {
    for (width, height) in [(100, 80), (20, 13), (1, 1), (3, 7)] {
        let photo = quarters(width, height);
        let (read_width, read_height, pixels) = read_sixels(&text(Protocol::Sixel, &photo, 80, 24));
        assert_eq!((read_width, read_height), (width, height));
        for (read, pixel) in pixels.as_flattened().iter().zip(photo.data()) {
            assert!(read.abs_diff(*pixel) <= 12, "{read} instead of {pixel}");
        }
    }
}

#[test]
fn previews_keep_within_their_cells_and_end_their_line() {
    for (width, height) in [(1, 1), (3000, 10), (10, 3000), (641, 479)] {
        let photo = quarters(width, height);
        for protocol in ALL {
            assert_eq!(preview(protocol, &photo, 0, 5), b"");
            assert_eq!(preview(protocol, &photo, 5, 0), b"");
            let out = text(protocol, &photo, 30, 8);
            assert!(out.ends_with('\n'));
            assert!(out.lines().count() <= 8, "{protocol:?}");
            assert_eq!(out, text(protocol, &photo, 30, 8));
        }
        for (columns, rows) in [(30, 8), (1, 1), (usize::MAX, usize::MAX)] {
            let size = Size::fit(&photo, columns, rows, 10);
            assert!((1..=columns).contains(&size.columns) && (1..=rows).contains(&size.rows));
            assert!(size.width <= width && size.height <= height);
        }
    }
}

#[test]
fn terminals_are_known_by_their_variables() {
    let cases: [(&[(&str, &str)], Protocol); 20] = [
        (&[("TERM", "xterm-kitty")], Protocol::Kitty),
        (&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")], Protocol::Kitty),
        (&[("TERM", "xterm-ghostty"), ("NO_COLOR", "1")], Protocol::Kitty),
        (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")], Protocol::Iterm),
        (&[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")], Protocol::Iterm),
        (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], Protocol::Iterm),
        (&[("TERM", "foot")], Protocol::Sixel),
        (&[("TERM", "xterm-256color"), ("KONSOLE_VERSION", "230804")], Protocol::Sixel),
        (&[("TERM", "xterm-256color"), ("KONSOLE_VERSION", "211203")], Protocol::Blocks256),
        (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Protocol::Blocks),
        (&[("TERM", "xterm-direct")], Protocol::Blocks),
        (&[("WT_SESSION", "x")], Protocol::Blocks),
        (&[("TERM", "xterm-256color")], Protocol::Blocks256),
        // tmux keeps variables of the terminal that it was started in.
        (&[("TERM", "tmux-256color"), ("TMUX", "/tmp/x"), ("KITTY_WINDOW_ID", "1")], Protocol::Blocks256),
        (&[("TERM", "screen-256color"), ("COLORTERM", "truecolor")], Protocol::Blocks),
        (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], Protocol::Shades),
        (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Protocol::Blocks256),
        (&[("TERM", "dumb"), ("COLORTERM", "truecolor")], Protocol::Shades),
        (&[("TERM", "dumb"), ("KITTY_WINDOW_ID", "1")], Protocol::Shades),
        (&[], Protocol::Shades),
    ];
    for (variables, protocol) in cases {
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| OsString::from(value));
        assert_eq!(Protocol::detect(variable), protocol, "{variables:?}");
    }
}
