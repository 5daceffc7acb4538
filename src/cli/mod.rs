//! The command `clippie-rs`: parses arguments, runs a subcommand, sets the exit code.
//!
//! Uses only the public API of the library. Data goes to standard output, everything else to standard error. Exit
//! codes: 0 success, 1 failure, 2 wrong usage, 3 some inputs failed, but not all.

mod args;
mod bench;
mod convert;
mod encode;
mod info;
mod inputs;
mod messages;
mod model;
mod models;
mod named;
mod output;
mod preprocess;
#[cfg(feature = "hub")]
mod pull;
mod tokenize;

use std::io::{self, IsTerminal};
use std::panic;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use messages::{Failure, Messages, Outcome};

/// Runs the command with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    // Report a panic as one line instead of a backtrace.
    panic::set_hook(Box::new(messages::record_panic));
    // Where it is refused, a file that is cut short while it is in use ends the process.
    let _ = crate::weights::guard_mapped_files();
    panic::catch_unwind(run).unwrap_or_else(|_| {
        Messages::new(false, false).error(&messages::panic_message());
        ExitCode::FAILURE
    })
}

fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors with exit code 0. Ignore a closed pipe.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    init_tracing(cli.common.verbose);
    let messages = Messages::new(cli.common.quiet, cli.common.verbose > 0);
    let result = match &cli.command {
        Command::Encode(args) => encode::run(args, &messages),
        Command::Convert(args) => convert::run(args, &messages),
        Command::Info(args) => info::run(args, &messages),
        Command::Models(args) => models::run(args, &messages),
        #[cfg(feature = "hub")]
        Command::Pull(args) => pull::run(args, &messages),
        Command::Tokenize(args) => tokenize::run(args, &messages),
        Command::Preprocess(args) => preprocess::run(args, &messages),
        Command::Bench(args) => bench::run(args),
    };
    match result {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Partial) => ExitCode::from(3),
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Error(message)) => {
            messages.error(&message);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            args::print_usage_error(&cli.command, &message);
            ExitCode::from(2)
        }
    }
}

/// Prints the library's trace events for `-v`.
fn init_tracing(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::INFO,
        _ => tracing::Level::TRACE,
    };
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Fails only if a subscriber is already set.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(colour)
        .without_time()
        .try_init();
}
