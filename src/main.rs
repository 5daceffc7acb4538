//! The command `clippie-rs`, implemented in [`clippie_rs::cli`].

mod closed_streams;

fn main() -> std::process::ExitCode {
    clippie_rs::cli::main(closed_streams::at_start())
}
