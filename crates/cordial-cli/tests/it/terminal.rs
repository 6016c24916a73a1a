//! Runs at a terminal: the progress bar, Ctrl-C, Ctrl-Z. The program `script` provides the terminal.
#![cfg(target_os = "linux")]

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::fleet::Fleet;
use crate::harness::{TestDir, at_once, holds_within_a_minute, prepare_for_programs, wait_until};

/// A shell command that runs at a terminal.
pub(crate) struct Session {
    child: Child,
    printed: Arc<Mutex<Vec<u8>>>,
}

impl Session {
    pub(crate) fn start(line: &str) -> Session {
        prepare_for_programs();
        let line = line.replace("cordial", env!("CARGO_BIN_EXE_cordial"));
        let mut child = Command::new("script")
            .args(["-qefc", &line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (mut output, all) = (child.stdout.take().unwrap(), Arc::clone(&printed));
        #[expect(clippy::disallowed_methods, reason = "a test without a runtime")]
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut block) {
                all.lock().unwrap().extend_from_slice(&block[..n]);
            }
        });
        Session { child, printed }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().unwrap()).into_owned()
    }

    pub(crate) fn wait_for(&self, text: &str) {
        let is_printed = holds_within_a_minute(|| self.text().contains(text));
        assert!(is_printed, "{text:?} is not printed: {:?}", self.text());
    }

    pub(crate) fn type_in(&mut self, keys: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    pub(crate) fn end(mut self) -> (i32, String) {
        drop(self.child.stdin.take());
        let child = RefCell::new(&mut self.child);
        wait_until("the program at the terminal ends", || child.borrow_mut().try_wait().unwrap().is_some());
        let status = self.child.wait().unwrap().code().unwrap();
        wait_until("all output is read", || Arc::strong_count(&self.printed) == 1);
        (status, self.text())
    }
}

impl Drop for Session {
    /// Stops the command if the test fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Returns a shell line for a command that writes its pid, twice, to a file that has the name of the item. The file is complete when it exists.
fn write_pids(dir: &TestDir) -> String {
    format!("echo $$ $$ > {0}/{{}}.new; mv {0}/{{}}.new {0}/{{}}", dir.text())
}

/// Returns a shell line for a command that waits until the test has created the file `go` with the number of the item.
fn wait_for_go(dir: &TestDir) -> String {
    format!("until [ -e {}/go{{#}} ]; do sleep 0.01; done", dir.text())
}

/// Lets one item end after another, each when the bar shows how many have ended before.
fn end_items_when_the_bar_is_drawn(session: &Session, dir: &TestDir, n_items: usize) {
    for n_ended in 0..n_items {
        session.wait_for(&format!("] {n_ended}/{n_items}"));
        dir.touch(&format!("go{}", n_ended + 1));
    }
}

#[test]
fn a_terminal_shows_a_bar_and_ctrl_c_stops_the_run() {
    let dir = TestDir::new();
    let mut session = Session::start(&format!(
        "cordial map -c2 --shell 'case {{}} in bad) exit 1;; *) {0}; exec sleep 1000;; esac' ::: bad one two three",
        write_pids(&dir)
    ));
    dir.wait_for("one");
    dir.wait_for("two");
    session.wait_for("1/4");
    session.wait_for("1 failed");
    assert!(!session.text().contains(" 0s left"), "{}", session.text());
    session.type_in(&[3]);
    let (status, text) = session.end();
    assert_eq!(status, 130, "{text}");
    assert!(
        text.contains("cordial: stopping; running commands have 5s to exit. Press Ctrl-C again to kill them\r\n"),
        "{text}"
    );
    assert!(text.contains("stopped by SIGINT: 1 item finished (1 failed), 2 stopped early, 1 not started"), "{text}");
    dir.wait_until_processes_exit("one");
    dir.wait_until_processes_exit("two");
    assert!(!dir.path("three").exists());
}

#[test]
fn a_run_on_a_fleet_shows_a_bar_and_ctrl_c_stops_its_commands() {
    let Some(mut fleet) = Fleet::start() else { return };
    // The items arrive in any order, and two of them keep a slot each.
    fleet.worker("one");
    fleet.worker("two");
    let dir = TestDir::new();
    let script = format!("case {{}} in bad) exit 1;; *) {}; exec sleep 1000;; esac", write_pids(&dir));
    let options = format!("--bar --nats {} --group build", fleet.url);
    let mut session = Session::start(&format!("cordial map {options} --shell '{script}' ::: bad one two"));
    dir.wait_for("one");
    dir.wait_for("two");
    session.wait_for("] 1/3  1 failed");
    session.type_in(&[3]);
    let (status, text) = session.end();
    assert_eq!(status, 130, "{text}");
    assert!(text.contains("stopped by SIGINT: 1 item finished (1 failed), 2 stopped early"), "{text}");
    dir.wait_until_processes_exit("one");
    dir.wait_until_processes_exit("two");
}

#[test]
fn the_bar_is_removed_before_output() {
    let dir = TestDir::new();
    let session = Session::start(&format!("cordial map -c1 '{}; echo line {{}}' ::: 1 2 3", wait_for_go(&dir)));
    end_items_when_the_bar_is_drawn(&session, &dir, 3);
    let (status, text) = session.end();
    assert_eq!(status, 0);
    for n in 1..=3 {
        // The bar was erased before.
        assert!(text.contains(&format!("\r \x1b[J\rline {n}\r\n")), "{text:?}");
    }
    // The cursor stays at the start of the bar: if the window becomes narrower, all rows below it are part of the bar.
    for bar in text.split("\x1b[J\r[").skip(1) {
        let end = bar.find(['\r', '\n']).unwrap();
        assert!(bar[end..].starts_with('\r') && !bar[end..].starts_with("\r\n"), "{text:?}");
    }
    // The bar, the numbers, the remaining time, and the rate. On a busy machine, more than a second remains.
    let (_, rest) = text.split_once("[====================>         ] 2/3  ").unwrap_or_else(|| panic!("{text:?}"));
    let (seconds, _) = rest.split_once("s left  ").unwrap_or_else(|| panic!("{text:?}"));
    assert!(seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0), "{text:?}");
}

#[test]
fn the_bar_does_not_replace_output_without_a_newline() {
    for (command, printed) in [("printf {}", "1"), ("printf {} >&2", "1"), ("printf x; printf {} >&2", "x1")] {
        let dir = TestDir::new();
        let session = Session::start(&format!("cordial map -c1 '{}; {command}' ::: 1 2", wait_for_go(&dir)));
        end_items_when_the_bar_is_drawn(&session, &dir, 2);
        let (_, text) = session.end();
        let (_, after) = text.split_once(&format!("\x1b[J\r{printed}")).unwrap_or_else(|| panic!("{text:?}"));
        assert!(after.starts_with("\r\n\r \x1b[J\r["), "{command}: {text:?}");
        assert_eq!(after.matches('\n').count(), 1, "{command}: {text:?}");
    }
}

#[test]
fn a_message_does_not_continue_a_line_of_output() {
    for line in ["cordial map 'printf abc; false' ::: 1", "cordial map --line-buffer 'printf abc >&2; false' ::: 1"] {
        let (status, text) = Session::start(line).end();
        assert!(status == 1 && text.contains("abc\r\ncordial: item 1 \"1\" failed"), "{line}: {text:?}");
    }
}

#[test]
fn the_bar_is_not_drawn_where_others_write() {
    // The commands, or a program such as `less`, write to the terminal whenever they want.
    let lines = [
        "cordial map -c1 -u 'sleep 0.4; echo line {}' ::: 1 2",
        "cordial map -c1 --bar -u 'sleep 0.4; echo line {}' ::: 1 2",
        "cordial map -c1 'sleep 0.4; echo line {}' ::: 1 2 | cat",
    ];
    at_once(3, lines, |line| {
        assert_eq!(Session::start(line).end(), (0, "line 1\r\nline 2\r\n".to_owned()), "{line}");
    });
    let dir = TestDir::new();
    let line = format!("cordial map -c1 --bar '{}; echo line {{}}' ::: 1 2 | cat > /dev/null", wait_for_go(&dir));
    let session = Session::start(&line);
    end_items_when_the_bar_is_drawn(&session, &dir, 2);
    assert!(session.end().1.contains("] 1/2  "));
}

#[test]
fn the_bar_never_takes_two_rows() {
    at_once(5, [1, 8, 20, 40, 80], |columns| {
        let dir = TestDir::new();
        // Of the numbers, the count of failed items is the last to be left out.
        let has_room = columns >= 20;
        // Without it, nothing shows that the bar was drawn.
        let wait = if has_room { wait_for_go(&dir) } else { "sleep 0.3".to_owned() };
        let line = format!("stty cols {columns} rows 10; cordial map -c1 '{wait}; exit {{}}' ::: 1 0 1 0");
        let session = Session::start(&line);
        if has_room {
            (1..=3).for_each(|n| dir.touch(&format!("go{n}")));
            session.wait_for("3/4  2 failed");
            dir.touch("go4");
        }
        let (status, text) = session.end();
        assert_eq!(status, 2);
        let rows = text.split("\r \x1b[J\r").skip(1).map(|rest| rest.split(['\r', '\n']).next().unwrap());
        let rows: Vec<&str> = rows.collect();
        let bars: Vec<&&str> = rows.iter().filter(|row| !row.starts_with("cordial: ")).collect();
        assert!(bars.iter().all(|row| row.chars().count() < columns), "{columns}: {bars:?}");
        assert!(!has_room || bars.iter().any(|row| row.contains("3/4  2 failed")), "{columns}: {bars:?}");
    });
}

#[test]
fn failures_are_repeated_only_when_they_have_left_the_screen() {
    let dir = TestDir::new();
    let run = |rows: usize, options: &str| {
        // The second item writes only after the message about the first.
        let go = dir.path("go");
        let _ = fs::remove_file(&go);
        let script = format!("'[ {{}} = 0 ] || exit {{}}; until [ -e {} ]; do sleep 0.01; done; seq 12'", go.display());
        let line = format!("stty cols 80 rows {rows}; cordial map -c1 {options} {script} ::: 1 0 1");
        let session = Session::start(&line);
        session.wait_for("exited with status 1");
        dir.touch("go");
        session.end().1.matches("exited with status 1").count()
    };
    assert_eq!(run(24, ""), 2);
    assert_eq!(run(12, ""), 4);
    assert_eq!(run(24, "--line-buffer"), 2);
    assert_eq!(run(12, "--line-buffer"), 4);
    // What the commands write is not known.
    assert_eq!(run(24, "-u"), 4);
    // The output is elsewhere.
    assert_eq!(run(12, "> /dev/null"), 2);
}

/// Ctrl-S stops the output of the terminal, so that the bar cannot be drawn.
#[test]
fn a_signal_stops_a_run_whose_terminal_is_stopped() {
    let dir = TestDir::new();
    let mut session = Session::start(&format!(
        "cordial map --shell 'echo $$ $PPID > {0}/{{}}.new; mv {0}/{{}}.new {0}/{{}}; exec sleep 1000' ::: one > {0}/output",
        dir.text()
    ));
    dir.wait_for("one");
    let pids = fs::read_to_string(dir.path("one")).unwrap();
    let cordial: i32 = pids.split_whitespace().last().unwrap().parse().unwrap();
    session.wait_for("0/1");
    session.type_in(&[19]);
    // The bar is drawn ten times a second.
    thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_raw(cordial).unwrap(), Signal::TERM).unwrap();
    dir.wait_until_processes_exit("one");
}

#[test]
fn a_terminal_without_escape_sequences_gets_none() {
    for name in ["TERM=dumb", "-u TERM", "NO_COLOR=1 TERM=dumb"] {
        let line = format!("env {name} cordial map --bar -t -c1 'echo $$ > {{}}; sleep 1000' ::: ");
        let dir = TestDir::new();
        let mut session = Session::start(&format!("{line}{}/pid", dir.text()));
        dir.wait_for("pid");
        session.type_in(&[3]);
        let (status, text) = session.end();
        assert_eq!(status, 130, "{text}");
        assert!(text.contains("cordial: stopping; running commands have 5s to exit"), "{text}");
        assert!(!text.contains('\x1b'), "{name}: {text:?}");
    }
}

#[test]
fn quiet_hides_the_bar() {
    let (status, text) = Session::start("cordial map --quiet --shell 'sleep 0.5; echo {}' ::: 1").end();
    assert_eq!((status, text.as_str()), (0, "1\r\n"));
}

#[test]
fn ctrl_z_suspends_commands_and_fg_continues_them() {
    let dir = TestDir::new();
    let mut session = Session::start("bash --norc -i");
    // The command waits in `read`, without a child: while a shell forks, the kernel does not report it as stopped.
    let script = format!("mkfifo {0}/go; echo $$ > {0}/pid; read go < {0}/go; echo done", dir.text());
    let line = format!("{} map --shell '{script}' ::: 1\n", env!("CARGO_BIN_EXE_cordial"));
    session.type_in(line.as_bytes());
    let pid = || fs::read_to_string(dir.path("pid")).unwrap_or_default();
    wait_until("the command runs", || pid().ends_with('\n'));
    let is_stopped = || fs::read_to_string(format!("/proc/{}/status", pid().trim())).unwrap().contains("State:\tT");
    assert!(!is_stopped());
    session.type_in(&[26]);
    wait_until("the command is stopped", is_stopped);
    session.wait_for("Stopped");
    session.type_in(b"fg\n");
    dir.write("go", "\n");
    session.wait_for("done 1\r\n");
    session.type_in(b"exit\n");
    assert_eq!(session.end().0, 0);
}

/// Runs a line, types two lines and the end of the input, and checks that the line is announced, or is not, and what is printed last.
fn check_announcement(line: &str, announcement: &str, is_announced: bool, last: &str) {
    let mut session = Session::start(&format!("stty -echo; {line}"));
    if is_announced {
        session.wait_for(announcement);
    }
    session.type_in(b"a\nb\n\x04");
    let (status, text) = session.end();
    assert_eq!((status, text.contains(announcement)), (0, is_announced), "{line}: {text:?}");
    // A bar would be in the way of what is typed.
    assert!(!text.contains(" done"), "{line}: {text:?}");
    assert!(text.ends_with(last), "{line}: {text:?}");
}

#[test]
fn a_terminal_without_items_is_announced() {
    let announced = "cordial: reading items from the terminal, ";
    for (line, rest, is_announced, last) in [
        ("cordial map echo x", "one per line, up to Ctrl-D", true, "x a\r\nx b\r\n"),
        ("cordial map --header : echo x", "one per line, up to Ctrl-D", true, "x b\r\n"),
        ("cordial map --words echo x", "up to Ctrl-D", true, "x a\r\nx b\r\n"),
        ("cordial map --quiet echo x", "", false, "x a\r\nx b\r\n"),
    ] {
        check_announcement(line, &format!("{announced}{rest}"), is_announced, last);
    }
    let (_, text) = Session::start("cordial map echo x ::: a").end();
    assert!(!text.contains(announced), "{text:?}");
}

#[test]
fn the_input_of_pipe_that_is_typed_is_announced() {
    let announced = "cordial: --pipe reads its input from the terminal, up to Ctrl-D";
    check_announcement("cordial map --pipe wc -l", announced, true, "2\r\n");
    check_announcement("cordial map --quiet --pipe wc -l", announced, false, "2\r\n");
    let (_, text) = Session::start("cordial map --pipe -a /etc/hostname cat").end();
    assert!(!text.contains(announced), "{text:?}");
}
