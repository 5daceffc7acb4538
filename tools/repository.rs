//! Build script of a checkout: sets `cfg(repository)`, which unit tests that need the rest of the repository
//! (`tools/testkit`, `tests/goldens`) are compiled under.
//!
//! The published package has no build script: this file is not part of it, and cargo then drops the entry from the
//! manifest. Its unit tests are those that need nothing but the package.

fn main() {
    println!("cargo::rerun-if-changed=tools/repository.rs");
    println!("cargo::rustc-cfg=repository");
}
