//! What a command inherits: ignored signals and the environment. With `--workdir` commands are started by other code, so everything is
//! tested with it as well.

use std::collections::BTreeMap;
use std::process::Stdio;

#[cfg(target_os = "linux")]
use rustix::process::Signal;

use crate::harness::{cordial, finish, shell};

const WITHOUT_AND_WITH_WORKDIR: [&[&str]; 2] = [&[], &["--workdir", "/"]];

#[test]
#[cfg(target_os = "linux")]
fn commands_inherit_ignored_signals_and_no_others() {
    // Signal 40 has no name, which needs another way to reset signals.
    for ignored in ["", "trap '' HUP USR1;", "trap '' CHLD INT PIPE;", "trap '' QUIT 40;"] {
        let direct = shell(&format!("{ignored} grep -E '^Sig(Blk|Ign)' /proc/self/status"));
        let mask = |name: &str| {
            let text = String::from_utf8(direct.stdout.clone()).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            u64::from_str_radix(&line, 16).unwrap()
        };
        // SIGCHLD, which the program always handles, is reset to its default, and so is SIGPIPE, which Rust's runtime ignores.
        let reset = [Signal::PIPE, Signal::CHILD].map(|signal| 1 << (signal.as_raw() - 1));
        let reset = reset.iter().fold(0, |bits, bit| bits | bit);
        let expected = format!("SigBlk:\t{:016x}\nSigIgn:\t{:016x}\n", mask("SigBlk:"), mask("SigIgn:") & !reset);
        for options in WITHOUT_AND_WITH_WORKDIR {
            let map = format!("{ignored} $0 map {} grep -E '^Sig(Blk|Ign)' ::: /proc/self/status", options.join(" "));
            assert_eq!(String::from_utf8(shell(&map).stdout).unwrap(), expected, "{map}");
        }
    }
}

/// The system keeps no exit status of a child whose parent ignores SIGCHLD.
#[test]
#[cfg(target_os = "linux")]
fn exit_statuses_are_known_if_the_parent_ignores_sigchld() {
    for options in WITHOUT_AND_WITH_WORKDIR {
        let args = ["--ignore-signal=CHLD", env!("CARGO_BIN_EXE_cordial"), "map"];
        let command = ["sh", "-c", r#"echo "$1"; exit "$1""#, "sh", ":::", "0", "1", "0"];
        let mut env = std::process::Command::new("env");
        env.args(args).args(options).args(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let result = finish(env.spawn().unwrap());
        assert_eq!((result.status, result.text()), (1, "0\n1\n0\n"), "{}", result.stderr);
        assert!(result.stderr.contains("exited with status 1"), "{}", result.stderr);
    }
}

/// The system searches relative directories anew for each command, and has directories of its own if there is no PATH.
#[test]
fn lines_programs_and_operators_are_recognized_whatever_the_path_is() {
    let path = std::env::var("PATH").unwrap();
    for path in [Some(format!(".:{path}")), Some(format!("{path}:")), None] {
        let map = |args: &[&str]| {
            let mut command = cordial();
            command
                .arg("map")
                .args(args)
                .args([":::", "a"])
                .env_remove("PATH")
                .envs(path.iter().map(|it| ("PATH", it)));
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let result = finish(command.spawn().unwrap());
            (result.status, result.text().to_owned(), result.stderr)
        };
        assert_eq!(map(&["echo x{}"]), (0, "xa\n".to_owned(), String::new()), "{path:?}");
        assert_eq!(map(&["echo"]), (0, "a\n".to_owned(), String::new()), "{path:?}");
        for (args, message) in
            [(&["echo", "{}", "|", "cat"][..], "add --shell"), (&["no-such-command"], "there is no program named")]
        {
            let (status, _, stderr) = map(args);
            assert!(status == 255 && stderr.contains(message), "{path:?} {args:?}: {stderr}");
        }
    }
    let ran = shell(
        "d=$(mktemp -d); mkdir \"$d/bin\"; printf '#!/bin/sh\\necho ran $1' > \"$d/bin/tool x\"; chmod +x \"$d/bin/tool x\"; \
         PATH=bin:$PATH \"$0\" map --workdir \"$d\" 'tool x' ::: 1; rm -r \"$d\"",
    );
    assert_eq!((ran.status, ran.text()), (0, "ran 1\n"), "{}", ran.stderr);
}

#[test]
fn commands_inherit_our_environment_and_get_four_variables() {
    for options in WITHOUT_AND_WITH_WORKDIR {
        let mut command = cordial();
        command.env_clear().env("PATH", "/usr/bin:/bin").env("MULTI", "a\nb=c").env("EMPTY", "");
        command.env("CORDIAL_RUN", "other run").env("CORDIAL_INDEX", "other run");
        command.args(["map"]).args(options).args(["-c1", "env", "-0", ":::", "--"]).stdin(Stdio::null());
        let result = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{options:?}");
        let text = String::from_utf8(result.stdout).unwrap();
        let entries: Vec<(&str, &str)> =
            text.split_terminator('\0').map(|entry| entry.split_once('=').unwrap()).collect();
        let mut found: BTreeMap<&str, &str> = entries.iter().copied().collect();
        assert_eq!(found.len(), entries.len(), "a variable occurs twice: {text:?}");
        assert_ne!(found.remove("CORDIAL_RUN"), Some("other run"));
        // As after `cd`.
        let here = std::env::current_dir().unwrap();
        let directories = [found.remove("PWD"), found.remove("OLDPWD")];
        assert_eq!(directories, if options.is_empty() { [None, None] } else { [Some("/"), here.to_str()] });
        let expected = [
            ("CORDIAL_ATTEMPT", "1"),
            ("CORDIAL_INDEX", "1"),
            ("CORDIAL_SLOT", "1"),
            ("EMPTY", ""),
            ("MULTI", "a\nb=c"),
            ("PATH", "/usr/bin:/bin"),
        ];
        assert_eq!(found, BTreeMap::from(expected), "{options:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn only_threads_that_start_commands_accept_sigchld() {
    // A thread that has just started does not accept the signal yet, and one that ends has no mask. On a busy machine, either may last.
    let mut texts = (0..5).map(|_| masks_of_threads());
    assert!(texts.any(|text| are_as_expected(&text)), "{}", masks_of_threads());
}

/// Returns the name and the blocked signals of each thread of a run, one line each.
#[cfg(target_os = "linux")]
fn masks_of_threads() -> String {
    // The command prints those of its parent.
    let script = r#"for task in /proc/$PPID/task/*; do echo "$(cat $task/comm) $(grep SigBlk $task/status)"; done"#;
    let result = finish(
        cordial()
            .args(["map", "sh", "-c", script, ":::", "a"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    String::from_utf8(result.stdout).unwrap()
}

/// Returns whether those threads that start commands accept SIGCHLD, and all others block it.
#[cfg(target_os = "linux")]
fn are_as_expected(text: &str) -> bool {
    let child = 1 << (Signal::CHILD.as_raw() - 1);
    let (mut n_blocked, mut n_open) = (0, 0);
    for line in text.lines() {
        let mask = line.rsplit(char::is_whitespace).next().and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let Some(mask) = mask else { return false };
        let is_blocked = mask & child != 0;
        if is_blocked == line.starts_with("cordial-launch ") {
            return false;
        }
        *(if is_blocked { &mut n_blocked } else { &mut n_open }) += 1;
    }
    n_blocked > 3 && n_open > 0
}
