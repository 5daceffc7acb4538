//! How strong noise is at each level (section 7.18.3.4): lines between points.

/// A scale for each level of eight bits (`ScalingLut`), and once more the last.
pub struct Scaling {
    table: [u8; 257],
}

impl Scaling {
    /// Scales through points of a level and its scale, with increasing levels.
    pub fn new(points: &[[u8; 2]]) -> Self {
        let mut table = [0; 257];
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Self { table } };
        table[..usize::from(first[0])].fill(first[1]);
        for pair in points.windows(2) {
            let [[x, y], [next_x, next_y]] = [pair[0].map(i32::from), pair[1].map(i32::from)];
            let width = next_x - x;
            if width <= 0 {
                continue;
            }
            let slope = (next_y - y) * ((65536 + (width >> 1)) / width);
            for i in 0..width {
                table[(x + i) as usize] = (y + ((i * slope + 32768) >> 16)) as u8;
            }
        }
        table[usize::from(last[0])..].fill(last[1]);
        Self { table }
    }

    /// The scale of a level of `bits` bits, between those of the table (`scale_lut`).
    #[inline(always)]
    pub fn at(&self, level: i32, bits: u32) -> i32 {
        let shift = bits - 8;
        let index = (level >> shift).clamp(0, 255) as usize;
        let rest = level - ((index as i32) << shift);
        let [start, end] = [self.table[index], self.table[index + 1]].map(i32::from);
        if shift == 0 { start } else { start + (((end - start) * rest + (1 << (shift - 1))) >> shift) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_joined_by_lines() {
        let scaling = Scaling::new(&[[16, 20], [32, 52], [100, 1]]);
        let at = |level| scaling.at(level, 8);
        assert_eq!([0, 15, 16, 17, 31, 32, 66, 100, 255].map(at), [20, 20, 20, 22, 50, 52, 26, 1, 1]);
        // A level of ten bits is between two entries.
        assert_eq!([64, 66, 68, 1023].map(|level| scaling.at(level, 10)), [20, 21, 22, 1]);
        assert_eq!(Scaling::new(&[]).at(77, 8), 0);
        // Points that do not increase are no reason to fail.
        assert_eq!(Scaling::new(&[[200, 9], [100, 3], [100, 5]]).at(255, 8), 5);
    }
}
