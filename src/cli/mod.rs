//! The command `clippie-rs`: parses arguments, runs a subcommand, sets the exit code.
//!
//! Uses only the public API of the library. Data goes to standard output, everything else to standard error. Exit
//! codes: 0 success, 1 failure, 2 wrong usage, 3 some inputs failed, but not all; 130, 143 and 129 in a shell if Ctrl-C,
//! termination or the end of its terminal stopped it, which for `serve` is success.

mod args;
mod bench;
mod classify;
mod convert;
#[cfg(feature = "library")]
mod duplicates;
mod encode;
#[cfg(feature = "library")]
mod evaluate;
mod events;
#[cfg(feature = "library")]
mod export;
#[cfg(feature = "library")]
mod import_vectors;
#[cfg(feature = "library")]
mod index;
mod info;
mod inputs;
#[cfg(feature = "library")]
mod library;
mod messages;
mod model;
mod models;
mod named;
mod output;
mod passed_over;
mod photos;
mod preprocess;
#[cfg(feature = "library")]
mod preview;
#[cfg(feature = "hub")]
mod pull;
mod report;
#[cfg(feature = "library")]
mod search;
#[cfg(feature = "serve")]
mod serve;
mod signals;
#[cfg(feature = "library")]
mod status;
mod streams;
mod system;
mod table;
mod tally;
#[cfg(feature = "library")]
mod thumbnail;
mod tokenize;

use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use messages::{Failure, Messages, Outcome};

use crate::Isa;

pub use streams::ClosedStreams;

/// Runs the command with the arguments of this process, which was started with these streams closed.
#[must_use]
pub fn main(closed: ClosedStreams) -> ExitCode {
    streams::init(closed);
    // Report a panic as one line instead of a backtrace.
    panic::set_hook(Box::new(messages::record_panic));
    // Where it is refused, a file that is cut short while it is in use ends the process.
    let _ = crate::weights::guard_mapped_files();
    // The process is this command's own, so that it may have AMX if a model has use for it.
    Isa::allow_amx();
    let code = panic::catch_unwind(run).unwrap_or_else(|_| {
        Messages::new(false, false).error(&messages::panic_message());
        ExitCode::FAILURE
    });
    #[cfg(feature = "serve")]
    events::finish();
    code
}

/// Whether it matters that memory is given back: to a server at rest, and where the memory of models is measured, which would
/// depend on those before them.
fn wants_one_heap(command: &Command) -> bool {
    match command {
        #[cfg(feature = "serve")]
        Command::Serve(_) => true,
        #[cfg(feature = "library")]
        Command::Evaluate(_) => true,
        Command::Bench(_) => true,
        _ => false,
    }
}

fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_parser_message(&args::with_hint(error)),
    };
    if wants_one_heap(&cli.command) {
        // Before the first thread, which is that of signals.
        crate::clip::share_heap();
    }
    signals::handle();
    let messages = Messages::new(cli.common.quiet, cli.common.verbose > 0);
    match &cli.command {
        #[cfg(feature = "serve")]
        Command::Serve(args) => events::log(serve::level(&cli.common, args), !cli.common.quiet),
        _ => events::init(cli.common.quiet, cli.common.verbose, &messages),
    }
    #[cfg(feature = "library")]
    if let Err(refused) = library::refuse_to_replace(&cli.command) {
        return exit_code(Err(refused), &cli.command, &messages);
    }
    let result = match &cli.command {
        Command::Encode(args) => encode::run(args, &messages),
        Command::Classify(args) => classify::run(args, &messages),
        #[cfg(feature = "library")]
        Command::Evaluate(args) => evaluate::run(args, &messages),
        Command::Convert(args) => convert::run(args, &messages),
        Command::Info(args) => info::run(args, &messages),
        Command::Models(args) => models::run(args, &messages),
        #[cfg(feature = "hub")]
        Command::Pull(args) => pull::run(args, &messages),
        Command::Tokenize(args) => tokenize::run(args, &messages),
        Command::Preprocess(args) => preprocess::run(args, &messages),
        #[cfg(feature = "library")]
        Command::Index(args) => index::run(args, &messages),
        #[cfg(feature = "library")]
        Command::Search(args) => search::search(args, &messages),
        #[cfg(feature = "library")]
        Command::Similar(args) => search::similar(args, &messages),
        #[cfg(feature = "library")]
        Command::Duplicates(args) => duplicates::run(args, &messages),
        #[cfg(feature = "library")]
        Command::Status(args) => status::run(args),
        #[cfg(feature = "library")]
        Command::Export(args) => export::run(args, &messages),
        #[cfg(feature = "library")]
        Command::ImportVectors(args) => import_vectors::run(args, &messages),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args, &messages),
        Command::Bench(args) => bench::run(args),
        Command::Completions(args) => system::completions(args),
        Command::Man(args) => system::man(args),
    };
    exit_code(result, &cli.command, &messages)
}

/// Reports how a command ended.
fn exit_code(result: Result<Outcome, Failure>, command: &Command, messages: &Messages) -> ExitCode {
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
            args::print_usage_error(command, &message);
            ExitCode::from(2)
        }
    }
}

/// Prints what the parser has to say: an error, or help and the version, which are errors with exit code 0.
fn print_parser_message(error: &clap::Error) -> ExitCode {
    let print = || {
        if !error.use_stderr() {
            streams::stdout()?;
        }
        error.print()?;
        io::stdout().flush()
    };
    match print() {
        Err(failed) if !error.use_stderr() && failed.kind() != io::ErrorKind::BrokenPipe => {
            Messages::new(false, false).error(&format!("cannot write to standard output: {failed}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}
