//! A small JPEG encoder for tests: any sampling, restart markers, every kind of scan, an EXIF orientation.
//!
//! Writes ordinary files; does not try to compress well.

// Each test target uses a part.
#![allow(dead_code)]

/// The distribution of coefficients over scans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scans {
    /// Baseline with all components in one scan, as in camera files.
    One,
    /// Baseline with one scan for each component.
    Separate,
    /// Progressive: the DC coefficients of all components in one scan, then the AC coefficients of each.
    Progressive,
}

/// The kind of a file.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Blocks of an MCU, horizontally and vertically, of Y, Cb and Cr; of one component for grey.
    pub sampling: &'static [(usize, usize)],
    /// MCUs between restart markers; zero for none.
    pub restart_interval: usize,
    pub scans: Scans,
    /// The value of the EXIF tag; zero for no EXIF.
    pub orientation: u8,
}

/// The files of a camera: chroma halved in both directions.
pub const CAMERA: Kind =
    Kind { sampling: &[(2, 2), (1, 1), (1, 1)], restart_interval: 0, scans: Scans::One, orientation: 0 };

/// Offset of the value of the EXIF tag in files that have one.
pub const ORIENTATION_AT: usize = 31;

/// Computes a pixel of a synthetic photo: slow gradients, edges, some noise. 12 megapixels take 3 MB.
pub fn pixel(x: usize, y: usize) -> [u8; 3] {
    let (fx, fy) = (x as f32, y as f32);
    let mut noise = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    noise = (noise ^ noise >> 15).wrapping_mul(0x2c1b_3c6d);
    noise ^= noise >> 13;
    let edge = if (x / 97 + y / 61).is_multiple_of(3) { 40.0 } else { 0.0 };
    let light = 90.0 + 60.0 * (fx / 190.0).sin() * (fy / 130.0).cos() + edge + (noise % 24) as f32;
    [light, light * 0.8 + 30.0 * (fy / 300.0).sin(), light * 0.6 + 50.0 * (fx / 250.0).cos()].map(|v| v as u8)
}

/// Encodes a photo.
pub fn encode(width: usize, height: usize, kind: &Kind, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    let h_max = kind.sampling.iter().map(|s| s.0).max().unwrap();
    let v_max = kind.sampling.iter().map(|s| s.1).max().unwrap();
    let mcus = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
    let components: Vec<Component> = (kind.sampling.iter().enumerate())
        .map(|(i, &(h, v))| {
            let step = (h_max / h, v_max / v);
            let sample = |x: usize, y: usize| {
                let places = (0..step.0 * step.1).map(|k| (x * step.0 + k % step.0, y * step.1 + k / step.0));
                let values = places.map(|(x, y)| channel(i, pixel(x.min(width - 1), y.min(height - 1))));
                values.sum::<f32>() / (step.0 * step.1) as f32
            };
            let (across, down) = (mcus.0 * h, mcus.1 * v);
            let blocks = (0..across * down).map(|k| transformed(k % across * 8, k / across * 8, sample)).collect();
            let own = ((width * h).div_ceil(h_max).div_ceil(8), (height * v).div_ceil(v_max).div_ceil(8));
            Component { h, v, across, own, blocks }
        })
        .collect();

    let mut out = vec![0xff, 0xd8];
    if kind.orientation != 0 {
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([kind.orientation, 0, 0, 0, 0, 0, 0]);
        segment(&mut out, 0xe1, &exif);
    }
    let steps: Vec<u8> = ZIGZAG.iter().map(|&place| step_of(place)).collect();
    segment(&mut out, 0xdb, &[&[0], &steps[..]].concat());
    let [h1, h0] = (height as u16).to_be_bytes();
    let [w1, w0] = (width as u16).to_be_bytes();
    let mut frame = vec![8, h1, h0, w1, w0, components.len() as u8];
    for (i, component) in components.iter().enumerate() {
        frame.extend([i as u8, (component.h << 4 | component.v) as u8, 0]);
    }
    segment(&mut out, if kind.scans == Scans::Progressive { 0xc2 } else { 0xc0 }, &frame);
    segment(&mut out, 0xc4, &[&[0], &DC_COUNTS[..], &dc_symbols()].concat());
    segment(&mut out, 0xc4, &[&[0x10], &AC_COUNTS[..], &ac_symbols()].concat());
    let [i1, i0] = (kind.restart_interval as u16).to_be_bytes();
    segment(&mut out, 0xdd, &[i1, i0]);

    let all: Vec<usize> = (0..components.len()).collect();
    let mut scan = |which: &[usize], start, end| scan(&mut out, &components, which, kind.restart_interval, start, end);
    match kind.scans {
        Scans::One => scan(&all, 0, 63),
        Scans::Separate => all.iter().for_each(|&i| scan(&[i], 0, 63)),
        Scans::Progressive => {
            scan(&all, 0, 0);
            all.iter().for_each(|&i| scan(&[i], 1, 63));
        }
    }
    out.extend([0xff, 0xd9]);
    out
}

struct Component {
    h: usize,
    v: usize,
    /// Blocks in a row, padded to whole MCUs.
    across: usize,
    /// Blocks that hold pixels of the photo, horizontally and vertically.
    own: (usize, usize),
    /// Quantised coefficients in zigzag order.
    blocks: Vec<[i32; 64]>,
}

/// Computes Y, Cb or Cr of a pixel, centred on zero.
fn channel(index: usize, [r, g, b]: [u8; 3]) -> f32 {
    let [r, g, b] = [r, g, b].map(f32::from);
    match index {
        0 => 0.299 * r + 0.587 * g + 0.114 * b - 128.0,
        1 => -0.168736 * r - 0.331264 * g + 0.5 * b,
        _ => 0.5 * r - 0.418688 * g - 0.081312 * b,
    }
}

/// Row-major positions in zigzag order.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Returns the quantisation step of a row-major position: finer for low frequencies.
fn step_of(place: usize) -> u8 {
    (3 + place / 8 + place % 8) as u8
}

/// Computes the quantised DCT of the 8 x 8 samples at `left`, `top`, in zigzag order.
fn transformed(left: usize, top: usize, sample: impl Fn(usize, usize) -> f32) -> [i32; 64] {
    static COSINES: std::sync::OnceLock<[[f32; 8]; 8]> = std::sync::OnceLock::new();
    let cosines = COSINES.get_or_init(|| {
        let scale = |u: usize| if u == 0 { 0.125f64.sqrt() } else { 0.5 };
        let angle = |u: usize, x: usize| (2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0;
        std::array::from_fn(|u| std::array::from_fn(|x| (scale(u) * angle(u, x).cos()) as f32))
    });
    let samples: [[f32; 8]; 8] = std::array::from_fn(|y| std::array::from_fn(|x| sample(left + x, top + y)));
    // [y][u], then [v][u].
    let rows = samples.map(|row| cosines.map(|cosine| (0..8).map(|x| cosine[x] * row[x]).sum::<f32>()));
    let value = |v: usize, u: usize| (0..8).map(|y| cosines[v][y] * rows[y][u]).sum::<f32>();
    ZIGZAG.map(|place| (value(place / 8, place % 8) / f32::from(step_of(place))).round() as i32)
}

const DC_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const AC_COUNTS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];

fn dc_symbols() -> Vec<u8> {
    (0..12).collect()
}

/// Lists the frequent symbols first, then all others.
fn ac_symbols() -> Vec<u8> {
    const FIRST: &[u8] = b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\
        \xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82";
    let rest = (0..=255u8).filter(|s| (1..=10).contains(&(s & 15)) && !FIRST.contains(s));
    FIRST.iter().copied().chain(rest).collect()
}

/// Computes the code of each symbol and its length.
fn codes(counts: &[u8; 16], symbols: &[u8]) -> [(u32, u32); 256] {
    let (mut table, mut code, mut symbols) = ([(0, 0); 256], 0, symbols.iter());
    for (length, &count) in (1..).zip(counts) {
        for &symbol in symbols.by_ref().take(count.into()) {
            table[usize::from(symbol)] = (code, length);
            code += 1;
        }
        code <<= 1;
    }
    table
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// Writes a scan: coefficients `start` to `end` of some components.
fn scan(out: &mut Vec<u8>, all: &[Component], which: &[usize], restart_interval: usize, start: usize, end: usize) {
    let mut header = vec![which.len() as u8];
    header.extend(which.iter().flat_map(|&i| [i as u8, 0]));
    header.extend([start as u8, end as u8, 0]);
    segment(out, 0xda, &header);

    let mut writer =
        Writer { out, bits: 0, count: 0, dc: codes(&DC_COUNTS, &dc_symbols()), ac: codes(&AC_COUNTS, &ac_symbols()) };
    let mut predictions = vec![0; which.len()];
    let mut mcus = 0;
    let mut begin = |writer: &mut Writer<'_>, predictions: &mut [i32]| {
        if restart_interval != 0 && mcus != 0 && mcus % restart_interval == 0 {
            writer.flush();
            writer.out.extend([0xff, 0xd0 + (mcus / restart_interval - 1) as u8 % 8]);
            predictions.fill(0);
        }
        mcus += 1;
    };
    if let &[index] = which {
        let component = &all[index];
        for block in (0..component.own.1).flat_map(|y| (0..component.own.0).map(move |x| y * component.across + x)) {
            begin(&mut writer, &mut predictions);
            writer.block(&component.blocks[block], start, end, &mut predictions[0]);
        }
    } else {
        let (across, total) = (all[0].across / all[0].h, all[0].blocks.len() / (all[0].h * all[0].v));
        for mcu in 0..total {
            begin(&mut writer, &mut predictions);
            for (&index, prediction) in which.iter().zip(&mut predictions) {
                let component = &all[index];
                for k in 0..component.h * component.v {
                    let x = mcu % across * component.h + k % component.h;
                    let y = mcu / across * component.v + k / component.h;
                    writer.block(&component.blocks[y * component.across + x], start, end, prediction);
                }
            }
        }
    }
    writer.flush();
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    bits: u64,
    count: u32,
    dc: [(u32, u32); 256],
    ac: [(u32, u32); 256],
}

impl Writer<'_> {
    fn put(&mut self, bits: u32, count: u32) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.bits >> self.count) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
    }

    fn flush(&mut self) {
        let missing = (8 - self.count % 8) % 8;
        self.put((1 << missing) - 1, missing);
    }

    /// Writes a symbol with the size of `value` in its lower half, then the bits of the value.
    fn value(&mut self, table: fn(&Self) -> &[(u32, u32); 256], run: u32, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, length) = table(self)[(run << 4 | size) as usize];
        self.put(code, length);
        let bits = if value < 0 { value + (1 << size) - 1 } else { value };
        self.put(bits as u32, size);
    }

    fn block(&mut self, block: &[i32; 64], start: usize, end: usize, prediction: &mut i32) {
        if start == 0 {
            self.value(|w| &w.dc, 0, block[0] - *prediction);
            *prediction = block[0];
        }
        let mut run = 0;
        for &value in block.iter().take(end + 1).skip(start.max(1)) {
            if value == 0 {
                run += 1;
                continue;
            }
            for _ in 0..run / 16 {
                self.value(|w| &w.ac, 15, 0);
            }
            self.value(|w| &w.ac, run % 16, value.clamp(-1023, 1023));
            run = 0;
        }
        if run > 0 {
            self.value(|w| &w.ac, 0, 0);
        }
    }
}
