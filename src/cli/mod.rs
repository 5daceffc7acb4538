//! The command `clippie-rs`: arguments to a plan, the plan to output and an exit code.
//!
//! Knows the public face of the library alone. Data goes to standard output, everything else to standard error.
//! Exit codes: 0 all done, 1 failed, 2 wrong usage, 3 done with some inputs failed.

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
use messages::{Done, Messages, Stop};

/// Runs the command with the arguments of this process.
pub fn main() -> ExitCode {
    // What nobody expected is one sentence as well, not a trace.
    panic::set_hook(Box::new(messages::note_panic));
    panic::catch_unwind(run).unwrap_or_else(|_| {
        Messages::new(false, false).error(&messages::defect());
        ExitCode::FAILURE
    })
}

fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are such errors too, with code 0. A closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    trace(cli.common.verbose);
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
        Ok(Done::All) => ExitCode::SUCCESS,
        Ok(Done::Some) => ExitCode::from(3),
        Err(Stop::Pipe) => ExitCode::SUCCESS,
        Err(Stop::Told) => ExitCode::FAILURE,
        Err(Stop::Failed(message)) => {
            messages.error(&message);
            ExitCode::FAILURE
        }
        Err(Stop::Usage(message)) => {
            args::print_usage_error(&cli.command, &message);
            ExitCode::from(2)
        }
    }
}

/// Prints what the library traces, if `-v` asks for it.
fn trace(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::INFO,
        _ => tracing::Level::TRACE,
    };
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Fails only if someone else subscribed before, who then prints.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(colour)
        .without_time()
        .try_init();
}
