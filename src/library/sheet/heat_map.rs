//! A matrix of numbers as colours, in SVG: confusion of classes, similarities.

use std::io::{self, Write};

use super::escape::{Short, Text};
use super::page::Page;

/// Steps of the colour scale: the difference between neighbours is just visible.
const LEVELS: usize = 32;
/// Longest label in characters.
const MAX_LABEL: usize = 24;
/// Estimated width of a character of 11 pixels' size: of an ASCII character, and of any other.
const CHARACTER: [f64; 2] = [6.2, 11.0];

/// A matrix shown as colours. Up to about a hundred rows and columns remain readable.
#[derive(Clone, Debug, Default)]
pub struct HeatMap {
    /// What the matrix shows.
    pub title: String,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The numbers: `[rows, columns]`. One that is not finite leaves its cell empty.
    pub values: Vec<f32>,
    /// The numbers at both ends of the colour scale; without, the smallest and the largest.
    pub range: Option<(f32, f32)>,
    /// Decimals of the numbers.
    pub decimals: usize,
}

impl HeatMap {
    /// The ends of the colour scale; of a matrix without numbers, 0 and 1.
    fn scale(&self) -> (f32, f32) {
        let finite = || self.values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = self
            .range
            .filter(|(low, high)| low.is_finite() && high.is_finite())
            .unwrap_or_else(|| (finite().reduce(f32::min).unwrap_or(0.0), finite().reduce(f32::max).unwrap_or(1.0)));
        (low.min(high), low.max(high))
    }
}

/// Side of a cell in pixels, for the longer side of a matrix.
fn cell_side(count: usize) -> usize {
    match count {
        0..=8 => 48,
        9..=16 => 38,
        17..=40 => 20,
        _ => 12,
    }
}

/// Estimated width of a label in pixels.
fn width(label: &str) -> f64 {
    label.chars().take(MAX_LABEL).map(|c| CHARACTER[usize::from(!c.is_ascii())]).sum()
}

/// Width of the widest label in pixels.
fn widest(labels: &[String]) -> f64 {
    labels.iter().map(|label| width(label)).fold(0.0, f64::max)
}

impl<W: Write> Page<'_, W> {
    /// Adds a heat map, which scrolls inside its own box where the page is narrower than it.
    ///
    /// Numbers stand in the cells of up to 16 rows and columns, and appear under the pointer for each cell.
    ///
    /// # Errors
    /// The output cannot be written, or there are not `rows · columns` values.
    pub fn heat_map(&mut self, map: &HeatMap) -> io::Result<()> {
        let (rows, columns) = (map.rows.len(), map.columns.len());
        if rows.checked_mul(columns) != Some(map.values.len()) {
            let values = map.values.len();
            let message = format!("a heat map of {rows} rows and {columns} columns has {values} values");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.end_cards()?;
        self.figures += 1;
        let number = self.figures;
        let title = Text(&map.title);
        write!(
            self.out,
            "<figure class=\"heat\">\n<figcaption id=\"f{number}\">{title}</figcaption>\n\
             <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"f{number}\">\n"
        )?;
        self.svg(map, number)?;
        let (low, high) = map.scale();
        let decimals = map.decimals;
        writeln!(
            self.out,
            "</div>\n<p class=\"legend\"><span>{low:.decimals$}</span><i></i><span>{high:.decimals$}</span></p>\n</figure>"
        )
    }

    fn svg(&mut self, map: &HeatMap, number: usize) -> io::Result<()> {
        let (rows, columns) = (map.rows.len(), map.columns.len());
        let side = cell_side(rows.max(columns));
        let decimals = map.decimals;
        let (low, high) = map.scale();
        // Labels of columns rise to the right at 45 degrees.
        let rise = widest(&map.columns) * std::f64::consts::FRAC_1_SQRT_2 + 10.0;
        let (left, top) = (widest(&map.rows) + 10.0, rise + 6.0);
        let (width, height) = (left + (columns * side) as f64 + rise, top + (rows * side) as f64 + 1.0);
        writeln!(
            self.out,
            "<svg class=\"k{side}\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
             aria-labelledby=\"f{number}\">\n<desc>{rows} rows, {columns} columns, {low:.decimals$} to {high:.decimals$}</desc>"
        )?;
        if !std::mem::replace(&mut self.heat_colours, true) {
            write_colours(&mut self.out)?;
        }
        let out = &mut self.out;
        let half = side as f64 / 2.0;
        for (at, label) in map.columns.iter().enumerate() {
            let (x, y) = (left + (at * side) as f64 + half, top - 6.0);
            let label = Short(label, MAX_LABEL);
            writeln!(out, "<text transform=\"translate({x:.1} {y:.1}) rotate(-45)\">{label}</text>")?;
        }
        let printed = side >= 38
            && map.values.iter().all(|value| format!("{value:.decimals$}").len() as f64 * CHARACTER[0] < side as f64);
        for (row, label) in map.rows.iter().enumerate() {
            let (y, end, middle) = (top + (row * side) as f64, left - 6.0, half + 4.0);
            let row_label = Short(label, MAX_LABEL);
            writeln!(
                out,
                "<g transform=\"translate(0 {y:.1})\"><text x=\"{end:.1}\" y=\"{middle}\" text-anchor=\"end\">{row_label}</text>"
            )?;
            for (column, &value) in map.values[row * columns..][..columns].iter().enumerate() {
                let x = left + (column * side) as f64;
                let column_label = Short(&map.columns[column], MAX_LABEL);
                if !value.is_finite() {
                    writeln!(
                        out,
                        "<rect x=\"{x:.1}\" class=\"hx\"><title>{row_label} – {column_label}: none</title></rect>"
                    )?;
                    continue;
                }
                let level = level(value, low, high);
                writeln!(
                    out,
                    "<rect x=\"{x:.1}\" class=\"h{level}\"><title>{row_label} – {column_label}: {value:.decimals$}</title></rect>"
                )?;
                if printed {
                    let (x, ink) = (x + half - 0.5, ink(level));
                    writeln!(out, "<text class=\"v{ink}\" x=\"{x:.1}\" y=\"{middle}\">{value:.decimals$}</text>")?;
                }
            }
            out.write_all(b"</g>\n")?;
        }
        out.write_all(b"</svg>\n")
    }
}

/// The step of the colour scale for a value.
fn level(value: f32, low: f32, high: f32) -> usize {
    let share = (f64::from(value) - f64::from(low)) / (f64::from(high) - f64::from(low));
    // A scale without extent has one colour.
    if share.is_finite() { (share.clamp(0.0, 1.0) * LEVELS as f64).round() as usize } else { LEVELS / 2 }
}

/// Class of a number in a cell: where the ink of low values gives way to that of high ones differs between the light
/// and the dark scheme. At these steps, black and white both have a contrast of at least 4.5 (WCAG 2) to the colour.
fn ink(level: usize) -> &'static str {
    match level {
        0..16 => "",
        16..22 => " m",
        _ => " w",
    }
}

/// Writes the colours of all steps. They are mixed in OKLab, where equal steps look equal.
fn write_colours(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"<style>\n")?;
    for level in 0..=LEVELS {
        let percent = level as f64 * 100.0 / LEVELS as f64;
        writeln!(out, ".h{level}{{fill:color-mix(in oklab,var(--heat-high) {percent}%,var(--heat-low))}}")?;
    }
    out.write_all(b"</style>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_span_the_scale_and_clamp_outside() {
        assert_eq!([-1.0, 0.0, 0.5, 1.0, 2.0].map(|value| level(value, 0.0, 1.0)), [0, 0, 16, 32, 32]);
        assert_eq!(level(3.0, 3.0, 3.0), LEVELS / 2);
        assert_eq!(level(0.0, f32::MIN, f32::MAX), LEVELS / 2);
    }

    #[test]
    fn the_scale_ignores_what_is_not_finite() {
        let map = HeatMap { values: vec![f32::NAN, 2.0, f32::INFINITY, -1.0], ..HeatMap::default() };
        assert_eq!(map.scale(), (-1.0, 2.0));
        assert_eq!(HeatMap::default().scale(), (0.0, 1.0));
        assert_eq!(HeatMap { range: Some((1.0, 0.0)), ..map.clone() }.scale(), (0.0, 1.0));
        assert_eq!(HeatMap { range: Some((0.0, f32::NAN)), ..map }.scale(), (-1.0, 2.0));
    }
}
