//! Commands that use the terminal: those that may not are ended with a message, and with `--tty` one at a time may.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{TestDir, cordial, finish, skip, wait_until};
use crate::terminal::Session;

#[test]
fn a_command_that_reads_the_terminal_is_ended_and_the_message_names_the_way_out() {
    let (status, text) =
        Session::start("cordial map --quiet -c2 'test {} = b || read x < /dev/tty; echo {}' ::: a b c; echo status $?")
            .end();
    assert_eq!((status, &*text), (0, "b\r\nstatus 2\r\n"));
    for (command, message) in [
        (
            "read x < /dev/tty; true",
            "was ended because it reads from the terminal, which commands cannot do: run one at a time with --tty, or give it an input (< /dev/null)",
        ),
        (
            "stty -echo < /dev/tty; true",
            "was ended because it changes the terminal, which commands cannot do: run one at a time with --tty, or send its output elsewhere",
        ),
        // A child of the command.
        ("cat < /dev/tty; true", "was ended because it reads from the terminal"),
    ] {
        let (status, text) = Session::start(&format!("cordial map '{command}' ::: 1")).end();
        assert_eq!(status, 1, "{text}");
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn with_tty_one_command_at_a_time_reads_the_terminal() {
    let mut session = Session::start("printf '1\\n2\\n' | cordial map --tty 'echo ask {}; read x; echo got $x'");
    session.wait_for("ask 1");
    session.type_in(b"first\n");
    session.wait_for("got first");
    session.wait_for("ask 2");
    session.type_in(b"second\n");
    let (status, text) = session.end();
    assert_eq!(status, 0);
    assert!(text.contains("got second") && !text.contains("\x1b["), "{text:?}");
}

#[test]
fn with_tty_a_command_with_a_directory_has_the_terminal_as_its_input() {
    let (status, text) = Session::start("cordial map --tty --workdir / 'test -t 0 && pwd' ::: 1").end();
    assert_eq!((status, &*text), (0, "/\r\n"));
}

#[test]
fn ctrl_c_for_a_command_with_the_terminal_stops_the_run() {
    let mut session = Session::start("cordial map --tty 'echo ask {}; read x' ::: 1 2");
    session.wait_for("ask 1");
    session.type_in(&[3]);
    let (status, text) = session.end();
    assert_eq!(status, 130, "{text}");
    assert!(!text.contains("ask 2"), "{text}");
}

#[test]
fn ctrl_z_suspends_a_command_with_the_terminal_and_fg_gives_it_back() {
    let dir = TestDir::new();
    let mut session = Session::start("bash --norc -i");
    let line = format!(
        "echo 1 | {} map --tty 'echo $$ > {}/pid; echo a\"\"sk; read x; echo got $x'\n",
        env!("CARGO_BIN_EXE_cordial"),
        dir.text()
    );
    session.type_in(line.as_bytes());
    session.wait_for("ask");
    let pid = fs::read_to_string(dir.path("pid")).unwrap();
    session.type_in(&[26]);
    session.wait_for("Stopped");
    // It may not have run since the signal.
    wait_until("the command is stopped", || {
        fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap().contains("State:\tT")
    });
    session.type_in(b"echo in the she\"\"ll\n");
    session.wait_for("in the shell");
    session.type_in(b"fg\n");
    // The answer is for the command, which may get the terminal a moment after `fg`.
    wait_until("the command runs", || {
        let state = fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
        state.contains("State:\tS")
    });
    session.type_in(b"answer\n");
    session.wait_for("got answer");
    session.type_in(b"exit\n");
    assert_eq!(session.end().0, 0);
}

/// A regression test: the run stayed suspended, and nothing in its terminal could continue it.
#[test]
fn ctrl_z_has_no_effect_where_no_shell_could_continue_the_run() {
    let dir = TestDir::new();
    for option in ["--tty", "-u"] {
        let go = dir.path(option);
        let line = format!(
            "cordial map {option} 'echo a\"\"sk; until [ -e {} ]; do sleep 0.01; done; echo done' ::: 1",
            go.display()
        );
        let mut session = Session::start(&line);
        session.wait_for("ask");
        session.type_in(&[26]);
        session.wait_for("^Z");
        fs::write(go, "").unwrap();
        session.wait_for("done");
        assert_eq!(session.end().0, 0);
    }
}

/// A regression test: a run that noticed Ctrl-Z only after a command had got the terminal stayed suspended. Here the signal comes so late.
#[test]
fn ctrl_z_that_is_noticed_late_has_no_effect_where_no_shell_could_continue_the_run() {
    let dir = TestDir::new();
    let command = "echo $PPID > DIR/pid.new; mv DIR/pid.new DIR/pid; echo a\"\"sk; read x; echo got $x";
    let mut session = Session::start(&format!("cordial map --tty '{}' ::: 1", command.replace("DIR", dir.text())));
    session.wait_for("ask");
    let cordial: i32 = fs::read_to_string(dir.path("pid")).unwrap().trim().parse().unwrap();
    wait_until("the command has the terminal", || {
        let stat = fs::read_to_string(format!("/proc/{cordial}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        // The process group of the program, and the one in the foreground.
        fields[2] != fields[5]
    });
    kill_process(Pid::from_raw(cordial).unwrap(), Signal::TSTP).unwrap();
    // Nothing shows that the signal was handled. A run that would suspend itself has done so by then.
    thread::sleep(Duration::from_millis(300));
    session.type_in(b"answer\n");
    session.wait_for("got answer");
    assert_eq!(session.end().0, 0);
}

#[test]
fn interactive_asks_before_each_command() {
    let dir = TestDir::new();
    let log = dir.path("log");
    let mut session = Session::start(&format!(
        "seq 4 | cordial map -p -c1 --joblog {} echo item {{}}; echo status $?",
        log.display()
    ));
    session.wait_for("echo item 1 ?...");
    session.type_in(b"y\n");
    // The output is printed before the next question.
    session.wait_for("\r\nitem 1\r\necho item 2 ?...");
    session.type_in(b"n\n");
    session.wait_for("echo item 3 ?...");
    session.type_in(b"\n");
    session.wait_for("echo item 4 ?...");
    session.type_in(b"Yes\n");
    let (_, text) = session.end();
    assert!(text.ends_with("\r\nitem 4\r\nstatus 0\r\n"), "{text:?}");
    assert!(!text.contains("item 2\r") && !text.contains("item 3\r"), "{text:?}");
    // What was not run is not recorded.
    let records = fs::read_to_string(log).unwrap();
    assert!(records.lines().count() == 3 && records.contains("# 1") && records.contains("# 4"), "{records}");
}

#[test]
fn interactive_asks_as_soon_as_another_command_may_run() {
    let dir = TestDir::new();
    let line = "cordial map -p -c2 'while [ {} = 1 ] && [ ! -e DIR/2 ]; do sleep 0.01; done; touch DIR/{}; echo done {}' ::: 1 2";
    let mut session = Session::start(&line.replace("DIR", dir.text()));
    session.wait_for(" 1 ?...");
    session.type_in(b"y\n");
    session.wait_for(" 2 ?...");
    session.type_in(b"y\n");
    let (status, text) = session.end();
    assert_eq!(status, 0, "{text}");
    assert!(text.ends_with("done 1\r\ndone 2\r\n"), "{text:?}");
}

#[test]
fn ctrl_c_at_a_question_stops_the_run() {
    let mut session = Session::start("cordial map -p echo ::: 1 2");
    session.wait_for("echo 1 ?...");
    session.type_in(&[3]);
    let (status, text) = session.end();
    assert_eq!(status, 130, "{text}");
    assert!(!text.contains("echo 2"), "{text}");
}

#[test]
fn what_tty_cannot_do_is_refused() {
    for (line, message) in [
        ("cordial map --tty -c 2 cat ::: 1", "leave -c out, or write -c 1"),
        ("cordial map --tty cat", "write them after :::, or use -a FILE"),
        ("cordial map --tty --tag cat ::: 1", "cannot be used with"),
        ("cordial map -p cat", "-p reads answers from the terminal, so items cannot be read from it"),
        ("cordial map -p --pipe cat", "-p reads answers from the terminal"),
    ] {
        let (status, text) = Session::start(line).end();
        assert_eq!(status, 255, "{line}: {text}");
        assert!(text.contains(message), "{line}: {text}");
    }
    if Command::new("unshare").args(["--pid", "--fork", "true"]).status().is_ok_and(|status| status.success()) {
        let (status, text) = Session::start("unshare --pid --fork cordial map --tty cat ::: 1").end();
        assert_eq!(status, 255, "{text}");
        assert!(text.contains("was started from outside of its PID namespace"), "{text}");
    } else {
        skip("this part of a test needs unshare, and the right to a pid namespace");
    }
    for (option, message) in [
        ("--tty", "--tty needs a terminal, and there is none"),
        ("-p", "-p asks at the terminal, and there is none: /dev/tty: "),
    ] {
        let mut without_terminal = cordial();
        without_terminal.args(["map", option, "cat", ":::", "1"]).stderr(std::process::Stdio::piped());
        // A new session has no terminal.
        let child = Command::new("setsid")
            .arg("-w")
            .arg(without_terminal.get_program())
            .args(without_terminal.get_args())
            .process_group(0)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let result = finish(child);
        assert_eq!(result.status, 255);
        assert!(result.stderr.contains(message), "{}", result.stderr);
    }
}
