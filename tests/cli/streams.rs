//! Standard streams that are closed or cannot be written.

use std::process::Output;

use crate::photos::jpeg;
use crate::support::{BINARY, Sandbox, feed};

/// Runs the binary through a shell with this redirection.
fn shell(sandbox: &Sandbox, redirection: &str, args: &[&str]) -> Output {
    let command = sandbox.command([""; 0]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("exec \"$@\" {redirection}"), "sh", BINARY]).args(args);
    shell.current_dir(command.get_current_dir().unwrap()).stdin(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("CLIPPIE_MODEL", sandbox.model());
    shell.output().unwrap()
}

fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
#[test]
fn a_closed_standard_output_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let model = sandbox.model();
    let model = model.to_str().unwrap();
    let error = "error: cannot write to standard output: it is closed; redirect it to a file or a pipe\n";
    for args in [
        &["encode", "a.jpg"][..],
        &["encode", "a.jpg", "--format", "npy"],
        &["preprocess", "a.jpg"],
        &["tokenize", "a"],
        &["info", model],
        &["models"],
        &["--help"],
        &["--version"],
        &["encode", "--help"],
    ] {
        assert_eq!(ended(&shell(&sandbox, ">&-", args)), (Some(1), error.into()), "{args:?}");
        // What the message advises.
        assert_eq!(ended(&shell(&sandbox, ">data", args)), (Some(0), String::new()), "{args:?}");
        assert!(std::fs::metadata(sandbox.path("data")).unwrap().len() > 0);
    }
    let (code, said) = ended(&shell(&sandbox, ">&-", &["encode", "a.jpg", "-o", "/dev/stdout"]));
    assert!(code == Some(1) && said.contains("it is closed"), "{said}");
    // A file takes the data, and `/dev/null` loses it with intent.
    assert_eq!(ended(&shell(&sandbox, ">&-", &["encode", "a.jpg", "-o", "out"])), (Some(0), String::new()));
    assert_eq!(ended(&shell(&sandbox, "1<>/dev/null", &["encode", "a.jpg"])), (Some(0), String::new()));
    assert_eq!(ended(&shell(&sandbox, ">/dev/null", &["encode", "a.jpg"])), (Some(0), String::new()));
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
#[test]
fn a_closed_standard_input_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let error = "error: cannot read standard input: it is closed; redirect a file or a pipe to it\n";
    for args in [
        &["encode", "-"][..],
        &["encode", "--files-from", "-"],
        &["encode", "--texts-from", "-"],
        &["preprocess", "-", "-o", "out"],
        &["tokenize", "--texts-from", "-"],
    ] {
        assert_eq!(ended(&shell(&sandbox, "<&-", args)), (Some(1), error.into()), "{args:?}");
    }
    // What the message advises, and a stream that nobody reads.
    assert_eq!(ended(&shell(&sandbox, "<a.jpg", &["encode", "-"])), (Some(0), String::new()));
    assert_eq!(ended(&shell(&sandbox, "<&-", &["encode", "a.jpg"])), (Some(0), String::new()));
}

#[cfg(unix)]
#[test]
fn a_closed_standard_error_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.write("bad.jpg", "");
    for (args, code) in [
        (&["encode", "a.jpg"][..], 0),
        (&["encode", "a.jpg", "-v"], 0),
        (&["encode", "a.jpg", "bad.jpg"], 3),
        (&["encode", "bad.jpg"], 1),
        (&["encode", "--nonsense"], 2),
        (&["encode"], 2),
    ] {
        let plain = shell(&sandbox, "", args);
        for redirection in ["2>&-", "2>/dev/full"] {
            let closed = shell(&sandbox, redirection, args);
            assert_eq!((closed.status.code(), &closed.stdout), (Some(code), &plain.stdout), "{args:?} {redirection}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    for args in [&["--help"][..], &["--version"], &["encode", "-h"]] {
        let (code, said) = ended(&shell(&sandbox, ">/dev/full", args));
        assert_eq!(code, Some(1), "{args:?}");
        assert!(said.starts_with("error: cannot write to standard output: No space left"), "{said}");
    }
}

/// A pipe, a socket or a device in the place of a photo is an error at once; a list may be a pipe.
#[cfg(unix)]
#[test]
fn only_files_are_photos() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let mkfifo = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(sandbox.path(name)).status().unwrap();
        assert!(made.success());
    };
    mkfifo("p.jpg");
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.path("s.jpg")).unwrap();
    sandbox.write("list", "p.jpg\ns.jpg\n/dev/null\na.jpg\n");
    let ran = sandbox.encode(["--files-from", "list"]).code(3);
    let errors = ran.error_lines();
    assert!(errors[0].starts_with("error: cannot read p.jpg: it is a pipe"), "{}", errors[0]);
    assert!(errors[1].starts_with("error: cannot read s.jpg: it is a socket"), "{}", errors[1]);
    assert!(errors[2].starts_with("error: cannot read /dev/null: it is a device"), "{}", errors[2]);
    assert!(ran.rows()[3]["embedding"].is_array());
    let model = sandbox.model();
    sandbox.run(["preprocess", "p.jpg", "-o", "out", "-m", model.to_str().unwrap()]).fails(1, &["it is a pipe"]);
    // A folder has no rows for them.
    assert_eq!(sandbox.encode(["."]).ok().rows().len(), 1);

    // What the message advises, and standard input.
    std::fs::remove_file(sandbox.path("p.jpg")).unwrap();
    sandbox.write("p.jpg", jpeg(2));
    sandbox.encode(["p.jpg"]).ok();
    feed(sandbox.encode_command(["-"]), &jpeg(2)).ok();
    let output = shell(&sandbox, "--files-from /dev/fd/3 3<<END\na.jpg\nEND\n", &["encode"]);
    assert_eq!(ended(&output), (Some(0), String::new()));
    mkfifo("list.pipe");
    let path = sandbox.path("list.pipe");
    let writer = std::thread::spawn(move || std::fs::write(path, "a.jpg\n").unwrap());
    assert_eq!(sandbox.encode(["--files-from", "list.pipe"]).ok().rows().len(), 1);
    writer.join().unwrap();
}
