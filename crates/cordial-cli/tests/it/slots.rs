//! How many commands run at once, in all forms of `-c`, and how the number changes while the run lasts.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread;

use rustix::process::Signal;

use crate::harness::{TestDir, at_once, cordial, file, finish, run, send, shell, wait_until};

#[test]
fn concurrency_is_read_as_gnu_parallel_reads_it() {
    let cores = thread::available_parallelism().unwrap().get();
    let dir = TestDir::new();
    let file = |name: &str, text: &str| {
        let path = dir.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        ("3".to_owned(), 3),
        ("+0".to_owned(), cores),
        ("+1".to_owned(), cores + 1),
        ("-1".to_owned(), (cores - 1).max(1)),
        ("-1000".to_owned(), 1),
        ("200%".to_owned(), 2 * cores),
        ("1%".to_owned(), 1),
        (file("five", "5\n"), 5),
        (file("two more", " +2"), cores + 2),
    ];
    at_once(4, cases, |(concurrency, expected)| {
        let dir = TestDir::new();
        // Each command waits until as many commands have started as may run at once.
        let script = r#"touch "$1/$CORDIAL_SLOT"; while [ "$(ls "$1" | wc -l)" -lt "$2" ]; do sleep 0.01; done; echo $CORDIAL_SLOT"#;
        let mut args = vec!["map", "-j", &concurrency, "sh", "-c", script, "sh", dir.text()];
        let items = vec!["x"; expected + 20];
        let expected = expected.to_string();
        args.extend([expected.as_str(), "{}", ":::"]);
        args.extend(items);
        let result = run(&args, b"");
        let slots = String::from_utf8(result.stdout).unwrap();
        let max = slots.lines().map(|slot| slot.parse::<usize>().unwrap()).max().unwrap();
        assert_eq!((result.status, max.to_string()), (0, expected), "{concurrency}");
    });
}

#[test]
fn a_wrong_number_of_commands_is_refused() {
    let dir = TestDir::new();
    fs::write(dir.path("wrong"), "many\n").unwrap();
    let wrong = dir.path("wrong").to_str().unwrap().to_owned();
    for (concurrency, text) in [
        ("many", "expected a whole number of commands"),
        ("1.5", "or +N, -N or N% of the cores"),
        (dir.text(), "expected a whole number"),
        (&wrong, "(-c) contains \"many\": expected a whole number"),
    ] {
        let result = run(&["map", "-j", concurrency, "touch", dir.path("ran").to_str().unwrap(), ":::", "a"], b"");
        assert_eq!(result.status, 255, "{concurrency}");
        assert!(result.stderr.contains(text), "{}", result.stderr);
    }
    assert!(!dir.path("ran").exists());
}

/// Runs items that end when the file `go` is there.
fn start(dir: &TestDir, concurrency: &str, items: &[&str]) -> Child {
    let script = r#"touch "$2/begun.$1"; while [ ! -e "$2/go" ]; do sleep 0.01; done"#;
    cordial()
        .args(["map", "-c", concurrency, "sh", "-c", script, "sh", "{}", dir.text(), ":::"])
        .args(items)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn the_file_of_the_concurrency_is_read_again_when_it_changes() {
    let dir = TestDir::new();
    let path = dir.path("slots");
    fs::write(&path, "1\n").unwrap();
    let mut child = start(&dir, path.to_str().unwrap(), &["a", "b", "c", "d"]);
    dir.wait_for("begun.a");
    fs::write(&path, "several\n").unwrap();
    let mut message = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut message).unwrap();
    assert!(message.contains("contains \"several\": expected a whole number"), "{message}");
    assert!(message.ends_with("; the limit stays 1\n"), "{message}");
    assert!(!dir.path("begun.b").exists());
    fs::write(&path, "3\n").unwrap();
    dir.wait_for("begun.c");
    assert!(!dir.path("begun.d").exists());
    dir.touch("go");
    let result = finish(child);
    assert_eq!(result.status, 0);
}

#[test]
fn the_number_can_come_from_a_pipe() {
    let result = shell("echo 2 | \"$0\" map -j /dev/stdin 'sleep 0.6; echo {}' ::: a b");
    assert_eq!((result.status, result.stdout.as_slice(), result.stderr.as_str()), (0, &b"a\nb\n"[..], ""));
}

#[test]
fn sigusr1_runs_one_more_command_at_once() {
    let dir = TestDir::new();
    let child = start(&dir, "1", &["a", "b", "c"]);
    dir.wait_for("begun.a");
    send(&child, Signal::USR1);
    dir.wait_for("begun.b");
    assert!(!dir.path("begun.c").exists());
    send(&child, Signal::USR1);
    dir.wait_for("begun.c");
    dir.touch("go");
    let result = finish(child);
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
}

#[test]
fn sigusr2_runs_one_fewer_and_at_least_one() {
    let dir = TestDir::new();
    // Each command prints how many run at once.
    let script = r#"touch "$2/$1"; while [ ! -e "$2/go" ]; do sleep 0.01; done; ls "$2" | grep -c '^item'; sleep 0.02; rm "$2/$1""#;
    let items: String = (0..100_000).map(|n| format!("{n}\n")).collect();
    let mut child = cordial()
        .args(["map", "-c", "3", "sh", "-c", script, "sh", "item{}", dir.text()])
        .stdin(file(items.as_bytes()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("three commands run", || fs::read_dir(dir.text()).unwrap().count() == 3);
    dir.touch("go");
    // Signals that come together are delivered as one, so they are sent until one command at a time has run for a while.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut n_alone = 0;
    let is_enough = |line: std::io::Result<String>| {
        send(&child, Signal::USR2);
        n_alone = if line.unwrap() == "1" { n_alone + 1 } else { 0 };
        n_alone == 20
    };
    assert!(lines.by_ref().take(5000).any(is_enough), "one command at a time never runs");
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status, 143);
}

#[test]
fn several_commands_run_at_once_where_few_files_are_allowed() {
    let dir = TestDir::new();
    // Each command waits for the other one.
    let script = format!(
        "ulimit -n 60; cd {}; \"$0\" map -c0 --timeout 1m --shell 'touch {{}}; until [ -e a ] && [ -e b ]; do sleep 0.01; done' ::: a b",
        dir.text()
    );
    let result = shell(&script);
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
}
