//! Lines for the default shell, `sh`, that were written for bash. What `sh` is differs from system to system.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::harness::{RunOutput, TestDir, cordial, file, finish};

/// Runs the binary where `sh` leads to a program with this name.
fn run_with_sh(name: &str, args: &[&str], input: &[u8]) -> RunOutput {
    let dir = TestDir::new();
    // Not by `fs::copy`: a child that another test forks has the copy open for writing until it calls `exec`, and the system does not run a
    // program that is open for writing.
    assert!(Command::new("cp").arg("/bin/sh").arg(dir.path(name)).status().unwrap().success());
    symlink(name, dir.path("sh")).unwrap();
    let mut command = cordial();
    command.arg("map").args(args).env("PATH", format!("{}:/usr/bin:/bin", dir.text())).current_dir(dir.text());
    let result = finish(command.stdin(file(input)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert!(!fs::exists(dir.path("ran")).unwrap(), "{args:?}");
    result
}

#[test]
fn a_line_for_bash_is_refused_where_sh_is_dash() {
    for (args, part) in [
        (&["touch ran; cat <<< {}", ":::", "a"][..], "<<<"),
        (&["--shell", "touch", "ran;", "[[", "{}", "=", "a", "]]", ":::", "a"], "[["),
        (&["touch ran; a {} &>log", ":::", "a"], "&>"),
        (&["for i in {1..3}; do touch ran; done #"], "{1..3}"),
    ] {
        let result = run_with_sh("dash", args, b"a\n");
        assert_eq!((result.status, &*result.stdout), (255, &b""[..]), "{args:?}: {}", result.stderr);
        let message = format!(
            "\"{part}\" is for bash, and sh is dash on this machine, which does not know it: add --shell-path bash"
        );
        assert!(result.stderr.contains(&message), "{}", result.stderr);
    }
    // Each item is a line.
    let result = run_with_sh("dash", &["-c1"], b"echo a\ntouch ran; echo $'b'\necho c\n");
    assert_eq!((result.status, &*result.stdout), (1, &b"a\nc\n"[..]), "{}", result.stderr);
    assert!(result.stderr.contains("item 2 \"touch ran; echo $'b'\" failed"), "{}", result.stderr);
    assert!(result.stderr.contains("\"$'\" is for bash"), "{}", result.stderr);
}

#[test]
fn a_line_runs_where_sh_is_another_shell_and_where_the_shell_is_named() {
    for (sh, args) in [
        ("other", &["echo {1..3} #", ":::", "a"][..]),
        ("dash", &["--shell-path", "sh", "echo {1..3} #", ":::", "a"]),
        // Text for another program is in quotes.
        ("dash", &["echo '<<< [[ &> {1..3}' {}", ":::", "a"]),
    ] {
        let result = run_with_sh(sh, args, b"");
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{args:?}");
    }
}
