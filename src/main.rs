//! The command `clippie-rs`, implemented in [`clippie_rs::cli`].

fn main() -> std::process::ExitCode {
    clippie_rs::cli::main()
}
