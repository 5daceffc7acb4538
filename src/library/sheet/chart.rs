//! Lines over an axis, in SVG, and bars.

use std::io::{self, Write};

use super::escape::{Short, Text};
use super::page::Page;

/// Size of a chart in its own units, about pixels.
const SIZE: [f64; 2] = [640.0, 300.0];
/// Margins of the plot for labels: left, top, right, bottom.
const MARGINS: [f64; 4] = [52.0, 12.0, 16.0, 44.0];
/// Number of colours; further lines repeat them with other dashes.
const COLOURS: usize = 6;
const DASHES: usize = 3;
/// Longest label of a marker, in characters.
const MAX_MARKER: usize = 32;

/// A line of a chart.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// What the line shows; not shown if it is the only one and empty.
    pub name: String,
    /// The points, x and y, from the left. Those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Lines over a common axis, such as calibration errors over temperatures.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// What the chart shows.
    pub title: String,
    /// Name of the horizontal axis.
    pub x: String,
    /// Name of the vertical axis.
    pub y: String,
    /// Whether the horizontal axis is logarithmic. Points at or below zero are left out.
    pub log_x: bool,
    /// The lines.
    pub series: Vec<Series>,
    /// A position on the horizontal axis to point out, and its label.
    pub marker: Option<(f64, String)>,
}

/// Bars, one below the other.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// What the bars show.
    pub title: String,
    /// Names and values. Values below zero and those that are not finite have no bar.
    pub bars: Vec<(String, f64)>,
    /// The value of a bar of full length; the largest one without.
    pub full: Option<f64>,
    /// Decimals of the values.
    pub decimals: usize,
}

/// An axis: its range, and how far a value is along it.
struct Axis {
    from: f64,
    to: f64,
    log: bool,
}

impl Axis {
    /// Spans values; without any, from 0 to 1.
    fn span(values: impl Iterator<Item = f64>, log: bool) -> Axis {
        let (from, to) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), v| (from.min(v), to.max(v)));
        match (from, to) {
            _ if from > to => Axis { from: if log { 0.1 } else { 0.0 }, to: 1.0, log },
            _ if from == to && log => Axis { from: from / 2.0, to: to * 2.0, log },
            _ if from == to => Axis { from: from - 0.5, to: to + 0.5, log },
            _ => Axis { from, to, log },
        }
    }

    /// Position of a value: 0 at the start, 1 at the end.
    fn position(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.log { value.ln() } else { value };
        let share = (scale(value) - scale(self.from)) / (scale(self.to) - scale(self.from));
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Round values along the axis, at most a dozen.
    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let (first, last) = (self.from.log10().floor().max(-300.0), self.to.log10().ceil().min(300.0));
            let decades = last - first;
            let steps: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let every = (decades / 8.0).ceil().max(1.0);
            let count = (decades / every) as usize;
            return (0..=count)
                .flat_map(|at| steps.iter().map(move |step| (first + at as f64 * every, step)))
                .map(|(power, step)| step * 10f64.powf(power))
                .filter(|tick| (self.from..=self.to).contains(tick))
                .collect();
        }
        let step = round_step((self.to - self.from) / 5.0);
        if !step.is_normal() {
            return Vec::new();
        }
        let first = (self.from / step).ceil();
        (0..12).map(|at| (first + f64::from(at)) * step).take_while(|tick| *tick <= self.to).collect()
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let digit = step / power;
    power * [1.0, 2.0, 5.0].into_iter().find(|round| digit <= round + 1e-9).unwrap_or(10.0)
}

/// Displays a tick without trailing zeros or rounding errors.
fn tick_label(tick: f64) -> String {
    let size = tick.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{tick:.0e}");
    }
    let text = format!("{tick:.5}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

impl<W: Write> Page<'_, W> {
    /// Adds a chart of lines.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn lines(&mut self, chart: &Lines) -> io::Result<()> {
        self.end_cards()?;
        self.figures += 1;
        let number = self.figures;
        let shown = |point: &&(f64, f64)| point.0.is_finite() && point.1.is_finite() && (!chart.log_x || point.0 > 0.0);
        let points = || chart.series.iter().flat_map(|series| series.points.iter().filter(shown));
        let x_axis = Axis::span(points().map(|point| point.0), chart.log_x);
        let mut y_axis = Axis::span(points().map(|point| point.1), false);
        // Room up to round values at both ends.
        let step = round_step((y_axis.to - y_axis.from) / 5.0);
        if step.is_normal() {
            y_axis.from = (y_axis.from / step + 1e-9).floor() * step;
            y_axis.to = (y_axis.to / step - 1e-9).ceil() * step;
        }
        let [width, height] = SIZE;
        let [left, top, right, bottom] = MARGINS;
        let x_of = |value: f64| left + x_axis.position(value) * (width - left - right);
        let y_of = |value: f64| height - bottom - y_axis.position(value) * (height - top - bottom);
        let (end, foot) = (width - right, height - bottom);
        let out = &mut self.out;
        writeln!(
            out,
            "<figure class=\"lines\">\n<figcaption id=\"f{number}\">{}</figcaption>\n\
             <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"f{number}\">\n\
             <svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"f{number}\">",
            Text(&chart.title)
        )?;
        for tick in y_axis.ticks() {
            let (y, label_end) = (y_of(tick), left - 8.0);
            writeln!(out, "<path class=\"grid\" d=\"M{left} {y:.1}H{end}\"/>")?;
            let label = tick_label(tick);
            writeln!(out, "<text x=\"{label_end}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", y + 4.0)?;
        }
        for tick in x_axis.ticks() {
            let (x, y, label) = (x_of(tick), foot + 17.0, tick_label(tick));
            writeln!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>")?;
        }
        let (centre, base) = ((left + end) / 2.0, height - 8.0);
        writeln!(out, "<text x=\"{centre}\" y=\"{base}\" text-anchor=\"middle\">{}</text>", Text(&chart.x))?;
        let middle = (top + foot) / 2.0;
        writeln!(
            out,
            "<text transform=\"translate(12 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            Text(&chart.y)
        )?;
        if let Some((value, label)) = chart.marker.as_ref().filter(|(value, _)| value.is_finite()) {
            let (x, y) = (x_of(*value), top + 10.0);
            let (shift, anchor) = if x > centre { (-6.0, "end") } else { (6.0, "start") };
            writeln!(out, "<path class=\"marker\" d=\"M{x:.1} {top}V{foot}\"/>")?;
            let label = Short(label, MAX_MARKER);
            writeln!(out, "<text x=\"{:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{label}</text>", x + shift)?;
        }
        for (at, series) in chart.series.iter().enumerate() {
            write!(out, "<polyline class=\"{}\" points=\"", class(at))?;
            for (index, &(x, y)) in series.points.iter().filter(shown).enumerate() {
                let space = if index == 0 { "" } else { " " };
                write!(out, "{space}{:.1},{:.1}", x_of(x), y_of(y))?;
            }
            out.write_all(b"\"/>\n")?;
        }
        out.write_all(b"</svg>\n</div>\n")?;
        if chart.series.iter().any(|series| !series.name.is_empty()) {
            out.write_all(b"<ul class=\"key\" role=\"list\">\n")?;
            for (at, series) in chart.series.iter().enumerate() {
                writeln!(
                    out,
                    "<li><svg width=\"24\" height=\"4\" aria-hidden=\"true\"><path class=\"{}\" d=\"M0 2H24\" \
                     stroke-width=\"2\"/></svg><bdi>{}</bdi></li>",
                    class(at),
                    Text(&series.name)
                )?;
            }
            out.write_all(b"</ul>\n")?;
        }
        out.write_all(b"</figure>\n")
    }

    /// Adds bars.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn bars(&mut self, chart: &Bars) -> io::Result<()> {
        self.end_cards()?;
        let largest = chart.bars.iter().map(|bar| bar.1).filter(|value| value.is_finite()).fold(0.0, f64::max);
        let full = chart.full.filter(|full| full.is_finite()).unwrap_or(largest);
        let out = &mut self.out;
        let decimals = chart.decimals;
        writeln!(out, "<figure class=\"bars\">\n<table>\n<caption>{}</caption>\n<tbody>", Text(&chart.title))?;
        for (name, value) in &chart.bars {
            let share = value / full;
            let percent = if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
            let shown = if value.is_finite() { format!("{value:.decimals$}") } else { "–".to_owned() };
            writeln!(
                out,
                "<tr><th scope=\"row\"><bdi>{}</bdi></th><td><i style=\"width:{percent:.1}%\"></i></td>\
                 <td class=\"number\">{shown}</td></tr>",
                Text(name)
            )?;
        }
        out.write_all(b"</tbody>\n</table>\n</figure>\n")
    }
}

/// Colour and dashes of a line.
fn class(at: usize) -> String {
    format!("c{} d{}", at % COLOURS, at / COLOURS % DASHES)
}
