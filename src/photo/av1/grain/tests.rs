//! Grain on small frames: the random register, and every plane against the specification's process in its own order.

use super::gaussian::GAUSSIAN;
use super::noise::Random;
use super::*;

#[test]
fn the_register_gives_its_first_numbers() {
    let mut random = Random(1);
    // One bit goes in at the top: 0x8000, 0x4000, 0x2000, ...
    assert_eq!([0; 6].map(|_| random.next(11)), [1024, 512, 256, 128, 1088, 544]);
    let mut random = Random(0x1234);
    assert_eq!([0; 6].map(|_| random.next(8)), [137, 68, 34, 145, 200, 228]);
}

fn round(value: i32, bits: u32) -> i32 {
    if bits == 0 { value } else { (value + (1 << (bits - 1))) >> bits }
}

/// Tables of [row][column] noise.
type Table = Vec<Vec<i32>>;

/// The generate grain process.
fn templates(p: &GrainParameters, bits: u32, sub: [usize; 2]) -> [Table; 3] {
    let lag = i32::from(p.ar_coeff_lag);
    let shift = u32::from(p.ar_coeff_shift_minus_6) + 6;
    let [low, high] = [-(128 << (bits - 8)), (128 << (bits - 8)) - 1];
    let white = |seed: u16, width: usize, height: usize| -> Table {
        let mut random = Random(seed);
        let shift = 12 - bits + u32::from(p.grain_scale_shift);
        let mut next = || round(i32::from(GAUSSIAN[random.next(11)]), shift);
        (0..height).map(|_| (0..width).map(|_| next()).collect()).collect()
    };
    let filter = |table: &mut Table, coded: &[u8], luma: Option<&Table>| {
        for y in 3..table.len() {
            for x in 3..table[0].len() - 3 {
                let (mut sum, mut pos) = (0, 0);
                'rows: for row in -lag..=0 {
                    for column in -lag..=lag {
                        let tap = coded.get(pos).map_or(0, |&coded| i32::from(coded) - 128);
                        if row == 0 && column == 0 {
                            if let Some(luma) = luma {
                                let [lx, ly] = [((x - 3) << sub[0]) + 3, ((y - 3) << sub[1]) + 3];
                                let rows = luma[ly..=ly + sub[1]].iter();
                                let all: i32 = rows.map(|row| row[lx..=lx + sub[0]].iter().sum::<i32>()).sum();
                                sum += round(all, (sub[0] + sub[1]) as u32) * tap;
                            }
                            break 'rows;
                        }
                        sum += table[(y as i32 + row) as usize][(x as i32 + column) as usize] * tap;
                        pos += 1;
                    }
                }
                table[y][x] = (table[y][x] + round(sum, shift)).clamp(low, high);
            }
        }
    };
    let [width, height] = [if sub[0] == 1 { 44 } else { 82 }, if sub[1] == 1 { 38 } else { 73 }];
    let mut luma = white(p.grain_seed, 82, 73);
    filter(&mut luma, &p.ar_coeffs_y_plus_128, None);
    let mut cb = white(p.grain_seed ^ 0xb524, width, height);
    let mut cr = white(p.grain_seed ^ 0x49d8, width, height);
    let has_luma = (!p.points_y.is_empty()).then_some(&luma);
    filter(&mut cb, &p.ar_coeffs_cb_plus_128, has_luma);
    filter(&mut cr, &p.ar_coeffs_cr_plus_128, has_luma);
    [luma, cb, cr]
}

/// The noise image of a plane.
fn noise_image(p: &GrainParameters, bits: u32, template: &Table, sub: [usize; 2], w: usize, h: usize) -> Table {
    let [low, high] = [-(128 << (bits - 8)), (128 << (bits - 8)) - 1];
    let blend = |old: i32, new: i32, place: usize, sub: usize| {
        let [a, b] = if sub == 1 { [23, 22] } else { [[27, 17], [17, 27]][place] };
        round(old * a + new * b, 5).clamp(low, high)
    };
    let mut stripes: Vec<Table> = vec![];
    for number in 0..h.div_ceil(2).div_ceil(16) {
        let mut random = Random(p.grain_seed);
        random.0 ^= (((number * 37 + 178) & 255) << 8) as u16;
        random.0 ^= ((number * 173 + 105) & 255) as u16;
        let mut stripe = vec![vec![0; w + 100]; 34 >> sub[1]];
        for x in (0..w.div_ceil(2)).step_by(16) {
            let place = random.next(8);
            let from = [place >> 4, place & 15];
            let from = [0, 1].map(|i| if sub[i] == 1 { 6 + from[i] } else { 9 + 2 * from[i] });
            for i in 0..34 >> sub[1] {
                for j in 0..34 >> sub[0] {
                    let mut g = template[from[1] + i][from[0] + j];
                    let to = &mut stripe[i][((2 * x) >> sub[0]) + j];
                    if j < 2 >> sub[0] && p.overlap_flag && x > 0 {
                        g = blend(*to, g, j, sub[0]);
                    }
                    *to = g;
                }
            }
        }
        stripes.push(stripe);
    }
    let rows = 0..(h + sub[1]) >> sub[1];
    rows.map(|y| {
        let number = y >> (5 - sub[1]);
        let i = y - (number << (5 - sub[1]));
        let columns = 0..(w + sub[0]) >> sub[0];
        columns
            .map(|x| {
                let g = stripes[number][i][x];
                if i < 2 >> sub[1] && number > 0 && p.overlap_flag {
                    blend(stripes[number - 1][i + (32 >> sub[1])][x], g, i, sub[1])
                } else {
                    g
                }
            })
            .collect()
    })
    .collect()
}

/// The add noise process.
fn reference(frame: &Frame, p: &GrainParameters, identity: bool) -> Frame {
    let mut out = frame.clone();
    let bits = frame.bits;
    let [w, h] = [frame.planes[0].width, frame.planes[0].height];
    let sub = frame.subsampling.map(usize::from);
    let templates = templates(p, bits, sub);
    let depth = bits - 8;
    let (low, high) = if p.clip_to_restricted_range { (16 << depth, 235 << depth) } else { (0, (256 << depth) - 1) };
    let high_chroma = if p.clip_to_restricted_range && !identity { 240 << depth } else { high };
    let shift = u32::from(p.grain_scaling_minus_8) + 8;
    for (plane, template) in templates.iter().enumerate().take(frame.planes.len()) {
        let points = match plane {
            1 if !p.chroma_scaling_from_luma => &p.points_cb,
            2 if !p.chroma_scaling_from_luma => &p.points_cr,
            _ => &p.points_y,
        };
        if points.is_empty() && (plane == 0 || !p.chroma_scaling_from_luma) {
            continue;
        }
        let scaling = Scaling::new(points);
        let own_sub = if plane == 0 { [0, 0] } else { sub };
        let noise = noise_image(p, bits, template, own_sub, w, h);
        let [luma_mult, mult, offset] = match plane {
            1 => [p.cb_luma_mult.into(), p.cb_mult.into(), i32::from(p.cb_offset)],
            _ => [p.cr_luma_mult.into(), p.cr_mult.into(), i32::from(p.cr_offset)],
        };
        for (y, noise) in noise.iter().enumerate() {
            for (x, noise) in noise.iter().enumerate() {
                let original = i32::from(frame.planes[plane].get(x, y));
                let level = if plane == 0 {
                    original
                } else {
                    let at = |x: usize| i32::from(frame.planes[0].get(x.min(w - 1), y << sub[1]));
                    let x = x << sub[0];
                    let luma = if sub[0] == 1 { round(at(x) + at(x + 1), 1) } else { at(x) };
                    let combined = luma * (luma_mult - 128) + original * (mult - 128);
                    let merged = ((combined >> 6) + ((offset - 256) << depth)).clamp(0, (256 << depth) - 1);
                    if p.chroma_scaling_from_luma { luma } else { merged }
                };
                let noise = round(scaling.at(level, bits) * noise, shift);
                let high = if plane == 0 { high } else { high_chroma };
                out.planes[plane].row_mut(y)[x] = (original + noise).clamp(low, high) as u16;
            }
        }
    }
    out
}

fn random_parameters(seed: u16) -> GrainParameters {
    let mut state = u32::from(seed);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    GrainParameters {
        grain_seed: seed,
        points_y: vec![[0, 40], [70, 90], [255, 60]],
        points_cb: vec![[30, 80]],
        points_cr: vec![[0, 20], [128, 100]],
        grain_scaling_minus_8: 1,
        ar_coeff_lag: 3,
        ar_coeffs_y_plus_128: [0; 24].map(|_: u8| 118 + next() % 20),
        ar_coeffs_cb_plus_128: [0; 25].map(|_: u8| 118 + next() % 20),
        ar_coeffs_cr_plus_128: [0; 25].map(|_: u8| 118 + next() % 20),
        ar_coeff_shift_minus_6: 1,
        cb_mult: 128 + 64,
        cb_luma_mult: 128,
        cb_offset: 256,
        cr_mult: next(),
        cr_luma_mult: next(),
        cr_offset: 280,
        overlap_flag: true,
        ..GrainParameters::default()
    }
}

#[test]
fn frames_equal_the_process_in_its_own_order() {
    let base = random_parameters(1234);
    let no_luma = GrainParameters { points_y: vec![], ..base.clone() };
    let from_luma = GrainParameters {
        chroma_scaling_from_luma: true,
        points_cb: vec![],
        points_cr: vec![],
        clip_to_restricted_range: true,
        grain_scale_shift: 2,
        ..random_parameters(99)
    };
    let from_nothing = GrainParameters { points_y: vec![], ..from_luma.clone() };
    let short = GrainParameters {
        overlap_flag: false,
        ar_coeff_lag: 1,
        points_cr: vec![],
        clip_to_restricted_range: true,
        ..random_parameters(7)
    };
    let no_lag = GrainParameters { ar_coeff_lag: 0, ..random_parameters(65535) };
    for (number, parameters) in [base, no_luma, from_luma, from_nothing, short, no_lag].iter().enumerate() {
        for (bits, width, height, subsampling) in
            [(8, 77, 67, [true, true]), (10, 64, 33, [true, false]), (12, 35, 32, [false, false])]
        {
            let mut frame = Frame::new(width, height, bits, false, subsampling).unwrap();
            for plane in &mut frame.planes {
                let (stride, high) = (plane.stride, (1 << bits) - 1);
                for (i, sample) in plane.samples.iter_mut().enumerate() {
                    *sample = (((i % stride) * (37 << (bits - 8)) + i / stride * 11) & high) as u16;
                }
            }
            let identity = number == 4;
            let exact = reference(&frame, parameters, identity);
            let mut noisy = frame.clone();
            apply(&mut noisy, parameters, identity);
            for plane in 0..3 {
                let size = exact.planes[plane].width;
                for y in 0..exact.planes[plane].height {
                    let [found, exact] = [&noisy, &exact].map(|frame| frame.planes[plane].row(y)[..size].to_vec());
                    assert_eq!(found, exact, "parameters {number}, {bits} bits, plane {plane}, row {y}");
                }
            }
        }
    }
}

#[test]
fn grey_frames_and_frames_without_points_are_no_exception() {
    let mut frame = Frame::new(40, 40, 8, true, [true, true]).unwrap();
    frame.planes[0].samples.fill(128);
    let before = frame.planes[0].samples.clone();
    apply(&mut frame, &GrainParameters::default(), false);
    assert_eq!(frame.planes[0].samples, before);
    let extreme = GrainParameters {
        ar_coeffs_y_plus_128: [255; 24],
        ar_coeff_lag: 255,
        ar_coeff_shift_minus_6: 255,
        grain_scaling_minus_8: 255,
        grain_scale_shift: 255,
        ..random_parameters(0)
    };
    apply(&mut frame, &extreme, true);
    assert_eq!(frame.planes[0].width, 40);
}
