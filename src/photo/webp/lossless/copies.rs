//! Copies of earlier pixels: their lengths and distances.

use super::bits::Bits;

/// Pixels of the longest copy.
pub(super) const LONGEST_COPY: usize = 1 << 12;

/// Pixels that a copy can reach back: the longest distance is less.
pub(super) const REACH: usize = 1 << 20;

/// Bits of the extra number of the longest distance.
const MOST_EXTRA: u32 = 18;

/// Completes a length or a distance, of which the symbol tells the highest bits.
#[inline(always)]
pub(super) fn extended(symbol: usize, bits: &mut Bits<'_>) -> usize {
    match symbol {
        0..4 => symbol + 1,
        _ => {
            let extra = (symbol as u32 - 2) / 2;
            ((2 + (symbol & 1)) << extra) + bits.number(extra.min(MOST_EXTRA)) + 1
        }
    }
}

/// Completes the distance of a copy, in pixels, in rows of `width`.
pub(super) fn distance(symbol: usize, width: usize, bits: &mut Bits<'_>) -> usize {
    match extended(symbol, bits) {
        near @ 1..=120 => {
            let (left, up) = NEAR[near - 1];
            // To the right of the pixels above, but not beyond the last pixel.
            (usize::from(up) * width).saturating_add_signed(isize::from(left)).max(1)
        }
        far => far - NEAR.len(),
    }
}

/// Repeats the first `distance` pixels to the end.
pub(super) fn repeat(pixels: &mut [u32], distance: usize) {
    let length = pixels.len() - distance;
    if distance >= length {
        pixels.copy_within(..length, distance);
    } else if distance == 1 {
        let pixel = pixels[0];
        pixels.fill(pixel);
    } else {
        (distance..pixels.len()).for_each(|at| pixels[at] = pixels[at - distance]);
    }
}

/// The pixels that short distances stand for: how far left and up each is, the nearest first.
const NEAR: [(i8, u8); 120] = near();

const fn near() -> [(i8, u8); 120] {
    let mut places = [(0, 0); 120];
    let mut count = 0;
    // By the square of the distance, then by how far they are to the side, then left before right.
    let mut square = 1;
    while count < places.len() {
        let mut side = 0i8;
        while side <= 8 {
            let mut up = 0u8;
            while up <= 7 {
                let square_here = side as u32 * side as u32 + up as u32 * up as u32;
                if square_here == square && (up > 0 || side > 0) {
                    places[count] = (side, up);
                    count += 1;
                    if up > 0 && side > 0 && side < 8 {
                        places[count] = (-side, up);
                        count += 1;
                    }
                }
                up += 1;
            }
            side += 1;
        }
        square += 1;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_pixels_are_in_the_order_of_the_format() {
        assert_eq!(NEAR[..8], [(0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2)]);
        assert_eq!(NEAR[34..40], [(0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0)]);
        assert_eq!(NEAR[117..], [(-7, 7), (8, 6), (8, 7)]);
    }

    #[test]
    fn copies_repeat_what_they_begin_with() {
        for distance in 1..9 {
            for length in 0..30 {
                let mut pixels: Vec<u32> = (0..distance + length).collect();
                repeat(&mut pixels, distance as usize);
                assert!(pixels.iter().zip(0..).all(|(&pixel, i)| pixel == i % distance), "{distance} {length}");
            }
        }
    }
}
