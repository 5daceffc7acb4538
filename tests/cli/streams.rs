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

/// A program writes a path, waits for its row, and writes the next.
#[test]
fn paths_on_standard_input_are_answered_as_they_come() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;

    let sandbox = Sandbox::new();
    for number in 0..6 {
        sandbox.write(format!("{number}.jpg"), jpeg(number));
    }
    sandbox.write("d/a.jpg", jpeg(7));
    sandbox.write("d/b.jpg", jpeg(8));
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    let all = ["0.jpg", "1.jpg", "d", "empty", "missing.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"];
    let expected = sandbox.encode(all).code(3);
    for (format, header) in [("jsonl", 0), ("csv", 1)] {
        let expected = sandbox.encode(all.iter().chain(&["--format", format])).code(3);
        let expected: Vec<&str> = expected.text().lines().collect();
        let mut command = sandbox.encode_command(["--files-from", "-", "--format", format]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut found = Vec::new();
        // Folders have a row for each photo, or none; csv has none for what failed.
        let failed = usize::from(format == "jsonl");
        for (paths, rows) in [
            ("0.jpg\n", 1 + header),
            ("1.jpg\n", 1),
            ("d\nempty\n", 2),
            ("empty\nmissing.jpg\n", failed),
            ("2.jpg\n3.jpg\n4.j", 2),
            ("pg\n", 1),
        ] {
            stdin.write_all(paths.as_bytes()).unwrap();
            found.extend(answers.by_ref().take(rows));
        }
        // Without a newline at the end.
        stdin.write_all(b"5.jpg").unwrap();
        drop(stdin);
        found.extend(answers);
        assert_eq!(found, expected);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(3));
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(stderr.matches("empty: no photos in this folder").count(), 2, "{stderr}");
        assert!(stderr.ends_with("encoded 8 of 9 inputs; 1 failed\n"), "{stderr}");
    }
    // A file, and parts, need the whole list; the rows are the same.
    let list = all.join("\n");
    let run = |args: &[&str]| feed(sandbox.encode_command(["--files-from", "-"].iter().chain(args)), list.as_bytes());
    assert_eq!(run(&[]).code(3).stdout, expected.stdout);
    assert_eq!(run(&["--partition", "1/1"]).code(3).stdout, expected.stdout);
    run(&["-o", "out.jsonl"]).code(3);
    assert_eq!(std::fs::read(sandbox.path("out.jsonl")).unwrap(), expected.stdout);
    // What cannot be a list ends the call, after the rows before it.
    let mixed = feed(sandbox.encode_command(["--files-from", "-"]), b"a/missing.jpg\n0.jpg\n");
    assert_eq!(mixed.code(3).rows().len(), 2);
    sandbox.write("0.jpg", jpeg(0));
    let own = feed(sandbox.encode_command(["--files-from", "-", "--report", "0.jpg"]), b"0.jpg\n");
    own.fails(2, &["0.jpg is one of the inputs"]);
    assert_eq!(std::fs::read(sandbox.path("0.jpg")).unwrap(), jpeg(0));
}
