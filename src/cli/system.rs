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
        let mut page = Vec::new();
        Page::new(command.clone()).source(concat!("clippie-rs ", env!("CARGO_PKG_VERSION"))).render(&mut page)?;
        Ok((command.get_display_name().unwrap_or(NAME).to_owned(), page))
    };
    std::iter::once(&command).chain(command.get_subcommands()).map(page).collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut out = Destination::open(Some(path))?;
        out.write_all(bytes)?;
        out.commit()
    };
    write().map_err(|error| cannot_write(Some(path), &error))
}
