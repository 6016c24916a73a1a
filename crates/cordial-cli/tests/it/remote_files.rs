//! Files that travel with `-S`. A program that runs the line on this machine replaces `ssh`, so that the login directory is the one in which the
//! command runs.
#![cfg(target_os = "linux")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::fleet_files::hostile_tar;
use crate::harness::{RunOutput, finish};
use crate::remote_line::without_ssh;

fn end(map: &mut Command) -> RunOutput {
    finish(map.stdin(Stdio::null()).spawn().unwrap())
}

#[test]
fn no_name_removes_the_login_directory() {
    for (args, name) in [
        (&["--transfer", "--cleanup", "true", ":::", "."][..], "."),
        (&["--transferfile", "{//}", "--cleanup", "true", ":::", "file"], "."),
        (&["--trc", "d/..", "true", ":::", "file"], "d/.."),
        (&["--return", "d/./", "--cleanup", "false", ":::", "1"], ""),
    ] {
        let (dir, mut map) = without_ssh("exec", args);
        fs::write(dir.path("file"), "text").unwrap();
        fs::create_dir(dir.path("d")).unwrap();
        let result = end(&mut map);
        assert_eq!(result.status, 1, "{args:?}: {}", result.stderr);
        assert!(result.stderr.contains(&format!("--cleanup cannot remove {name:?}")), "{args:?}: {}", result.stderr);
        assert!(dir.path("file").exists() && dir.path("d").exists(), "{args:?}");
    }
}

/// The host may share the file system.
#[test]
fn a_sent_file_that_was_there_before_is_not_removed() {
    for item in ["a", "./a", "d/../a"] {
        let (dir, mut map) = without_ssh("exec", &["--trc", "d/out", "cat {} | tee d/out", ":::", item]);
        fs::write(dir.path("a"), "original").unwrap();
        fs::create_dir(dir.path("d")).unwrap();
        let result = end(&mut map);
        assert_eq!((result.status, &*result.stderr, &*result.stdout), (0, "", &b"original"[..]), "{item}");
        assert_eq!(fs::read_to_string(dir.path("a")).unwrap(), "original", "{item}");
    }
    // Also if it is returned under another spelling of its name.
    let options = ["--transferfile", "./{}", "--return", "{}", "--cleanup", "true", ":::", "a"];
    let (dir, mut map) = without_ssh("exec", &options);
    fs::write(dir.path("a"), "original").unwrap();
    assert_eq!(end(&mut map).status, 0);
    assert_eq!(fs::read_to_string(dir.path("a")).unwrap(), "original");
    // A returned file is the only copy if the host has it in the same place.
    for name in ["out", "d/out"] {
        let (dir, mut map) =
            without_ssh("exec", &["--return", name, "--cleanup", &format!("echo {{}} > {name}"), ":::", "1"]);
        fs::create_dir(dir.path("d")).unwrap();
        let result = end(&mut map);
        assert_eq!((result.status, &*result.stderr), (0, ""), "{name}");
        assert_eq!(fs::read_to_string(dir.path(name)).unwrap(), "1\n");
        let left = fs::read_dir(dir.path(name).parent().unwrap()).unwrap();
        assert_eq!(
            left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".cordial")).count(),
            0
        );
    }
    // What was not there is removed, also if it is a directory.
    let options = ["--wd", "there", "--transferfile", "a", "--transfer", "--cleanup", "cat a {}/b", ":::", "d/e"];
    let (dir, mut map) = without_ssh("exec", &options);
    fs::write(dir.path("a"), "new").unwrap();
    fs::create_dir_all(dir.path("d/e")).unwrap();
    fs::write(dir.path("d/e/b"), "text").unwrap();
    fs::create_dir(dir.path("there")).unwrap();
    fs::write(dir.path("there/a"), "old").unwrap();
    let result = end(&mut map);
    assert_eq!((result.status, &*result.stderr, &*result.stdout), (0, "", &b"newtext"[..]));
    assert_eq!(fs::read_to_string(dir.path("there/a")).unwrap(), "new");
    assert_eq!(fs::read_dir(dir.path("there")).unwrap().count(), 1);
}

#[test]
fn the_files_that_were_sent_before_one_that_cannot_be_sent_are_removed() {
    let options = ["--wd", "there", "--transferfile", "a", "--transferfile", "b", "--cleanup", "true", ":::", "1"];
    let (dir, mut map) = without_ssh("exec", &options);
    for name in ["a", "b"] {
        fs::write(dir.path(name), "text").unwrap();
    }
    // A file cannot replace a directory with files.
    fs::create_dir_all(dir.path("there/b")).unwrap();
    fs::write(dir.path("there/b/file"), "text").unwrap();
    let result = end(&mut map);
    assert_eq!(result.status, 1, "{}", result.stderr);
    assert!(result.stderr.contains("cordial: cannot send the file b\n"), "{}", result.stderr);
    assert!(dir.path("there/b/file").exists());
    assert_eq!(fs::read_dir(dir.path("there")).unwrap().count(), 1);
}

/// Another command may make the directory between the check for it and `mv`.
#[test]
fn a_directory_that_two_commands_send_at_once_does_not_contain_itself() {
    let options = ["--wd", "there", "--transferfile", "d", "true", ":::", "1"];
    let (dir, mut map) = without_ssh("exec env \"PATH=$PWD/programs:$PATH\"", &options);
    for name in ["programs", "d"] {
        fs::create_dir(dir.path(name)).unwrap();
    }
    fs::write(dir.path("d/file"), "text").unwrap();
    let mv = dir.path("programs/mv");
    fs::write(&mv, "#!/bin/sh\nmkdir d && true >d/other && PATH=/usr/bin:/bin exec mv \"$@\"\n").unwrap();
    fs::set_permissions(&mv, Permissions::from_mode(0o755)).unwrap();
    let result = end(&mut map);
    assert_eq!((result.status, &*result.stderr), (0, ""));
    let names = fs::read_dir(dir.path("there/d")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["file", "other"]);
}

/// Another user may control the host, and its archives contain what that user wants.
#[test]
fn a_host_returns_only_the_files_that_it_was_asked_for() {
    let options = ["--wd", "there", "--return", "here/./out", "true", ":::", "1"];
    let (dir, mut map) = without_ssh("exec env \"PATH=$PWD/programs:$PATH\"", &options);
    for name in ["programs", "source", "here"] {
        fs::create_dir(dir.path(name)).unwrap();
    }
    hostile_tar(&dir.path("programs"), &dir.path("source"), &dir.path("here"));
    let result = end(&mut map);
    assert_eq!((result.status, &*result.stderr), (0, ""));
    let names: Vec<_> = fs::read_dir(dir.path("here")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!((names, dir.path("evil").exists()), (vec!["out".into()], false));
}
