//! What tiles in assembly share: the addresses of their rows, and the registers of AVX-512 for their sums.
//!
//! Comes before the modules of the tiles, so that they see its macros.

/// The address of a row, from the bases of rows 0 and 7, which tiles of fewer rows do not need.
#[rustfmt::skip]
macro_rules! row {
    (0, $a:literal, $b:literal) => { $a };
    (1, $a:literal, $b:literal) => { concat!($a, "+{s1}") };
    (2, $a:literal, $b:literal) => { concat!($a, "+2*{s1}") };
    (3, $a:literal, $b:literal) => { concat!($a, "+{s3}") };
    (4, $a:literal, $b:literal) => { concat!($a, "+4*{s1}") };
    (5, $a:literal, $b:literal) => { concat!($a, "+{s5}") };
    (6, $a:literal, $b:literal) => { concat!($a, "+2*{s3}") };
    (7, $a:literal, $b:literal) => { $b };
    (8, $a:literal, $b:literal) => { concat!($b, "+{s1}") };
    (9, $a:literal, $b:literal) => { concat!($b, "+2*{s1}") };
    (10, $a:literal, $b:literal) => { concat!($b, "+{s3}") };
    (11, $a:literal, $b:literal) => { concat!($b, "+4*{s1}") };
    (12, $a:literal, $b:literal) => { concat!($b, "+{s5}") };
    (13, $a:literal, $b:literal) => { concat!($b, "+2*{s3}") };
}

/// The multiples of the stride in s1.
macro_rules! multiples {
    () => {
        "lea {s3}, [{s1}+2*{s1}]
        lea {s5}, [{s1}+4*{s1}]\n"
    };
}

/// The base of row 7 from that of row 0.
macro_rules! seventh {
    ($b:literal, $a:literal) => {
        concat!("lea ", $b, ", [", $a, "+8*{s1}]\n", "sub ", $b, ", {s1}\n")
    };
}

/// Calls `$tile!($t: row registers, …)` for a number of rows and of vectors, 1 to 14 by 1 or 2. Two vectors of a row are in
/// neighbouring registers.
macro_rules! rows_of_registers {
    ($tile:ident, $t:ident, $rows:expr, $vectors:expr) => {
        match ($rows, $vectors) {
            (1, 2) => $tile!($t: 0 "zmm0" "zmm1",),
            (2, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3",),
            (3, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5",),
            (4, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7",),
            (5, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9",),
            (6, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11",),
            (7, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13",),
            (8, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13", 7 "zmm14" "zmm15",),
            (9, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13", 7 "zmm14" "zmm15", 8 "zmm16" "zmm17",),
            (10, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13", 7 "zmm14" "zmm15", 8 "zmm16" "zmm17", 9 "zmm18" "zmm19",),
            (11, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13", 7 "zmm14" "zmm15", 8 "zmm16" "zmm17", 9 "zmm18" "zmm19", 10 "zmm20" "zmm21",),
            (12, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13", 7 "zmm14" "zmm15", 8 "zmm16" "zmm17", 9 "zmm18" "zmm19", 10 "zmm20" "zmm21", 11 "zmm22" "zmm23",),
            (13, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13", 7 "zmm14" "zmm15", 8 "zmm16" "zmm17", 9 "zmm18" "zmm19", 10 "zmm20" "zmm21", 11 "zmm22" "zmm23", 12 "zmm24" "zmm25",),
            (14, 2) => $tile!($t: 0 "zmm0" "zmm1", 1 "zmm2" "zmm3", 2 "zmm4" "zmm5", 3 "zmm6" "zmm7", 4 "zmm8" "zmm9", 5 "zmm10" "zmm11", 6 "zmm12" "zmm13", 7 "zmm14" "zmm15", 8 "zmm16" "zmm17", 9 "zmm18" "zmm19", 10 "zmm20" "zmm21", 11 "zmm22" "zmm23", 12 "zmm24" "zmm25", 13 "zmm26" "zmm27",),
            (1, 1) => $tile!($t: 0 "zmm0",),
            (2, 1) => $tile!($t: 0 "zmm0", 1 "zmm1",),
            (3, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2",),
            (4, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3",),
            (5, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4",),
            (6, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5",),
            (7, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6",),
            (8, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6", 7 "zmm7",),
            (9, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6", 7 "zmm7", 8 "zmm8",),
            (10, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6", 7 "zmm7", 8 "zmm8", 9 "zmm9",),
            (11, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6", 7 "zmm7", 8 "zmm8", 9 "zmm9", 10 "zmm10",),
            (12, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6", 7 "zmm7", 8 "zmm8", 9 "zmm9", 10 "zmm10", 11 "zmm11",),
            (13, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6", 7 "zmm7", 8 "zmm8", 9 "zmm9", 10 "zmm10", 11 "zmm11", 12 "zmm12",),
            (14, 1) => $tile!($t: 0 "zmm0", 1 "zmm1", 2 "zmm2", 3 "zmm3", 4 "zmm4", 5 "zmm5", 6 "zmm6", 7 "zmm7", 8 "zmm8", 9 "zmm9", 10 "zmm10", 11 "zmm11", 12 "zmm12", 13 "zmm13",),
            (rows, vectors) => unreachable!("no tile of {rows} rows by {vectors} vectors"),
        }
    };
}
