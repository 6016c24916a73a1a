//! Files, variables, and lines of output that travel to and from a fleet with a command.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;

use crate::fleet::{Fleet, Submitter};
use crate::harness::{RunOutput, cordial, finish, wait_until};

/// A fleet with one worker, a directory here and one there.
struct Places {
    fleet: Fleet,
    here: PathBuf,
    there: PathBuf,
}

impl Places {
    fn start() -> Option<Places> {
        Places::start_with(&[])
    }

    /// Starts the worker with these options.
    fn start_with(options: &[&str]) -> Option<Places> {
        let mut fleet = Fleet::start()?;
        fleet.start_worker(cordial(), "one", options);
        let [here, there] = ["here", "there"].map(|name| fleet.dir.path().join(name));
        fs::create_dir(&here).unwrap();
        Some(Places { fleet, here, there })
    }

    /// Returns a command in the directory here, for the directory there.
    fn map(&self, args: &[&str]) -> Command {
        let mut command = cordial();
        command.args(["map", "--nats", &self.fleet.url, "--group", "build"]).arg("--workdir").arg(&self.there);
        command.args(args).current_dir(&self.here).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> RunOutput {
        finish(self.map(args).spawn().unwrap())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.here.join(name)).unwrap()
    }

    fn entries(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.fleet.dir.path().join(name)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn files_travel_to_a_worker_and_back_and_are_removed_there() {
    let Some(places) = Places::start() else { return };
    fs::create_dir(places.here.join("d")).unwrap();
    for (name, text) in [("d/a.txt", "one"), ("d/b c.txt", "two")] {
        fs::write(places.here.join(name), text).unwrap();
    }
    let script = "tr a-z A-Z < {} > {.}.up; pwd";
    let output = places.run(&["--trc", "{.}.up", script, ":::", "d/a.txt", "d/b c.txt"]);
    assert_eq!((output.status, &*output.stderr), (0, ""));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{0}\n{0}\n", places.there.display()));
    assert_eq!((&*places.read("d/a.up"), &*places.read("d/b c.up")), ("ONE", "TWO"));
    assert_eq!(places.entries("there"), Vec::<String>::new(), "the files and their directory are removed");
    // Without --cleanup they stay; what precedes /./ is not a part of their names there.
    let base = places.here.join(".").join("./d/a.txt").display().to_string();
    let output = places.run(&["--transferfile", &base, "--return", "new", "cp d/a.txt new; : {}", ":::", "1"]);
    assert_eq!((output.status, &*output.stderr), (0, ""));
    assert_eq!(
        (places.read("new"), places.entries("there")),
        ("one".to_owned(), vec!["d".to_owned(), "new".to_owned()])
    );
}

#[test]
fn commands_do_not_remove_the_directory_of_each_other() {
    let Some(places) = Places::start() else { return };
    fs::create_dir(places.here.join("d")).unwrap();
    let items: Vec<String> = (0..40).map(|n| format!("d/{n}")).collect();
    for item in &items {
        fs::write(places.here.join(item), item).unwrap();
    }
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let output = places.run(&[&["-c2", "--transfer", "--cleanup", "-k", "cat {}; echo", ":::"][..], &items].concat());
    assert_eq!((output.status, &*output.stderr), (0, ""));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), items);
    assert_eq!(places.entries("there"), Vec::<String>::new());
}

#[test]
fn a_file_for_all_items_is_sent_once_and_can_be_larger_than_a_message() {
    let Some(places) = Places::start() else { return };
    let large: String = (0..400_000).map(|n| format!("{n}\n")).collect();
    fs::write(places.here.join("large"), &large).unwrap();
    let items: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let script = "wc -c < large; stat -c %i large; cp large {}";
    let output = places.run(&[&["--transferfile", "large", "--return", "{}", script, ":::"][..], &items].concat());
    assert_eq!((output.status, &*output.stderr), (0, ""));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 40);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 2, "one size, and one file for all: {lines:?}");
    assert!(lines.contains(&&*large.len().to_string()), "{lines:?}");
    assert!(items.iter().all(|item| places.read(item) == large));
}

/// For each file with a time in the future, `tar` writes a warning: here more than a pipe holds.
#[test]
fn a_directory_about_which_tar_has_much_to_say_travels() {
    let Some(places) = Places::start() else { return };
    fs::create_dir(places.here.join("d")).unwrap();
    for n in 0..1000 {
        let file = fs::File::create(places.here.join(format!("d/{n}-{}", "x".repeat(60)))).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 32)).unwrap();
    }
    let output = places.run(&["--transferfile", "d", "--return", "e", "cp -a d e; ls d | wc -l; : {}", ":::", "1"]);
    assert_eq!((String::from_utf8_lossy(&output.stdout), &*output.stderr, output.status), ("1000\n".into(), "", 0));
    assert_eq!(fs::read_dir(places.here.join("e")).unwrap().count(), 1000);
}

#[test]
fn the_files_of_a_command_that_is_killed_are_removed() {
    let Some(places) = Places::start_with(&["--grace", "100ms"]) else { return };
    fs::write(places.here.join("a"), "text").unwrap();
    let script = "trap '' TERM; : > begun; while :; do sleep 0.02; done; : {}";
    let _map = Submitter::start(&mut places.map(&["--transfer", "--cleanup", script, ":::", "a"]));
    wait_until("the command has begun", || places.there.join("begun").exists());
    assert_eq!(places.entries("there"), ["a", "begun"]);
    // Its worker stops, and kills it after 100 ms.
    places.fleet.signal(1, "TERM");
    wait_until("its file is removed", || !places.there.join("a").exists());
}

#[test]
fn a_command_that_is_cancelled_has_the_grace_of_its_run() {
    let Some(places) = Places::start_with(&["--grace", "100ms"]) else { return };
    fs::create_dir(&places.there).unwrap();
    let script = "trap 'sleep 0.5; : > cleaned; exit' TERM; : > begun; while :; do sleep 0.02; done; : {}";
    let map = Submitter::start(&mut places.map(&["--grace", "60s", script, ":::", "a"]));
    wait_until("the command has begun", || places.there.join("begun").exists());
    map.signal(Signal::INT);
    assert_eq!(map.finish().status, 130);
    wait_until("the command has cleaned up", || places.there.join("cleaned").exists());
}

#[test]
fn a_file_that_does_not_travel_is_named() {
    let Some(places) = Places::start() else { return };
    for (args, status, expected) in [
        (&["--transfer", "true", ":::", "missing"][..], 1, "cannot send missing: there is no such file"),
        (&["--return", "never", "true", ":::", "1"], 1, "cannot return the file never from one"),
        // A command that has failed may not have made its files.
        (&["--return", "never", "exit 3", ":::", "1"], 1, "exited with status 3"),
    ] {
        let output = places.run(args);
        assert_eq!(output.status, status, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(expected), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn no_name_removes_the_directory_of_the_commands() {
    let Some(places) = Places::start() else { return };
    for path in [&places.there, &places.here] {
        fs::create_dir_all(path.join("d")).unwrap();
        fs::write(path.join("file"), "text").unwrap();
    }
    for (args, name) in [
        (&["--transfer", "--cleanup", "true", ":::", "."][..], "."),
        (&["--transferfile", "{//}", "--cleanup", "true", ":::", "file"], "."),
        (&["--transfer", "--cleanup", "true", ":::", ".."], ".."),
        (&["--trc", "{}/..", "true", ":::", "d"], "d/.."),
        (&["--return", "d/./", "--cleanup", "false", ":::", "1"], ""),
    ] {
        let output = places.run(args);
        assert_eq!(output.status, 1, "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(&format!("--cleanup cannot remove {name:?}")), "{args:?}: {}", output.stderr);
        assert_eq!(places.entries("there"), ["d", "file"], "{args:?}");
    }
}

/// The worker may run on the machine of the command, or share its file system.
#[test]
fn a_sent_file_that_was_there_before_is_not_removed() {
    let Some(places) = Places::start() else { return };
    fs::create_dir(&places.there).unwrap();
    let path = places.there.join("a");
    fs::write(&path, "original").unwrap();
    for item in ["a", path.to_str().unwrap()] {
        let mut map = places.map(&["--trc", "out", "cat {} | tee out", ":::", item]);
        let output = finish(map.current_dir(&places.there).spawn().unwrap());
        assert_eq!((output.status, &*output.stderr, &*output.stdout), (0, "", &b"original"[..]));
        assert_eq!(fs::read_to_string(&path).unwrap(), "original");
    }
    fs::write(places.here.join("a"), "new").unwrap();
    let output = places.run(&["--transfer", "--cleanup", "cat", ":::", "a"]);
    assert_eq!((output.status, &*output.stderr, &*output.stdout), (0, "", &b"new"[..]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}

#[test]
fn a_sent_file_stays_until_the_last_command_that_uses_it_has_ended() {
    let Some(places) = Places::start() else { return };
    fs::write(places.here.join("a"), "text").unwrap();
    let log = places.here.join("log");
    let script = "case {2} in 1) until [ -e begun ]; do sleep 0.01; done;; \
                  2) : > begun; until [ -e go ]; do sleep 0.01; done; cat {1};; esac";
    let options = ["--joblog", "log", "-c2", "--transferfile", "{1}", "--cleanup", script, ":::", "a", ":::", "1", "2"];
    let map = Submitter::start(&mut places.map(&options));
    wait_until("the first command has ended", || fs::read_to_string(&log).is_ok_and(|log| log.lines().count() == 2));
    fs::write(places.there.join("go"), "").unwrap();
    let output = map.finish();
    assert_eq!((output.status, &*output.stderr, &*output.stdout), (0, "", &b"text"[..]));
    assert_eq!(places.entries("there"), ["begun", "go"]);
}

#[test]
fn a_file_for_all_items_that_is_also_returned_stays() {
    let Some(places) = Places::start() else { return };
    fs::write(places.here.join("all"), "text").unwrap();
    let options = ["-c1", "--transferfile", "all", "--return", "all", "--cleanup", "cat all; : {}", ":::", "1", "2"];
    let output = places.run(&options);
    assert_eq!((output.status, &*output.stderr, &*output.stdout), (0, "", &b"texttext"[..]));
}

/// Another user may control the machine of the worker, and its archives contain what that user wants.
#[test]
fn a_worker_returns_only_the_files_that_it_was_asked_for() {
    let Some(mut fleet) = Fleet::start() else { return };
    let dir = fleet.dir.path().to_owned();
    let [programs, source] = ["programs", "source"].map(|name| dir.join(name));
    for directory in [&programs, &source] {
        fs::create_dir(directory).unwrap();
    }
    hostile_tar(&programs, &source, &dir);
    let mut worker = cordial();
    worker.env("PATH", format!("{}:/usr/bin:/bin", programs.display())).stdin(Stdio::null());
    fleet.start_worker(worker, "one", &[]);
    let [here, there] = ["here", "there"].map(|name| dir.join(name));
    fs::create_dir(&here).unwrap();
    let places = Places { fleet, here, there };
    let output = places.run(&["--return", "out", "true", ":::", "1"]);
    assert_eq!((output.status, &*output.stderr), (0, ""));
    assert_eq!((places.entries("here"), dir.join("evil").exists()), (vec!["out".to_owned()], false));
}

/// Writes a program `tar` that packs a file `out`, a file `other`, and files outside of the directory: `../evil`, and `evil` in `target`.
pub(crate) fn hostile_tar(programs: &Path, source: &Path, target: &Path) {
    for name in ["out", "other"] {
        fs::write(source.join(name), "text").unwrap();
    }
    let (evil, archive) = (target.join("evil"), programs.join("archive"));
    fs::write(&evil, "text").unwrap();
    let beside = source.parent().unwrap().join("evil");
    fs::write(&beside, "text").unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-cPf").arg(&archive).arg("-C").arg(source).args(["out", "other", "../evil"]).arg(&evil);
    assert!(tar.status().unwrap().success());
    let script = format!(
        "#!/bin/sh\ncase $1 in -c*) exec cat '{}';; *) PATH=/usr/bin:/bin; exec tar \"$@\";; esac\n",
        archive.display()
    );
    fs::write(programs.join("tar"), script).unwrap();
    fs::set_permissions(programs.join("tar"), Permissions::from_mode(0o755)).unwrap();
    for path in [evil, beside] {
        let _ = fs::remove_file(path);
    }
}

#[test]
fn variables_travel_if_they_are_named() {
    let Some(places) = Places::start() else { return };
    fs::create_dir(&places.there).unwrap();
    let mut command = places.map(&["--env", "GIVEN", r#"echo "$GIVEN" "$OTHER"; : {}"#, ":::", "1"]);
    let output = finish(command.env("GIVEN", "a  'b'").env("OTHER", "x").spawn().unwrap());
    assert_eq!((output.status, &*output.stdout), (0, &b"a  'b' \n"[..]), "{}", output.stderr);
}

#[test]
fn lines_of_a_fleet_are_printed_while_the_command_runs() {
    let Some(places) = Places::start() else { return };
    fs::create_dir(&places.there).unwrap();
    let script = r#"echo first; until [ -e go ]; do sleep 0.01; done; printf 'second\nthird'; echo error >&2; : {}"#;
    let mut map = places.map(&["--line-buffer", "--tag", script, ":::", "a"]).spawn().unwrap();
    let mut stdout = BufReader::new(map.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "a\tfirst\n");
    fs::write(places.there.join("go"), "").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let output = finish(map);
    assert_eq!((&*rest, &*output.stderr, output.status), ("a\tsecond\na\tthird", "a\terror\n", 0));
}

#[test]
fn many_lines_of_a_fleet_are_complete_and_in_order() {
    let Some(places) = Places::start() else { return };
    fs::create_dir(&places.there).unwrap();
    let script = "seq {} 100000 | while read -r n; do echo $n; done; seq 5 >&2";
    let output = places.run(&["--line-buffer", "--keep-order", script, ":::", "90000", "80000"]);
    let expected: String = (90_000..=100_000).chain(80_000..=100_000).map(|n| format!("{n}\n")).collect();
    assert!(output.stdout == expected.as_bytes(), "{} bytes", output.stdout.len());
    assert_eq!((output.status, &*output.stderr), (0, "1\n2\n3\n4\n5\n1\n2\n3\n4\n5\n"));
}

/// `cordial map` tries for a minute to reach a server that does not answer. Ctrl-C ends it earlier.
#[test]
fn ctrl_c_ends_a_run_whose_server_does_not_answer() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    let shown = fleet.dir.path().join("shown");
    let args = ["map", "--nats", &fleet.url, "--group", "build", "-t", "true {} is shown"];
    let (items, mut write) = std::io::pipe().unwrap();
    let stderr = fs::File::create(&shown).unwrap();
    let map = Submitter::start(cordial().args(args).stdin(items).stdout(Stdio::null()).stderr(stderr));
    let is_shown = |item: &str| fs::read_to_string(&shown).unwrap().contains(&format!("true {item} is shown"));
    writeln!(write, "1").unwrap();
    wait_until("the first item begins", || is_shown("1"));
    fleet.signal(0, "STOP");
    writeln!(write, "2").unwrap();
    wait_until("the second item begins", || is_shown("2"));
    #[expect(clippy::disallowed_methods, reason = "the test checks a bound in real time")]
    let started = Instant::now();
    map.signal(Signal::INT);
    drop(write);
    assert_eq!(map.finish().status, 130);
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    fleet.signal(0, "CONT");
}
