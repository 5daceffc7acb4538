//! Predictions of small blocks, with values worked out by hand, and against the specification's formulas sample by sample.

use super::*;

/// A plane of 8 bits whose row above (8, 8) is `above` from the corner on, and whose column to the left is `left`.
fn plane(above: &[u16], left: &[u16]) -> Plane {
    let mut plane = Plane::new(64, 64).unwrap();
    for (i, &sample) in above.iter().enumerate() {
        plane.row_mut(7)[7 + i] = sample;
    }
    for (i, &sample) in left.iter().enumerate() {
        plane.row_mut(8 + i)[7] = sample;
    }
    plane
}

fn block(mode: Mode) -> Intra {
    Intra {
        x: 8,
        y: 8,
        log2_width: 2,
        log2_height: 2,
        mode,
        angle_delta: 0,
        have_left: true,
        have_above: true,
        have_above_right: true,
        have_below_left: true,
        edge_filter: false,
        smooth_neighbours: false,
        filter_intra: None,
        bits: 8,
        limits: [64, 64],
    }
}

fn predicted(plane: &mut Plane, block: &Intra) -> Vec<Vec<u16>> {
    intra(plane, block);
    let [width, height] = [1 << block.log2_width, 1 << block.log2_height];
    (block.y..block.y + height).map(|y| plane.row(y)[block.x..block.x + width].to_vec()).collect()
}

/// The corner, eight samples above, and eight to the left.
const ABOVE: [u16; 9] = [50, 10, 20, 30, 40, 50, 60, 70, 80];
const LEFT: [u16; 8] = [60, 70, 80, 90, 100, 110, 120, 130];

#[test]
fn averages_use_what_there_is() {
    let dc = |above, left| {
        let block = Intra { have_above: above, have_left: left, ..block(Mode::Dc) };
        predicted(&mut plane(&ABOVE, &LEFT), &block)
    };
    assert_eq!(dc(true, true), vec![vec![50; 4]; 4]);
    assert_eq!(dc(true, false), vec![vec![25; 4]; 4]);
    assert_eq!(dc(false, true), vec![vec![75; 4]; 4]);
    assert_eq!(dc(false, false), vec![vec![128; 4]; 4]);
}

#[test]
fn edges_that_are_missing_are_replaced() {
    let mode = |mode, above, left| {
        let block = Intra { have_above: above, have_left: left, ..block(mode) };
        predicted(&mut plane(&ABOVE, &LEFT), &block)[1].clone()
    };
    assert_eq!(mode(Mode::Vertical, true, true), [10, 20, 30, 40]);
    assert_eq!(mode(Mode::Vertical, false, true), [60; 4]);
    assert_eq!(mode(Mode::Vertical, false, false), [127; 4]);
    assert_eq!(mode(Mode::Horizontal, true, true), [70; 4]);
    assert_eq!(mode(Mode::Horizontal, true, false), [10; 4]);
    assert_eq!(mode(Mode::Horizontal, false, false), [129; 4]);
}

#[test]
fn the_nearest_neighbour_wins() {
    let rows = predicted(&mut plane(&ABOVE, &LEFT), &block(Mode::Paeth));
    // 10 + 60 - 50 = 20 is 40 from the left, 10 from above, 30 from the corner; 40 + 60 - 50 is the corner.
    assert_eq!(rows[0], [10, 20, 30, 50]);
    // 20 + 90 - 50 = 60 is 10 from the corner; 30 + 90 - 50 = 70 is 20 from the left and from the corner.
    assert_eq!(rows[3], [50, 50, 90, 90]);
}

#[test]
fn smooth_modes_weigh_near_and_far_edges() {
    let weights = [255, 149, 85, 64];
    let rows = |mode| predicted(&mut plane(&ABOVE, &LEFT), &block(mode));
    let [both, down, across] = [Mode::Smooth, Mode::SmoothVertical, Mode::SmoothHorizontal].map(rows);
    for y in 0..4 {
        for x in 0..4 {
            let [above, left] = [ABOVE[1 + x], LEFT[y]].map(u32::from);
            let vertical = weights[y] * above + (256 - weights[y]) * 90;
            let horizontal = weights[x] * left + (256 - weights[x]) * 40;
            assert_eq!(u32::from(both[y][x]), (vertical + horizontal + 256) >> 9);
            assert_eq!(u32::from(down[y][x]), (vertical + 128) >> 8);
            assert_eq!(u32::from(across[y][x]), (horizontal + 128) >> 8);
        }
    }
}

#[test]
fn forty_five_degrees_shift_the_edge() {
    let rows = predicted(&mut plane(&ABOVE, &LEFT), &block(Mode::D45));
    assert_eq!(rows, [[20, 30, 40, 50], [30, 40, 50, 60], [40, 50, 60, 70], [50, 60, 70, 80]]);
    let rows = predicted(&mut plane(&ABOVE, &LEFT), &block(Mode::D135));
    assert_eq!(rows, [[50, 10, 20, 30], [60, 50, 10, 20], [70, 60, 50, 10], [80, 70, 60, 50]]);
}

/// What the specification says of each sample, without shortcuts; edges without filters.
fn along(angle: i32, above: &[i32], left: &[i32], x: i32, y: i32, sides: i32) -> i32 {
    let derivative = |angle: i32| match angle {
        3 => 1023,
        9 => 372,
        14 => 273,
        17 => 215,
        20 => 178,
        23 => 151,
        26 => 132,
        29 => 116,
        32 => 102,
        36 => 90,
        39 => 80,
        42 => 71,
        45 => 64,
        48 => 57,
        51 => 51,
        54 => 45,
        58 => 40,
        61 => 35,
        64 => 31,
        67 => 27,
        70 => 23,
        73 => 19,
        76 => 15,
        81 => 11,
        84 => 7,
        87 => 3,
        6 => 547,
        other => panic!("no angle {other}"),
    };
    let at = |edge: &[i32], base: i32, index: i32| {
        let shift = (index >> 1) & 31;
        let [first, second] = [0, 1].map(|next| edge[(base + 1 + next) as usize]);
        (first * (32 - shift) + second * shift + 16) >> 5
    };
    if angle < 90 {
        let index = (y + 1) * derivative(angle);
        let base = (index >> 6) + x;
        return if base < sides - 1 { at(above, base, index) } else { above[sides as usize] };
    }
    if angle > 180 {
        let index = (x + 1) * derivative(270 - angle);
        return at(left, (index >> 6) + y, index);
    }
    let index = (x << 6) - (y + 1) * derivative(180 - angle);
    if index >> 6 >= -1 {
        return at(above, index >> 6, index);
    }
    let index = (y << 6) - (x + 1) * derivative(angle - 90);
    at(left, index >> 6, index)
}

/// All directions and sizes against the formulas.
#[test]
fn directions_equal_their_formulas() {
    let mut plane = Plane::new(320, 320).unwrap();
    let mut state = 1u32;
    for sample in &mut plane.samples {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = (state >> 20) as u16;
    }
    for (log2_width, log2_height) in [(2, 2), (2, 4), (3, 3), (4, 2), (4, 5), (5, 3), (6, 6), (6, 4), (3, 5)] {
        let [width, height] = [1usize << log2_width, 1usize << log2_height];
        for (mode, base) in [
            (Mode::D45, 45),
            (Mode::D135, 135),
            (Mode::D113, 113),
            (Mode::D157, 157),
            (Mode::D203, 203),
            (Mode::D67, 67),
            (Mode::Vertical, 90),
            (Mode::Horizontal, 180),
        ] {
            for angle_delta in -3..=3 {
                let angle = base + 3 * angle_delta;
                if angle == 90 || angle == 180 {
                    continue;
                }
                let (x, y) = (128, 128);
                let mut copy = plane.clone();
                let block = Intra {
                    x,
                    y,
                    log2_width,
                    log2_height,
                    angle_delta,
                    bits: 12,
                    // The row above ends within the part that is beyond the block.
                    limits: [x + width + 2, y + height + height],
                    ..block(mode)
                };
                let sides = width + height;
                let edge = |samples: &dyn Fn(usize) -> u16| -> Vec<i32> {
                    (0..=sides + 64).map(|i| i32::from(samples(i))).collect()
                };
                let above = edge(&|i| plane.get((x + i).min(x + width + 2) - 1, y - 1));
                let left = edge(&|i| plane.get(x - 1, (y + i).min(y + 2 * height) - 1));
                let found = predicted(&mut copy, &block);
                for row in 0..height {
                    for column in 0..width {
                        let exact = along(angle, &above, &left, column as i32, row as i32, sides as i32);
                        let found = i32::from(found[row][column]);
                        assert_eq!(found, exact, "{width}x{height} {angle} {column},{row}");
                    }
                }
            }
        }
    }
}

/// 4 x 4 at 51 degrees upsamples the edge (39 off the normal) without smoothing it.
#[test]
fn steep_directions_use_the_doubled_edge() {
    let block = Intra { edge_filter: true, angle_delta: 2, ..block(Mode::D45) };
    let rows = predicted(&mut plane(&ABOVE, &LEFT), &block);
    // Between samples that rise by ten, the doubled edge has the halves: 15, 20, 25 and so on (-1 is between 50 and 10).
    // First row: index 51, so base 1 (51 >> 5) of the doubled edge and a shift of 51 & 31 = 19 thirty-seconds: 15 + 5 * 19 / 32.
    assert_eq!(rows[0][1], ((25 * 13 + 30 * 19 + 16) >> 5) as u16);
    // The first pair is (-50 + 9 * 10 + 9 * 20 - 30 + 8) / 16 = 12 and 20.
    assert_eq!(rows[0][0], ((12 * 13 + 20 * 19 + 16) >> 5) as u16);
}

#[test]
fn the_recursive_filter_follows_its_own_samples() {
    let rows = predicted(&mut plane(&ABOVE, &LEFT), &Intra { filter_intra: Some(0), ..block(Mode::Dc) });
    // -6 * 50 + 10 * 10 + 12 * 60 = 520; 520 / 16 = 32.5.
    assert_eq!(rows[0][0], 33);
    // -4 * 50 + 6 * 10 + 2 * 60 + 12 * 70 = 820; 51.25.
    assert_eq!(rows[1][0], 51);
    // Below: the corner is 70, above are the second row's samples, to the left 80 and 90.
    assert_eq!(rows[2][0], (-6 * 70 + 10 * i32::from(rows[1][0]) + 12 * 80 + 8) as u16 >> 4);
}

#[test]
fn chroma_follows_luma() {
    let mut luma = Plane::new(64, 64).unwrap();
    for y in 0..64 {
        for x in 0..64 {
            luma.row_mut(y)[x] = if x < 20 { 100 } else { 140 };
        }
    }
    let mut chroma = Plane::new(32, 32).unwrap();
    chroma.samples.fill(50);
    let mut block =
        Cfl { x: 8, y: 8, log2_width: 2, log2_height: 2, alpha: 4, shifts: [1, 1], luma_end: [24, 24], bits: 8 };
    // Luma's average is 120: -20 * 8 * 4 / 64 = -10 on the left, +10 on the right.
    cfl(&luma, &mut chroma, &block);
    assert_eq!(chroma.row(9)[7..13], [50, 40, 40, 60, 60, 50]);
    // Luma ends after two columns, which are then repeated: no differences.
    chroma.samples.fill(50);
    block.luma_end = [20, 18];
    cfl(&luma, &mut chroma, &block);
    assert_eq!(chroma.row(9)[7..13], [50; 6]);
    // At full resolution the average is 110: -10 * 8 * -5 / 64 = 6.25 thrice, 30 * 8 * -5 / 64 = -18.75 once.
    block = Cfl { x: 17, y: 8, alpha: -5, shifts: [0, 0], luma_end: [32, 32], ..block };
    chroma.samples.fill(50);
    cfl(&luma, &mut chroma, &block);
    assert_eq!(chroma.row(8)[17..21], [56, 56, 56, 31]);
}

#[test]
fn palettes_paint_and_copies_repeat() {
    let mut plane = Plane::new(64, 64).unwrap();
    palette(&mut plane, [4, 4], [4, 2], &[7, 9], &[0, 1, 1, 0, 99, 1, 1, 0, 200, 99], 5);
    assert_eq!((&plane.row(4)[4..8], &plane.row(5)[4..8]), (&[7, 9, 9, 7][..], &[9, 9, 7, 0][..]));
    let mut block = Copy { x: 32, y: 8, width: 4, height: 2, mv: [-4 * 8, -28 * 8], shifts: [0, 0], limits: [64, 64] };
    copy(&mut plane, &block);
    assert_eq!((&plane.row(8)[32..36], &plane.row(9)[32..36]), (&[7, 9, 9, 7][..], &[9, 9, 7, 0][..]));
    // Odd vectors of luma are half samples of chroma: 27.5 and 3.5 back.
    block.mv = [-7 * 8, -55 * 8];
    block.shifts = [1, 1];
    copy(&mut plane, &block);
    // (7 + 9 + 9 + 9 + 2) / 4 where all four samples are in the block: 4.5 and 4.5.
    assert_eq!(plane.row(8)[32], (7 + 9 + 9 + 9 + 2) >> 2);
    // Outside of the picture its edge is repeated.
    block = Copy { x: 0, y: 0, mv: [8 * 999_999, -8 * 999_999], limits: [64, 6], ..block };
    plane.row_mut(5)[0] = 33;
    copy(&mut plane, &block);
    assert_eq!(plane.row(0)[..4], [33; 4]);
}

/// Nothing of what a damaged stream could ask for goes wrong.
#[test]
fn blocks_beyond_the_plane_are_left_out() {
    let mut plane = Plane::new(64, 64).unwrap();
    for mode in Mode::ALL {
        for (x, y) in [(0, 0), (60, 60), (61, 0), (0, 61), (usize::MAX, 0)] {
            for (width, height) in [(2, 2), (6, 6), (6, 2), (2, 6), (7, 1), (31, 31)] {
                for filter_intra in [None, Some(0), Some(9)] {
                    for limits in [[0, 0], [64, 64], [usize::MAX, 1]] {
                        let block = Intra {
                            x,
                            y,
                            log2_width: width,
                            log2_height: height,
                            angle_delta: 3,
                            edge_filter: true,
                            filter_intra,
                            limits,
                            ..block(mode)
                        };
                        intra(&mut plane, &block);
                    }
                }
            }
        }
    }
    let luma = plane.clone();
    for (x, luma_end) in [(0, [0, 0]), (32, [1, 1]), (60, [usize::MAX, 3]), (63, [0, 0])] {
        let block = Cfl { x, y: 0, log2_width: 5, log2_height: 2, alpha: i32::MAX, shifts: [1, 1], luma_end, bits: 8 };
        cfl(&luma, &mut plane, &block);
    }
    let block =
        Copy { x: 63, y: 63, width: 900, height: 900, mv: [i32::MIN, i32::MAX], shifts: [1, 1], limits: [0, 0] };
    copy(&mut plane, &block);
    copy(&mut plane, &Copy { x: 65, ..block });
}
