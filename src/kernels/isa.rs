//! Instruction sets: detection, selection, and dispatch.
//!
//! Detection happens once. `CLIPPIE_ISA` forces a set for tests; a set that the machine lacks is refused.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "library")]
use super::simd::integers::{IntegerKernel, Integers};
use super::simd::words::{WordKernel, Words};
use super::simd::{Kernel, Simd};

/// An instruction set that kernels are compiled for.
///
/// A value exists only for sets that this machine runs: only [`Isa::detect`], [`Isa::available`] and [`Isa::named`]
/// create one. Dispatch relies on that.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Isa(Set);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Set {
    #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
    Avx512(super::simd::avx512::Avx512),
    #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
    Avx2(super::simd::avx2::Avx2),
    #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
    Sse(super::simd::sse::Sse),
    #[cfg(target_arch = "aarch64")]
    Neon(super::simd::neon::Neon),
    Portable(super::simd::portable::Portable),
}

/// The name of AVX-512 with the tiles of AMX.
const AMX: &str = "amx";

/// Whether [`Isa::allow_amx`] was called.
static AMX_ALLOWED: AtomicBool = AtomicBool::new(false);

/// The end of names of sets without instructions for products of integers.
const NO_DOT: &str = "-no-dot";

/// Error of [`Isa::named`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IsaError {
    /// No instruction set has this name.
    #[error(
        "CLIPPIE_ISA is \"{0}\", which is not an instruction set known here; use amx, avx512, avx512-no-dot, avx2, avx2-no-dot, \
         sse, neon, neon-no-dot or portable"
    )]
    Unknown(String),
    /// This machine cannot run it.
    #[error("CLIPPIE_ISA is \"{0}\", which this machine cannot run; it can run {1}")]
    Unavailable(String, String),
}

impl Isa {
    /// Lists every set that this machine runs, fastest first.
    pub fn available() -> Vec<Isa> {
        let mut sets = Vec::new();
        #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
        {
            sets.extend(super::simd::avx512::Avx512::detect().map(|token| Isa(Set::Avx512(token))));
            sets.extend(super::simd::avx2::Avx2::detect().map(|token| Isa(Set::Avx2(token))));
            sets.push(Isa(Set::Sse(super::simd::sse::Sse::baseline())));
        }
        #[cfg(target_arch = "aarch64")]
        sets.extend(super::simd::neon::Neon::detect().map(|token| Isa(Set::Neon(token))));
        sets.push(Isa(Set::Portable(super::simd::portable::Portable)));
        sets
    }

    /// Returns the fastest set of this machine, or the one that `CLIPPIE_ISA` names. The variable is read once per
    /// process.
    pub fn detect() -> Result<Isa, IsaError> {
        static CHOICE: OnceLock<Result<Isa, IsaError>> = OnceLock::new();
        CHOICE
            .get_or_init(|| match std::env::var_os("CLIPPIE_ISA") {
                Some(name) if !name.is_empty() => Isa::named(&name.to_string_lossy()),
                _ => Ok(Isa::available()[0]),
            })
            .clone()
    }

    /// AVX-512 with the tiles of AMX, which multiply integers of eight bits several times as fast: for models that were
    /// converted to `int8`. Results have the same bits as those of `avx512`.
    ///
    /// Asks Linux for the tiles, which it grants to the process as a whole and for the rest of its time; hence a program
    /// asks for itself, and [`Isa::detect`] does not. From then on, the system refuses stacks for signals
    /// (`sigaltstack`) of less than some 11 KiB. `None` where the processor lacks AMX, the system refuses or is not Linux.
    pub fn amx() -> Option<Isa> {
        match Isa::available()[0].0 {
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx512(token) => token.with_amx().map(|token| Isa(Set::Avx512(token))),
            _ => None,
        }
    }

    /// Lets models of integers that are opened from now on use [`Isa::amx`], unless [`crate::Options::isa`] or
    /// `CLIPPIE_ISA` names a set. The command does this.
    pub fn allow_amx() {
        AMX_ALLOWED.store(true, Ordering::Relaxed);
    }

    /// What [`Isa::detect`] returns, for a model of integers.
    pub(crate) fn detect_for_integers() -> Result<Isa, IsaError> {
        let detected = Isa::detect()?;
        let chosen = std::env::var_os("CLIPPIE_ISA").is_some_and(|name| !name.is_empty());
        match AMX_ALLOWED.load(Ordering::Relaxed) && !chosen {
            true => Ok(Isa::amx().unwrap_or(detected)),
            false => Ok(detected),
        }
    }

    /// Returns what [`Isa::detect`] does, and plain code if the variable names no set of this machine: for what gives
    /// the same bits on every set.
    pub(crate) fn detect_or_portable() -> Isa {
        Isa::detect().unwrap_or(Isa(Set::Portable(super::simd::portable::Portable)))
    }

    /// Returns the set called `name` (`avx512`, `avx2`, `sse`, `neon`, `portable`), or [`Isa::amx`] for `amx`; with `-no-dot`
    /// after it, without the instructions for products of integers that not every processor with the set has.
    pub fn named(name: &str) -> Result<Isa, IsaError> {
        if let Some(rest) = name.strip_suffix(NO_DOT)
            && ["avx512", "avx2", "neon"].contains(&rest)
        {
            return Isa::named(rest).map(Isa::without_dot);
        }
        let available = Isa::available();
        let amx = if name == AMX { Isa::amx() } else { None };
        if let Some(isa) = amx.or_else(|| available.iter().copied().find(|isa| isa.name() == name)) {
            return Ok(isa);
        }
        if ![AMX, "avx512", "avx2", "sse", "neon", "portable"].contains(&name) {
            return Err(IsaError::Unknown(name.into()));
        }
        let names = available.iter().flat_map(|isa| {
            let without = isa.without_dot().full_name();
            [isa.name(), without].into_iter().take(if without == isa.name() { 1 } else { 2 })
        });
        Err(IsaError::Unavailable(name.into(), names.collect::<Vec<_>>().join(", ")))
    }

    /// The set without the instructions for products of integers that not every processor with it has.
    pub fn without_dot(self) -> Isa {
        Isa(match self.0 {
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx512(token) => Set::Avx512(token.without_vnni()),
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx2(token) => Set::Avx2(token.without_vnni()),
            #[cfg(target_arch = "aarch64")]
            Set::Neon(token) => Set::Neon(token.without_dot()),
            other => other,
        })
    }

    /// Returns the name, as `CLIPPIE_ISA` takes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx512(token) if token.has_amx() => AMX,
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx512(_) => "avx512",
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx2(_) => "avx2",
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Sse(_) => "sse",
            #[cfg(target_arch = "aarch64")]
            Set::Neon(_) => "neon",
            Set::Portable(_) => "portable",
        }
    }

    /// Returns the name with `-no-dot` after it, if products of integers are made without the instructions for them: since the
    /// processor lacks these, or they were left out.
    pub fn full_name(self) -> &'static str {
        match self.name() {
            name if self != self.without_dot() => name,
            "avx512" => "avx512-no-dot",
            "avx2" => "avx2-no-dot",
            "neon" => "neon-no-dot",
            name => name,
        }
    }

    /// Runs `kernel` compiled for this set. Dispatch happens only here.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx512(token) => token.run(kernel),
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx2(token) => token.run(kernel),
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Sse(token) => token.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Set::Neon(token) => token.run(kernel),
            Set::Portable(token) => token.run(kernel),
        }
    }

    /// Runs `kernel` compiled for the words of this set. Like [`Isa::run`], the only dispatch.
    #[inline]
    pub(crate) fn run_words<K: WordKernel>(self, kernel: K) -> K::Output {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx512(token) => token.run_words(kernel),
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx2(token) => token.run_words(kernel),
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Sse(token) => token.run_words(kernel),
            #[cfg(target_arch = "aarch64")]
            Set::Neon(token) => token.run_words(kernel),
            Set::Portable(token) => token.run_words(kernel),
        }
    }

    /// Runs `kernel` compiled for the integers of this set. Like [`Isa::run`], the only dispatch.
    #[cfg(feature = "library")]
    #[inline]
    pub(crate) fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx512(token) => match token.vnni() {
                Some(vnni) => vnni.run_integers(kernel),
                None => token.run_integers(kernel),
            },
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Avx2(token) => token.run_integers(kernel),
            #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
            Set::Sse(token) => token.run_integers(kernel),
            #[cfg(target_arch = "aarch64")]
            Set::Neon(token) => token.run_integers(kernel),
            Set::Portable(token) => token.run_integers(kernel),
        }
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_sets() {
        for isa in Isa::available() {
            assert_eq!(Isa::named(isa.name()), Ok(isa));
        }
        for isa in Isa::available() {
            assert_eq!(Isa::named(isa.full_name()).map(Isa::full_name), Ok(isa.full_name()));
            let without = isa.without_dot();
            assert_eq!(Isa::named(without.full_name()), Ok(without));
            assert_eq!(without.full_name().ends_with(NO_DOT), !["sse", "portable"].contains(&isa.name()));
        }
        match Isa::amx() {
            Some(isa) => assert_eq!((Isa::named(AMX), isa.full_name()), (Ok(isa), AMX)),
            None => assert!(matches!(Isa::named(AMX), Err(IsaError::Unavailable(..)))),
        }
        let unknown = Isa::named("mmx").unwrap_err();
        assert!(matches!(unknown, IsaError::Unknown(_)) && unknown.to_string().contains("avx2, avx2-no-dot, "));
        #[cfg(all(target_arch = "x86_64", not(fuzzing)))]
        assert!(matches!(Isa::named("neon"), Err(IsaError::Unavailable(..))));
        #[cfg(target_arch = "aarch64")]
        assert!(matches!(Isa::named("sse"), Err(IsaError::Unavailable(..))));
    }

    /// CI lists the expected sets in `CLIPPIE_EXPECT_ISAS`, fastest first, so that no set under test is silently
    /// missing.
    #[test]
    fn expected_sets_are_present() {
        if let Ok(expected) = std::env::var("CLIPPIE_EXPECT_ISAS") {
            let expected: Vec<_> = expected.split(',').map(|name| Isa::named(name).unwrap()).collect();
            assert_eq!(Isa::available(), expected);
            if std::env::var_os("CLIPPIE_ISA").is_none() {
                assert_eq!(Isa::detect(), Ok(expected[0]));
            }
        }
    }
}
