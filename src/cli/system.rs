//! `clippie-rs completions` and `clippie-rs man`: what shells and `man` know of the command, from its arguments.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap_mangen::Man as Page;

use super::args::{self, Completions, Man};
use super::messages::{Failure, Outcome};
use super::output::{Destination, cannot_write, print};

/// Name of the command.
const NAME: &str = "clippie-rs";

pub(super) fn completions(args: &Completions) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), NAME, &mut script);
    print(&String::from_utf8_lossy(&script)).map(|()| Outcome::Complete)
}

pub(super) fn man(args: &Man) -> Result<Outcome, Failure> {
    let pages = pages().map_err(|error| cannot_write(None, &error))?;
    let Some(folder) = &args.output else {
        let wanted = args.command.as_ref().map_or(NAME.to_owned(), |command| format!("{NAME}-{command}"));
        return match pages.iter().find(|(name, _)| *name == wanted) {
            Some((_, page)) => print(&String::from_utf8_lossy(page)).map(|()| Outcome::Complete),
            None => {
                let command = args.command.as_deref().unwrap_or_default();
                Err(Failure::Usage(format!("there is no command `{command}`; `clippie-rs --help` lists them")))
            }
        };
    };
    fs::create_dir_all(folder).map_err(|error| cannot_write(Some(folder), &error))?;
    for (name, page) in &pages {
        write(&folder.join(format!("{name}.1")), page)?;
    }
    Ok(Outcome::Complete)
}

/// The pages by name: that of the command, then those of its subcommands.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = args::command().disable_help_subcommand(true);
    // Subcommands get their full names and the options that all share.
    command.build();
    let page = |command: &clap::Command| {
        let mut text = Vec::new();
        let page = Page::new(command.clone()).source(concat!("clippie-rs ", env!("CARGO_PKG_VERSION")));
        page.render_title(&mut text)?;
        page.render_name_section(&mut text)?;
        usage(command, &mut text)?;
        page.render_description_section(&mut text)?;
        page.render_options_section(&mut text)?;
        if command.has_subcommands() {
            page.render_subcommands_section(&mut text)?;
        }
        examples(command, &mut text)?;
        // Lines of JSON may be broken between their keys.
        let text = String::from_utf8_lossy(&text).replace(",\"", ",\\:\"").into_bytes();
        Ok((command.get_display_name().unwrap_or(NAME).to_owned(), text))
    };
    std::iter::once(&command).chain(command.get_subcommands()).map(page).collect()
}

/// The synopsis: how `--help` shows the usage, with the names of values.
fn usage(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage:").unwrap_or(&usage).trim();
    writeln!(page, ".SH SYNOPSIS\n{}", literal(usage))
}

/// The end of `--help`: lines of examples, which are not filled, and paragraphs such as the exit codes.
fn examples(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let text = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
    let mut unfilled = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let indented = line.starts_with(' ');
        if unfilled && !indented {
            writeln!(page, ".fi")?;
        }
        match line.strip_suffix(':') {
            Some(heading) if !indented => writeln!(page, ".SH {}\n.nf", literal(&heading.to_uppercase()))?,
            // "Exit codes: 0 success, ..."
            _ if !indented => match line.split_once(": ") {
                Some((heading, text)) => writeln!(page, ".SH {}\n{}", literal(&heading.to_uppercase()), literal(text))?,
                None => writeln!(page, ".PP\n{}", literal(line))?,
            },
            _ => writeln!(page, "{}", literal(line.trim_start()))?,
        }
        unfilled = indented || line.ends_with(':');
    }
    if unfilled { writeln!(page, ".fi") } else { Ok(()) }
}

/// A line that `man` prints as it is.
fn literal(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    // A dot at the start would be a request.
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut out = Destination::open(Some(path))?;
        out.write_all(bytes)?;
        out.commit()
    };
    write().map_err(|error| cannot_write(Some(path), &error))
}
