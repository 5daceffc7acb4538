//! Words in plain Rust.

use std::array::from_fn;

use super::super::portable::Portable;
use super::{WordKernel, Words};

type V = [i16; 8];
type S = [i32; 4];

#[inline(always)]
fn map2<T: Copy, const N: usize>(a: [T; N], b: [T; N], f: impl Fn(T, T) -> T) -> [T; N] {
    from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn bytes(a: V) -> [u8; 8] {
    a.map(|word| word.clamp(0, 255) as u8)
}

impl Words for Portable {
    type V = V;
    type S = S;

    const GROUPS: usize = 1;

    #[inline(always)]
    fn run_words<K: WordKernel>(self, kernel: K) -> K::Output {
        kernel.call(self)
    }

    #[inline(always)]
    fn pairs(self, pair: u32) -> V {
        from_fn(|i| (pair >> (16 * (i % 2))) as i16)
    }

    #[inline(always)]
    fn sums(self, value: i32) -> S {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const i16, _: usize) -> V {
        // SAFETY: the caller promises eight readable words; they are read without alignment.
        unsafe { ptr.cast::<V>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const u8) -> V {
        // SAFETY: the caller promises eight readable bytes.
        unsafe { ptr.cast::<[u8; 8]>().read() }.map(i16::from)
    }

    #[inline(always)]
    unsafe fn pixels(self, ptr: *const u8) -> V {
        // SAFETY: the caller promises two readable pixels.
        let [r, g, b, s, h, c] = unsafe { ptr.cast::<[u8; 6]>().read() };
        [r, s, g, h, b, c, 0, 0].map(i16::from)
    }

    #[inline(always)]
    unsafe fn load_sums(self, ptr: *const i32) -> S {
        // SAFETY: the caller promises four readable integers; they are read without alignment.
        unsafe { ptr.cast::<S>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_sums(self, ptr: *mut i32, value: S) {
        // SAFETY: the caller promises four writable integers; they are written without alignment.
        unsafe { ptr.cast::<S>().write_unaligned(value) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, ptr: *mut u8, value: V) {
        // SAFETY: the caller promises eight writable bytes.
        unsafe { ptr.cast::<[u8; 8]>().write(bytes(value)) }
    }

    #[inline(always)]
    unsafe fn store_turns(self, ptr: *mut u8, even: V, odd: V) {
        // SAFETY: the caller promises sixteen writable bytes.
        unsafe { ptr.cast::<[[u8; 2]; 8]>().write(from_fn(|i| [even[i] as u8, odd[i] as u8])) }
    }

    #[inline(always)]
    unsafe fn store_rgb(self, ptr: *mut u8, red: V, green: V, blue: V) {
        let (red, green, blue) = (bytes(red), bytes(green), bytes(blue));
        // SAFETY: the caller promises 24 writable bytes.
        unsafe { ptr.cast::<[[u8; 3]; 8]>().write(from_fn(|i| [red[i], green[i], blue[i]])) }
    }

    #[inline(always)]
    unsafe fn store_samples(self, ptr: *mut u8, stride: usize, upper: V, lower: V) {
        for (row, words) in [upper, lower].into_iter().enumerate() {
            // SAFETY: the caller promises eight writable bytes at both places.
            unsafe { self.store_bytes(ptr.add(row * stride), words.map(|word| word.saturating_add(128))) }
        }
    }

    #[inline(always)]
    fn plus(self, a: V, b: V) -> V {
        map2(a, b, i16::wrapping_add)
    }

    #[inline(always)]
    fn minus(self, a: V, b: V) -> V {
        map2(a, b, i16::wrapping_sub)
    }

    #[inline(always)]
    fn times(self, a: V, b: V) -> V {
        map2(a, b, i16::wrapping_mul)
    }

    #[inline(always)]
    fn high(self, a: V, b: V) -> V {
        map2(a, b, |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16)
    }

    #[inline(always)]
    fn shifted<const N: i32>(self, a: V) -> V {
        a.map(|word| word >> N)
    }

    #[inline(always)]
    fn lower(self, a: V, b: V) -> V {
        from_fn(|i| if i % 2 == 0 { a[i / 2] } else { b[i / 2] })
    }

    #[inline(always)]
    fn upper(self, a: V, b: V) -> V {
        from_fn(|i| if i % 2 == 0 { a[4 + i / 2] } else { b[4 + i / 2] })
    }

    #[inline(always)]
    fn dots(self, a: V, b: V) -> S {
        let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
        from_fn(|i| product(2 * i).wrapping_add(product(2 * i + 1)))
    }

    #[inline(always)]
    fn add(self, a: S, b: S) -> S {
        map2(a, b, i32::wrapping_add)
    }

    #[inline(always)]
    fn sub(self, a: S, b: S) -> S {
        map2(a, b, i32::wrapping_sub)
    }

    #[inline(always)]
    fn drop_bits<const N: i32>(self, a: S) -> S {
        a.map(|sum| sum >> N)
    }

    #[inline(always)]
    fn add_bits<const N: i32>(self, a: S) -> S {
        a.map(|sum| sum << N)
    }

    #[inline(always)]
    fn narrow(self, a: S, b: S) -> V {
        from_fn(|i| if i < 4 { a[i] } else { b[i - 4] }.clamp(i16::MIN.into(), i16::MAX.into()) as i16)
    }

    #[inline(always)]
    fn total<const N: i32>(self, a: S) -> [u8; 4] {
        a.map(|sum| (sum >> N).clamp(0, 255) as u8)
    }
}
