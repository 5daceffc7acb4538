//! Limits the memory of the command for a photo of a camera.
//!
//! Linux only: reads /proc. The command runs as a separate process, so that the test's own memory does not count.
#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "common/converted.rs"]
mod converted;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use clippie_testkit::checkpoint::{Layout, Model};
use clippie_testkit::jpeg::{self, CAMERA, Kind, Scans};

/// Reads a field of /proc/PID/status in kilobytes; `None` once the process has ended.
fn kilobytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns the peak private memory, in bytes, of encoding `photo`, sampled every 0.2 ms.
fn peak(weights: &Path, photo: &Path) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clippie-rs"));
    command.arg("encode").arg(photo).arg("-m").arg(weights).args(["--threads", "2"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        peak = peak.max(kilobytes(&status, "RssAnon:").unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_micros(200));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("embedding"));
    peak
}

/// 12 megapixels are 36 MB of RGB, which must never be held as a whole, in any orientation. The documented limit is
/// 40 MB, of which the tower takes 14.
#[test]
fn a_photo_of_12_megapixels() {
    const MEGABYTE: u64 = 1_000_000;
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
