//! Text from files and libraries, made safe for messages. Independent of the rest of the importer.

/// Longest name that a message shows, in characters.
const MAX_NAME: usize = 120;
/// Longest message of another library that is quoted, in characters.
const MAX_MESSAGE: usize = 240;

/// Returns a name from a file without control characters and cut to 120 characters.
pub(super) fn printable(name: &str) -> String {
    sanitize(name, MAX_NAME)
}

/// Returns the message of another library, which may quote the file, without control characters and cut.
pub(super) fn printable_error(error: impl std::fmt::Display) -> String {
    sanitize(&error.to_string(), MAX_MESSAGE)
}

fn sanitize(text: &str, max_chars: usize) -> String {
    let mut shown: String = text.chars().take(max_chars).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(max_chars).is_some() {
        shown.push('…');
    }
    shown
}
