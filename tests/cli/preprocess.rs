//! `preprocess`: the pixels that the model receives.

use std::fs;

use crate::photos::{jpeg, turned_jpeg};
use crate::support::{IMAGE_SIZE, Sandbox, feed, read_npy};

#[test]
fn pixels_equal_those_of_the_library() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.write("turned.jpg", turned_jpeg().0);
    let model = sandbox.model();
    let model = model.to_str().unwrap();
    let run = |args: &[&str]| {
        let ran = sandbox.run(["preprocess", "-m", model].iter().chain(args)).ok();
        let (shape, pixels) = read_npy(&ran.stdout);
        assert_eq!(shape, [3, IMAGE_SIZE as u64, IMAGE_SIZE as u64]);
        pixels
    };
    let encoder = clippie_rs::ImageEncoder::open(model).unwrap();
    let expected = encoder.preprocess_image(&sandbox.path("a.jpg")).unwrap();
    assert_eq!(run(&["a.jpg"]), expected.as_slice().unwrap());

    sandbox.run(["preprocess", "-m", model, "a.jpg", "-o", "a.npy"]).ok();
    let piped = feed(sandbox.command(["preprocess", "-m", model, "-"]), &jpeg(1)).ok();
    assert_eq!(fs::read(sandbox.path("a.npy")).unwrap(), piped.stdout);
    assert_eq!(read_npy(&piped.stdout).1, expected.as_slice().unwrap());
    assert_eq!(sandbox.files(), ["a.jpg", "a.npy", "turned.jpg"]);

    let plain = run(&["turned.jpg"]);
    let ways: [&[&str]; 5] = [
        &["--no-orient"],
        &["--resize", "squash"],
        &["--interpolation", "bilinear"],
        &["--mean", "0,0,0"],
        &["--std", "1,1,1"],
    ];
    for way in ways {
        assert_ne!(run(&[&["turned.jpg"], way].concat()), plain, "{way:?}");
    }
    // What is not far too large is not reduced.
    assert_eq!(run(&["turned.jpg", "--fast-decode"]), plain);
    // With mean 0 and deviation 1, pixels are the photo's values from 0 to 1.
    let bare = run(&["a.jpg", "--mean", "0,0,0", "--std", "1,1,1"]);
    assert!(bare.iter().all(|value| (0.0..=1.0).contains(value)));
}

#[test]
fn a_damaged_photo_leaves_no_file() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.jpg", "");
    let model = sandbox.model();
    let model = model.to_str().unwrap();
    sandbox.run(["preprocess", "-m", model, "empty.jpg", "-o", "a.npy"]).fails(1, &["error: empty.jpg"]);
    sandbox
        .run(["preprocess", "-m", model, "missing.jpg", "-o", "a.npy"])
        .fails(1, &["error: cannot read missing.jpg: "]);
    feed(sandbox.command(["preprocess", "-m", model, "-"]), b"").fails(1, &["error: standard input: "]);
    assert_eq!(sandbox.files(), ["empty.jpg"]);
}
