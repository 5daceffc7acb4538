//! Arguments of `completions` and `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Print the completions of a shell
///
/// They complete commands, options and their values. Where to put them is the shell's matter; the examples show the
/// usual places.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs completions bash > ~/.local/share/bash-completion/completions/clippie-rs
  clippie-rs completions zsh > ~/.zfunc/_clippie-rs
  clippie-rs completions fish > ~/.config/fish/completions/clippie-rs.fish")]
pub(in crate::cli) struct Completions {
    /// Shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// Print a manual page, or write all of them
///
/// Without a COMMAND, the page is that of clippie-rs itself, which lists the commands.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs man search | man -l -
  clippie-rs man -o ~/.local/share/man/man1")]
pub(in crate::cli) struct Man {
    /// Command, such as `search`
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    pub command: Option<String>,
    /// Write the pages of all commands to this folder, which is created if it does not exist; existing pages are replaced
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
}
