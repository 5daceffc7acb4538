//! Sizes of this processor's caches, as far as it tells.

/// Bytes of an L2 cache for which blocks are chosen where the processor does not tell its size, and where it has more.
pub(crate) const USUAL_L2: usize = 1 << 20;

/// Bytes of a core's L2 cache: between 256 KiB and [`USUAL_L2`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) fn l2() -> usize {
    use std::arch::x86_64::__cpuid;
    use std::sync::OnceLock;

    /// "Extended L2 cache features": kibibytes in the upper half of ECX, with the processors of all makers.
    const L2: u32 = 0x8000_0006;
    /// Its EAX is the largest leaf of this kind.
    const LARGEST: u32 = 0x8000_0000;

    // Asking takes microseconds in a virtual machine, whose host answers.
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: every processor of 64 bits has the instruction.
        #[allow(unused_unsafe, reason = "it is safe to call since Rust 1.94")]
        let leaf = |leaf| unsafe { __cpuid(leaf) };
        let kibibytes = if leaf(LARGEST).eax >= L2 { leaf(L2).ecx >> 16 } else { 0 };
        size(kibibytes as usize * 1024)
    })
}

/// Bytes of a core's L2 cache, which other processors do not tell a program.
#[cfg(any(not(target_arch = "x86_64"), miri))]
pub(crate) fn l2() -> usize {
    size(0)
}

/// The size to choose blocks for, from what the processor says; 0 if it says nothing.
fn size(bytes: usize) -> usize {
    match bytes {
        0 => USUAL_L2,
        bytes => bytes.clamp(USUAL_L2 / 4, USUAL_L2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(size(0), USUAL_L2);
        assert_eq!(size(1024), 256 << 10);
        assert_eq!(size(512 << 10), 512 << 10);
        assert_eq!(size(2 << 20), USUAL_L2);
        assert_eq!(size(l2()), l2());
    }
}
