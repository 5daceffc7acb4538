//! Says which files of the named folders are not among the inputs.

use super::messages::{Messages, count};
use crate::walk::PassedOver;

/// Warns of photos that were not read, where others are `done` (`encoded`); lists the rest with `-v`.
pub(super) fn report(passed: &PassedOver, done: &str, messages: &Messages) {
    let unread: usize = passed.unread.values().sum();
    if unread > 0 {
        let (were, them) = if unread == 1 { ("was", "it") } else { ("were", "them") };
        messages.warning(&format!(
            "{} {were} not read: {}; convert {them} to JPEG or PNG to have {them} {done}",
            count(unread, "photo"),
            list(passed.unread.iter().map(|(ending, number)| (format!(".{ending}"), *number)))
        ));
    }
    let other: usize = passed.other.values().sum();
    if other > 0 {
        let name = |ending: &String| if ending.is_empty() { "without ending".into() } else { format!(".{ending}") };
        let endings = list(passed.other.iter().map(|(ending, number)| (name(ending), *number)));
        messages.detail(&format!("passed over {}: {endings}", count(other, "other file")));
    }
    let side: usize = passed.side.values().sum();
    if side > 0 {
        let labels = list(passed.side.iter().map(|(label, number)| ((*label).to_owned(), *number)));
        messages.detail(&format!("passed over {} of other programs: {labels}", files_or_folders(side)));
    }
    if passed.raw_twins > 0 {
        let (have, them) = if passed.raw_twins == 1 { ("has", "it") } else { ("have", "them") };
        messages.result(&format!(
            "{} {have} a JPEG or HEIC file of the same name, which was taken; --raw-twins takes {them} too",
            count(passed.raw_twins, "raw file")
        ));
    }
    for (number, why) in [
        (passed.hidden, "that are hidden"),
        (passed.excluded, "that --exclude matches"),
        (passed.ignored, "that ignore files name"),
    ] {
        if number > 0 {
            messages.detail(&format!("passed over {} {why}", files_or_folders(number)));
        }
    }
}

fn files_or_folders(number: usize) -> String {
    if number == 1 { "1 file or folder".into() } else { format!("{number} files or folders") }
}

/// `2 .psd, 1 .jp2`: the most frequent first.
fn list(counts: impl Iterator<Item = (String, usize)>) -> String {
    let mut counts: Vec<(String, usize)> = counts.collect();
    counts.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    counts.iter().map(|(name, number)| format!("{number} {name}")).collect::<Vec<_>>().join(", ")
}
