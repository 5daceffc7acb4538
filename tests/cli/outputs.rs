//! Files that the command writes: what stands in their place.

use std::fs;
use std::process::{Command, Stdio};

use crate::photos::jpeg;
use crate::support::{Sandbox, rows};

#[cfg(unix)]
#[test]
fn links_are_followed() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    sandbox.write("elsewhere/old", "old");
    symlink("elsewhere/old", sandbox.path("link")).unwrap();
    symlink("elsewhere/new", sandbox.path("dangling")).unwrap();
    symlink("dangling", sandbox.path("chain")).unwrap();
    let expected = sandbox.encode(["--text", "a"]).ok().stdout;
    for (link, file) in [("link", "elsewhere/old"), ("dangling", "elsewhere/new"), ("chain", "elsewhere/new")] {
        sandbox.encode(["--text", "a", "-o", link]).ok();
        assert!(fs::symlink_metadata(sandbox.path(link)).unwrap().is_symlink());
        assert_eq!(fs::read(sandbox.path(file)).unwrap(), expected, "{link}");
        fs::write(sandbox.path(file), "old").unwrap();
        fs::remove_file(sandbox.path("elsewhere/new")).ok();
    }
    sandbox.encode(["--text", "a", "--format", "npy", "-o", "dangling"]).ok();
    assert!(sandbox.path("elsewhere/new.jsonl").exists(), "beside the array");
    symlink("loop", sandbox.path("loop")).unwrap();
    symlink("no/such/folder", sandbox.path("nowhere")).unwrap();
    for link in ["loop", "nowhere"] {
        sandbox.encode(["--files-from", "no-list", "-o", link]).fails(1, &[&format!("error: cannot write {link}: ")]);
    }
}

/// The report would replace the file that holds the embeddings.
#[cfg(unix)]
#[test]
fn the_report_is_not_the_file_of_the_embeddings() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::new();
    sandbox.write("s.jsonl", "kept\n");
    symlink("s.jsonl", sandbox.path("link")).unwrap();
    for report in ["s.jsonl", "./s.jsonl", "link", "/dev/stdout", "/dev/fd/1"] {
        for format in ["jsonl", "npy"] {
            for output in [&[][..], &["-o", "/dev/stdout"]] {
                let args = [&["--text", "a", "--format", format, "--report", report], output].concat();
                let file = fs::OpenOptions::new().append(true).open(sandbox.path("s.jsonl")).unwrap();
                let status = sandbox.encode_command(&args).stdout(file).stderr(Stdio::null()).status().unwrap();
                assert_eq!(status.code(), Some(2), "{args:?}");
                assert_eq!(fs::read_to_string(sandbox.path("s.jsonl")).unwrap(), "kept\n", "{args:?}");
            }
        }
    }
    let message = "/dev/stdout is standard output, which gets the embeddings; write the report to another file";
    sandbox.encode(["--text", "a", "--report", "/dev/stdout"]).fails(2, &[message]);
    let file = fs::OpenOptions::new().append(true).open(sandbox.path("s.jsonl")).unwrap();
    let command = ["--text", "a", "--report", "r.json"];
    assert!(sandbox.encode_command(command).stdout(file).status().unwrap().success(), "what the message advises");
    assert_eq!(fs::read_to_string(sandbox.path("s.jsonl")).unwrap().lines().count(), 2);
    // Where the embeddings go to a file, standard output is free.
    let ran = sandbox.encode(["--text", "a", "-o", "o", "--report", "/dev/stdout"]).ok();
    assert!(ran.text().starts_with("{\"failures\":["), "{}", ran.text());

    // Links that lead to no file yet.
    for (file, link) in [("u.jsonl", "v"), ("w.npy.jsonl", "w2"), ("w.npy", "g.npy")] {
        symlink(file, sandbox.path(link)).unwrap();
    }
    for (format, output, report) in [
        ("jsonl", "u.jsonl", "v"),
        ("jsonl", "v", "u.jsonl"),
        ("npy", "w.npy", "w2"),
        ("npy", "g.npy", "w2"),
        ("npy", "g.npy", "w.npy.jsonl"),
        ("npy", "g.npy", "w.npy"),
    ] {
        let args = ["--text", "a", "--format", format, "-o", output, "--report", report];
        sandbox.encode(args).fails(2, &["gets the embeddings; write the report to another file"]);
    }
    assert!(!sandbox.path("u.jsonl").exists() && !sandbox.path("w.npy").exists());
}

#[test]
fn an_array_whose_list_cannot_be_written_fails_before_any_work() {
    let sandbox = Sandbox::new();
    let photo = sandbox.write("a.jpg", jpeg(1));
    fs::create_dir(sandbox.path("out.npy.jsonl")).unwrap();
    let args = [photo.to_str().unwrap(), "missing.jpg", "--format", "npy", "-o", "out.npy"];
    let ran = sandbox.encode(args).fails(1, &["cannot write out.npy: its list of rows is "]);
    assert!(ran.stderr.contains("out.npy.jsonl: it is a folder; name a file\n"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "no photo was read: {}", ran.stderr);
    assert_eq!(sandbox.files(), ["a.jpg"]);
    fs::remove_dir(sandbox.path("out.npy.jsonl")).unwrap();

    // The list of rows must not replace the list of inputs.
    sandbox.write("out.npy.jsonl", "a.jpg\n");
    let args = ["--files-from", "out.npy.jsonl", "--format", "npy", "-o", "out.npy"];
    sandbox.encode(args).fails(2, &["out.npy.jsonl is one of the inputs; write to another file"]);
    sandbox.encode([&args[..5], &["other.npy"]].concat()).ok();
}

#[test]
fn names_that_are_too_long_fail_before_any_work() {
    let sandbox = Sandbox::new();
    let name = "x".repeat(300);
    for format in ["jsonl", "npy"] {
        let ran = sandbox.encode(["--files-from", "no-list", "--format", format, "-o", &name]).code(1);
        assert!(ran.stderr.starts_with("error: cannot write xxx"), "{}", ran.stderr);
    }
}

/// Runs a script as root of a namespace of its own, in which files can be mounted; `None` where the system forbids it.
#[cfg(target_os = "linux")]
fn with_mounts(sandbox: &Sandbox, script: &str) -> Option<std::process::Output> {
    let isolated = |more: &[&str], script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m"]).args(more).args(["sh", "-c", script, "sh"]).current_dir(sandbox.path("."));
        command.args([crate::support::BINARY.as_ref(), sandbox.model().as_os_str()]);
        command.output().ok()
    };
    let possible = |more: &[&str]| {
        sandbox.write("probe-a", "");
        sandbox.write("probe-b", "");
        let tried = isolated(more, "mount --bind probe-a probe-b");
        tried.is_some_and(|output| output.status.success())
    };
    let more = [&[][..], &["-r"]].into_iter().find(|more| possible(more))?;
    isolated(more, script)
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_a_mount_point_is_written_in_place() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    for name in ["host.jsonl", "out.jsonl", "host.npy", "out.npy", "report.json", "host.json"] {
        sandbox.write(name, "the old content, which is longer than a few bytes".repeat(500));
    }
    sandbox.write("locked/out.jsonl", "");
    sandbox.write("locked-host.jsonl", "old");
    let script = "
        set -e
        export CLIPPIE_MODEL=$2
        mount --bind host.jsonl out.jsonl
        mount --bind host.npy out.npy
        mount --bind host.json report.json
        \"$1\" encode a.jpg -o out.jsonl --report report.json
        \"$1\" encode a.jpg --format npy -o out.npy
        # A container with a read-only root, in which one file can be written.
        mount --bind locked locked
        mount -o remount,bind,ro locked
        mount --bind locked-host.jsonl locked/out.jsonl
        \"$1\" encode a.jpg -o locked/out.jsonl
        ! \"$1\" encode a.jpg -o locked/new.jsonl";
    let Some(output) = with_mounts(&sandbox, script) else {
        eprintln!("not tested: this system permits no mounts");
        return;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with("error: cannot write locked/new.jsonl: Read-only") && said.lines().count() == 1, "{said}");
    let expected = sandbox.encode(["a.jpg"]).ok().stdout;
    for name in ["host.jsonl", "locked-host.jsonl"] {
        assert_eq!(fs::read(sandbox.path(name)).unwrap(), expected, "{name}");
    }
    let report: serde_json::Value = serde_json::from_slice(&fs::read(sandbox.path("host.json")).unwrap()).unwrap();
    assert_eq!(report["encoded"], 1);
    let npy = sandbox.encode(["a.jpg", "--format", "npy"]).ok().stdout;
    assert_eq!(fs::read(sandbox.path("host.npy")).unwrap(), npy);
    assert_eq!(rows(&fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap()).len(), 1);
    assert!(sandbox.files().iter().all(|name| !name.ends_with(".part")), "{:?}", sandbox.files());
}

/// Opening for writing tells what permissions do not: here a file of another user in a folder that anyone may write to.
#[cfg(target_os = "linux")]
#[test]
fn another_users_file_fails_before_any_work() {
    let sandbox = Sandbox::new();
    let script = "
        mkdir shared && echo old > shared/out && chmod 1777 shared . && chmod 644 shared/out
        command -v setpriv >/dev/null || exit 77
        export CLIPPIE_MODEL=$2
        exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$1\" encode --files-from no-list -o shared/out";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", crate::support::BINARY]).arg(sandbox.model()).current_dir(sandbox.path("."));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if !said.starts_with("error:") {
        eprintln!("not tested: only root can become another user ({said})");
        return;
    }
    assert_eq!(
        (output.status.code(), said.as_str()),
        (Some(1), "error: cannot write shared/out: Permission denied (os error 13)\n")
    );
}
