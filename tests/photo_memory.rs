//! Limits the memory of the command for photos of cameras: one, a very large one, and many.
//!
//! Linux only: reads /proc. The command runs as a separate process, so that the test's own memory does not count.
#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "common/converted.rs"]
mod converted;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clippie_testkit::checkpoint::{Layout, Model};
use clippie_testkit::jpeg::{self, CAMERA, Kind, Scans};

/// Reads a field of /proc/PID/status in kilobytes; `None` once the process has ended.
fn kilobytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

const MEGABYTE: u64 = 1_000_000;

/// Returns the peak private memory, in bytes, of encoding `photo`, a file or a folder, sampled every 0.2 ms.
fn peak(weights: &Path, photo: &Path) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clippie-rs"));
    let rows = photo.with_extension("jsonl");
    command.arg("encode").arg(photo).arg("-m").arg(weights).args(["--threads", "2", "-o"]).arg(&rows);
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        peak = peak.max(kilobytes(&status, "RssAnon:").unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(child.wait().unwrap().success());
    assert!(std::fs::read_to_string(rows).unwrap().contains("embedding"));
    peak
}

/// 12 megapixels are 36 MB of RGB, which must never be held as a whole, in any orientation. The documented limit is
/// 40 MB, of which the tower takes 14.
#[test]
fn a_photo_of_12_megapixels() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let weights = converted::weights(&Model::named("mobileclip-s2").unwrap(), Layout::OpenClip, 5, folder.path());
    let photo = folder.path().join("photo.jpg");
    let measure = |kind: Kind| {
        std::fs::write(&photo, jpeg::encode(4000, 3000, &kind, jpeg::pixel)).unwrap();
        let peak = peak(&weights, &photo);
        println!("{kind:?}: {peak} bytes at the peak");
        peak
    };
    for orientation in [0, 6] {
        let peak = measure(Kind { orientation, ..CAMERA });
        assert!(peak > 5 * MEGABYTE, "{peak}: not sampled");
        assert!(peak < 30 * MEGABYTE, "{peak}");
    }
    // The coefficients of a progressive photo take 36 MB until its last scan is read; the photo itself adds nothing.
    let peak = measure(Kind { scans: Scans::Progressive, ..CAMERA });
    assert!(peak < 60 * MEGABYTE, "{peak}");
}

/// Returns a JPEG file of 11,600 x 8,704 pixels, 4:2:0: the same eight rows of MCUs again and again, with a restart marker
/// after each.
fn large() -> Vec<u8> {
    const TIMES: u16 = 68;
    let strip = jpeg::encode(11_600, 128, &Kind { restart_interval: 725, ..CAMERA }, jpeg::pixel);
    let find = |marker: u8| strip.windows(2).position(|two| two == [0xff, marker]).unwrap();
    let (frame, scan) = (find(0xc0), find(0xda));
    let data = scan + 2 + usize::from(strip[scan + 3]);
    let mut large = strip[..data].to_vec();
    large[frame + 5..frame + 7].copy_from_slice(&(128 * TIMES).to_be_bytes());
    let rows = &strip[data..strip.len() - 2];
    for time in 0..TIMES {
        large.extend(if time > 0 { &[0xff, 0xd7][..] } else { &[] });
        large.extend(rows);
    }
    large.extend([0xff, 0xd9]);
    large
}

/// 100 megapixels are 300 MB of RGB. The documented limit is 60 MB, of which the file takes most.
#[test]
fn a_photo_of_100_megapixels() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (photo, bytes) = (folder.path().join("photo.jpg"), large());
    assert!(bytes.len() as u64 > 15 * MEGABYTE, "{}", bytes.len());
    std::fs::write(&photo, &bytes).unwrap();
    let peak = peak(Path::new("demo"), &photo);
    println!("{peak} bytes at the peak, {} of the file", bytes.len());
    assert!(peak > bytes.len() as u64, "{peak}: not sampled");
    assert!(peak < 60 * MEGABYTE && peak < bytes.len() as u64 + 15 * MEGABYTE, "{peak}");
}

/// Photos are read ahead of their decoding, up to a limit: twice as many take no more memory.
#[test]
fn many_photos() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (file, photos) = (folder.path().join("photo"), folder.path().join("photos"));
    let bytes = jpeg::encode(4000, 3000, &CAMERA, jpeg::pixel);
    std::fs::write(&file, &bytes).unwrap();
    std::fs::create_dir(&photos).unwrap();
    let mut peaks = Vec::new();
    for numbers in [0..40, 40..80] {
        for number in numbers {
            std::fs::hard_link(&file, photos.join(format!("{number}.jpg"))).unwrap();
        }
        peaks.push(peak(Path::new("demo"), &photos));
    }
    println!("{peaks:?} bytes at the peak");
    // 32 MiB are read ahead, and each thread has a photo and what its decoding needs; the allocator keeps some of what
    // was freed. All photos would take far more.
    let limit = 130 * MEGABYTE;
    assert!(80 * bytes.len() as u64 > limit + limit / 2, "{}", bytes.len());
    assert!(peaks.iter().all(|&peak| peak < limit), "{peaks:?}");
}
