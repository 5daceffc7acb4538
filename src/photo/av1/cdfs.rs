//! The distributions of symbols that intra frames use (sections 8.3 and 9.3), in the order of the table of their defaults, which
//! `tools/av1/tables.py` makes.

use std::slice::ChunksExact;

/// The defaults: those that do not depend on quantisation, then those of coefficients for each of four levels of it.
const DEFAULTS: &[u8] = include_bytes!("tables/cdfs.bin");

/// What takes its numbers from a table.
trait Fill {
    const ZEROS: Self;

    fn fill(&mut self, table: &mut ChunksExact<'_, u8>);
}

impl Fill for u16 {
    const ZEROS: u16 = 0;

    fn fill(&mut self, table: &mut ChunksExact<'_, u8>) {
        *self = table.next().map_or(0, |number| u16::from_le_bytes([number[0], number[1]]));
    }
}

impl<T: Fill, const N: usize> Fill for [T; N] {
    const ZEROS: Self = [T::ZEROS; N];

    fn fill(&mut self, table: &mut ChunksExact<'_, u8>) {
        self.iter_mut().for_each(|part| part.fill(table));
    }
}

/// Declares a struct whose fields lie in the table one after the other.
macro_rules! distributions {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone)]
        pub struct $name { $($(#[$note])* pub $field: $kind,)* }

        impl Fill for $name {
            const ZEROS: Self = $name { $($field: <$kind as Fill>::ZEROS,)* };

            fn fill(&mut self, table: &mut ChunksExact<'_, u8>) {
                $(self.$field.fill(table);)*
            }
        }
    };
}

distributions! {
    /// Distributions of everything but coefficients.
    FrameCdfs {
        /// By the modes above and to the left.
        y_mode: [[[u16; 14]; 5]; 5],
        uv_mode_without_cfl: [[u16; 14]; 13],
        uv_mode_with_cfl: [[u16; 15]; 13],
        angle_delta: [[u16; 8]; 8],
        intrabc: [u16; 3],
        partition_8: [[u16; 5]; 4],
        /// Of blocks of 16, 32 and 64 samples.
        partition: [[[u16; 11]; 4]; 3],
        partition_128: [[u16; 9]; 4],
        tx_8: [[u16; 3]; 3],
        /// Of largest transforms of 16, 32 and 64 samples.
        tx: [[[u16; 4]; 3]; 3],
        txfm_split: [[u16; 3]; 21],
        filter_intra_mode: [u16; 6],
        filter_intra: [[u16; 3]; 22],
        segment_id: [[u16; 9]; 3],
        skip: [[u16; 3]; 3],
        mv_joint: [u16; 5],
        mv_class: [[u16; 12]; 2],
        mv_class0_bit: [[u16; 3]; 2],
        mv_bit: [[[u16; 3]; 10]; 2],
        mv_sign: [[u16; 3]; 2],
        /// Of luma, and of chroma.
        palette_size: [[[u16; 8]; 7]; 2],
        palette_colours: [PaletteCdfs; 2],
        palette_y_mode: [[[u16; 3]; 3]; 7],
        palette_uv_mode: [[u16; 3]; 2],
        delta_q: [u16; 5],
        delta_lf: [u16; 5],
        delta_lf_multi: [[u16; 5]; 4],
        intra_tx_type_1: [[[u16; 8]; 13]; 2],
        intra_tx_type_2: [[[u16; 6]; 13]; 3],
        inter_tx_type_1: [[u16; 17]; 2],
        inter_tx_type_2: [u16; 13],
        inter_tx_type_3: [[u16; 3]; 4],
        cfl_sign: [u16; 9],
        cfl_alpha: [[u16; 17]; 6],
        use_wiener: [u16; 3],
        use_sgrproj: [u16; 3],
        restoration_type: [u16; 4],
    }
}

distributions! {
    /// Distributions of indices into a palette, by its size.
    PaletteCdfs {
        of_2: [[u16; 3]; 5],
        of_3: [[u16; 4]; 5],
        of_4: [[u16; 5]; 5],
        of_5: [[u16; 6]; 5],
        of_6: [[u16; 7]; 5],
        of_7: [[u16; 8]; 5],
        of_8: [[u16; 9]; 5],
    }
}

distributions! {
    /// Distributions of coefficients.
    CoefficientCdfs {
        all_zero: [[[u16; 3]; 13]; 5],
        eob_16: [[[u16; 6]; 2]; 2],
        eob_32: [[[u16; 7]; 2]; 2],
        eob_64: [[[u16; 8]; 2]; 2],
        eob_128: [[[u16; 9]; 2]; 2],
        eob_256: [[[u16; 10]; 2]; 2],
        eob_512: [[u16; 11]; 2],
        eob_1024: [[u16; 12]; 2],
        eob_extra: [[[[u16; 3]; 9]; 2]; 5],
        dc_sign: [[[u16; 3]; 3]; 2],
        base_eob: [[[[u16; 4]; 4]; 2]; 5],
        base: [[[[u16; 5]; 42]; 2]; 5],
        range: [[[[u16; 5]; 21]; 2]; 5],
    }
}

distributions! {
    /// All distributions of a tile.
    Cdfs {
        frame: FrameCdfs,
        coefficients: CoefficientCdfs,
    }
}

impl Cdfs {
    /// The defaults for a frame (`init_non_coeff_cdfs`, `init_coeff_cdfs`).
    pub fn defaults(base_q_idx: u8) -> Box<Cdfs> {
        let level = match base_q_idx {
            0..=20 => 0,
            21..=60 => 1,
            61..=120 => 2,
            _ => 3,
        };
        let coefficients = size_of::<CoefficientCdfs>();
        let (frame, levels) = DEFAULTS.split_at(DEFAULTS.len() - 4 * coefficients);
        let levels = &levels[level * coefficients..][..coefficients];
        let mut cdfs = Box::new(Cdfs::ZEROS);
        cdfs.frame.fill(&mut frame.chunks_exact(2));
        cdfs.coefficients.fill(&mut levels.chunks_exact(2));
        cdfs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_distribution() {
        assert_eq!(DEFAULTS.len(), size_of::<FrameCdfs>() + 4 * size_of::<CoefficientCdfs>());
        // First and last numbers of the table of the specification.
        for index in [0, 21, 61, 255] {
            let cdfs = Cdfs::defaults(index);
            assert_eq!(cdfs.frame.y_mode[0][0][..2], [32768 - 15588, 32768 - 17027]);
            assert_eq!(cdfs.frame.restoration_type[2..], [0, 0]);
            assert_eq!(cdfs.coefficients.range[4][1][20][3..], [0, 0]);
        }
    }
}
