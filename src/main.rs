//! The command `clippie-rs`; everything it does lies in [`clippie_rs::cli`].

fn main() -> std::process::ExitCode {
    clippie_rs::cli::main()
}
