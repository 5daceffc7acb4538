//! Which of the known models are listed, and in which order.

use std::cmp::Ordering;

use super::Row;
use crate::catalog::{self, License};
use crate::cli::args::{Models, Sort};

/// Whether only some models are asked for.
pub(super) fn is_some(args: &Models) -> bool {
    args.for_language.is_some() || args.max_gflop.is_some() || args.license.is_some()
}

/// Keeps the rows that are asked for, in the order that is asked for. What is not known of a model does not fit.
pub(super) fn apply(args: &Models, rows: &mut Vec<Row>) {
    rows.retain(|row| fits(args, row));
    match args.sort {
        Sort::Family => {}
        Sort::Gflop => rows.sort_by(|a, b| known_first(a.gflop_per_image, b.gflop_per_image, f64::total_cmp)),
        Sort::Recall => rows.sort_by(|a, b| {
            known_first(a.coco_recall_percent, b.coco_recall_percent, |a: &f32, b: &f32| b.total_cmp(a))
        }),
        Sort::Size => rows.sort_by(|a, b| known_first(a.total_parameters, b.total_parameters, Ord::cmp)),
    }
}

fn fits(args: &Models, row: &Row) -> bool {
    let language = args.for_language.as_ref().is_none_or(|code| {
        // A name may end with a precision.
        let name = row.name.split_once(':').map_or(row.name.as_str(), |(name, _)| name);
        let known = catalog::find(name).map(|model| model.languages);
        known.is_some_and(|languages| languages.serves(code))
    });
    let license = args.license.as_ref().is_none_or(|wanted| match row.license {
        Some(id) if wanted == "permissive" => License { id, confirmed: false }.is_permissive(),
        Some(id) => id == wanted,
        None => false,
    });
    let cost = args.max_gflop.is_none_or(|most| row.gflop_per_image.is_some_and(|gflop| gflop <= most));
    language && license && cost
}

/// Compares what is known; what is not comes last.
fn known_first<T>(a: Option<T>, b: Option<T>, order: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (&a, &b) {
        (Some(a), Some(b)) => order(a, b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
