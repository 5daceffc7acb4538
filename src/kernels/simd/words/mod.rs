//! Vectors of 16-bit words for pictures: the inverse DCT, colours, resizing. One trait, one file for each instruction
//! set.
//!
//! A vector is one or more groups of eight words. What moves words (interleaving, narrowing) moves them within their
//! group, as AVX2 does, so that kernels are written once, for groups. Everything is exact: every set gives the same
//! bits.

#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
mod avx;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
mod sse;

/// Two words for [`Words::pairs`].
#[inline(always)]
pub(crate) fn pair(lower: i16, upper: i16) -> u32 {
    u32::from(lower as u16) | u32::from(upper as u16) << 16
}

/// Words of a group.
pub(crate) const GROUP: usize = 8;

/// Bytes behind the pixels that [`Words::pixels`] uses which it may read.
pub(crate) const PIXELS_SLACK: usize = 4;

/// A computation that is compiled once for each instruction set. `call` must be `#[inline(always)]`, and so must be
/// everything in it that handles vectors. That rules out closures, and with them the `map` of arrays: what is not
/// inlined is compiled without the features of the set, and slow.
pub(crate) trait WordKernel {
    /// Result of the computation.
    type Output;

    /// Runs the computation with the vectors of `set`.
    fn call<W: Words>(self, set: W) -> Self::Output;
}

/// Vectors of words, and of sums of their products. Arithmetic wraps.
pub(crate) trait Words: Copy + Send + Sync + 'static {
    /// `GROUPS` groups of eight 16-bit integers.
    type V: Copy;
    /// `GROUPS` groups of four 32-bit integers.
    type S: Copy;

    /// Groups in a vector: 1 or 2.
    const GROUPS: usize;
    /// Words in a vector.
    const WORDS: usize = Self::GROUPS * GROUP;

    /// Runs `kernel` in a function that is compiled with the features of this set.
    fn run_words<K: WordKernel>(self, kernel: K) -> K::Output;

    /// The lower and the upper half of `pair` in turns.
    fn pairs(self, pair: u32) -> Self::V;
    /// `even` and `odd` in turns.
    #[inline(always)]
    fn alternating(self, [even, odd]: [i16; 2]) -> Self::V {
        self.pairs(pair(even, odd))
    }
    /// `value` everywhere.
    #[inline(always)]
    fn words(self, value: i16) -> Self::V {
        self.alternating([value; 2])
    }
    /// `value` everywhere.
    fn sums(self, value: i32) -> Self::S;

    /// Eight words from each of `GROUPS` places that lie `apart` words from each other.
    ///
    /// # Safety
    /// The words must be readable; no alignment is needed.
    unsafe fn load(self, ptr: *const i16, apart: usize) -> Self::V;
    /// Bytes as words.
    ///
    /// # Safety
    /// `WORDS` bytes must be readable from `ptr` on.
    unsafe fn widen(self, ptr: *const u8) -> Self::V;
    /// Each group has two pixels of three bytes: both reds, both greens, both blues, and two words of any value.
    ///
    /// # Safety
    /// The pixels and [`PIXELS_SLACK`] bytes must be readable from `ptr` on.
    unsafe fn pixels(self, ptr: *const u8) -> Self::V;
    /// # Safety
    /// `WORDS / 2` integers must be readable from `ptr` on; no alignment is needed.
    unsafe fn load_sums(self, ptr: *const i32) -> Self::S;
    /// # Safety
    /// `WORDS / 2` integers must be writable from `ptr` on; no alignment is needed.
    unsafe fn store_sums(self, ptr: *mut i32, value: Self::S);
    /// Clamps words to bytes.
    ///
    /// # Safety
    /// `WORDS` bytes must be writable from `ptr` on.
    unsafe fn store_bytes(self, ptr: *mut u8, value: Self::V);
    /// Stores words, which must be 0 to 255, as bytes in turns.
    ///
    /// # Safety
    /// `2 · WORDS` bytes must be writable from `ptr` on.
    unsafe fn store_turns(self, ptr: *mut u8, even: Self::V, odd: Self::V);
    /// Clamps words to bytes and stores them as pixels.
    ///
    /// # Safety
    /// `3 · WORDS` bytes must be writable from `ptr` on.
    unsafe fn store_rgb(self, ptr: *mut u8, red: Self::V, green: Self::V, blue: Self::V);
    /// Adds 128 and clamps to bytes: `upper` goes to `ptr`, `lower` to `ptr + stride`.
    ///
    /// # Safety
    /// `WORDS` bytes must be writable at both places.
    unsafe fn store_samples(self, ptr: *mut u8, stride: usize, upper: Self::V, lower: Self::V);

    /// `a + b`
    fn plus(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn minus(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`, without the upper 16 bits.
    fn times(self, a: Self::V, b: Self::V) -> Self::V;
    /// The upper 16 bits of `a · b`.
    fn high(self, a: Self::V, b: Self::V) -> Self::V;
    /// Drops the last `N` bits.
    fn shifted<const N: i32>(self, a: Self::V) -> Self::V;
    /// The first four words of both groups in turns.
    fn lower(self, a: Self::V, b: Self::V) -> Self::V;
    /// The last four words of both groups in turns.
    fn upper(self, a: Self::V, b: Self::V) -> Self::V;
    /// Sums of the products of words 0 and 1, 2 and 3, 4 and 5, 6 and 7.
    fn dots(self, a: Self::V, b: Self::V) -> Self::S;

    /// `a + b`
    fn add(self, a: Self::S, b: Self::S) -> Self::S;
    /// `a - b`
    fn sub(self, a: Self::S, b: Self::S) -> Self::S;
    /// `a + dots(b, c)`
    #[inline(always)]
    fn add_dots(self, a: Self::S, b: Self::V, c: Self::V) -> Self::S {
        self.add(a, self.dots(b, c))
    }
    /// Drops the last `N` bits.
    fn drop_bits<const N: i32>(self, a: Self::S) -> Self::S;
    /// Multiplies by `2^N`.
    fn add_bits<const N: i32>(self, a: Self::S) -> Self::S;
    /// Clamps to words: each group of `a`, then of `b`.
    fn narrow(self, a: Self::S, b: Self::S) -> Self::V;
    /// The sum of the groups, without the last `N` bits, clamped to bytes.
    fn total<const N: i32>(self, a: Self::S) -> [u8; 4];

    /// Transposes 8 x 8 words in each group.
    #[inline(always)]
    fn transposed(self, mut rows: [Self::V; 8]) -> [Self::V; 8] {
        // A step takes the place's last bit into the row's number, and the row's first bit into the place.
        for _ in 0..3 {
            let from = rows;
            for i in 0..4 {
                rows[2 * i] = self.lower(from[i], from[i + 4]);
                rows[2 * i + 1] = self.upper(from[i], from[i + 4]);
            }
        }
        rows
    }
}
