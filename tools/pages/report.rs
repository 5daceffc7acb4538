//! A report with every kind of part.

use std::io::{self, Write};

use clippie_rs::library::sheet::{Bars, Column, Head, HeatMap, Lines, Page, Section, Series, Table};

/// Writes the report.
pub fn write(out: impl Write) -> io::Result<()> {
    let head = Head {
        title: "Evaluation of demo on drawings",
        facts: &[("Photos", "3,600"), ("Classes", "12"), ("Template", "a drawing of {}")],
        folder: None,
    };
    let mut page = Page::begin(out, &head)?;
    page.paragraph(
        "Each photo is compared with one sentence per class. Accuracy is the share of photos whose own class comes \
         first; the calibration error compares probabilities with how often they are right.",
    )?;
    page.section(&Section { heading: "Accuracy", note: "at 1 and at 5" })?;
    page.table(&models())?;
    page.bars(&Bars {
        title: "Accuracy by class".to_owned(),
        bars: classes(8).into_iter().enumerate().map(|(at, name)| (name, 0.98 - at as f64 * 0.07)).collect(),
        full: Some(1.0),
        decimals: 2,
    })?;
    page.section(&Section {
        heading: "Confusion",
        note: "rows: the class of a photo; columns: what it was taken for",
    })?;
    for classes in [2, 12, 36, 100] {
        page.heat_map(&confusion(classes))?;
    }
    page.section(&Section { heading: "Calibration", note: "" })?;
    page.lines(&calibration())?;
    page.finish().map(drop)
}

fn models() -> Table {
    let row = |name: &str, cells: [&str; 5]| std::iter::once(name).chain(cells).map(str::to_owned).collect();
    Table {
        caption: "Models".to_owned(),
        columns: std::iter::once(Column::words("Model"))
            .chain(["Accuracy at 1", "Accuracy at 5", "ms per photo", "Memory, MB", "Size, MB"].map(Column::numbers))
            .collect(),
        rows: vec![
            row("mobileclip2-s0", ["0.871", "0.990", "3.1", "61", "143"]),
            row("mobileclip2-s2", ["0.902", "0.995", "6.9", "118", "199"]),
            row(
                "vit-l-14-336-openai-with-a-very-long-name-that-somebody-gave",
                ["0.894", "0.991", "412.0", "1,240", "1,711"],
            ),
        ],
        marked: Some(1),
    }
}

fn classes(count: usize) -> Vec<String> {
    let names =
        ["red ball", "blue house", "tree", "a very long description of a class", "كرة", "写真", "<b>bold</b>", "star"];
    (0..count)
        .map(|at| match names.get(at) {
            Some(name) => (*name).to_owned(),
            None => format!("class {at}"),
        })
        .collect()
}

fn confusion(count: usize) -> HeatMap {
    let value = |at: usize| {
        let (row, column) = (at / count, at % count);
        let noise = (row * 31 + column * 17) % 13;
        if row == column { 100 - (row * 7 % 40) } else { noise * noise / 8 }
    };
    HeatMap {
        title: format!("{count} classes, photos in per cent"),
        rows: classes(count),
        columns: classes(count),
        values: (0..count * count).map(|at| value(at) as f32).collect(),
        range: Some((0.0, 100.0)),
        decimals: 0,
    }
}

fn calibration() -> Lines {
    let curve = |best: f64, floor: f64| {
        let error = move |at: u32| 10f64.powf(f64::from(at) / 12.0 - 1.0);
        (0..=36).map(|at| (error(at), floor + 0.09 * (error(at) / best).ln().powi(2))).collect()
    };
    Lines {
        title: "Calibration error over temperatures".to_owned(),
        x: "temperature".to_owned(),
        y: "expected calibration error".to_owned(),
        log_x: true,
        series: vec![
            Series { name: "mobileclip2-s0".to_owned(), points: curve(1.4, 0.021) },
            Series { name: "mobileclip2-s2".to_owned(), points: curve(2.1, 0.034) },
            Series { name: "vit-l-14-openai".to_owned(), points: curve(0.8, 0.05) },
        ],
        marker: Some((1.0, "the model's own".to_owned())),
    }
}
