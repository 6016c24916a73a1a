//! `cordial map --observe`, and `cordial top`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Child;

use rustix::process::Signal;

use crate::harness::{TestDir, finish, run, send, shell, start, wait_until};
use crate::terminal::Session;

/// An observed run whose commands wait until `go` is in the directory.
struct Observed {
    /// `None` when it has ended.
    child: Option<Child>,
    address: String,
}

impl Observed {
    fn start(dir: &TestDir) -> Observed {
        let waits = format!(": {{}}; until test -e {}/go; do sleep 0.01; done", dir.text());
        let mut child = start(&["map", "-c", "2", "--observe", "127.0.0.1:0", "--shell", &waits]);
        child.stdin.as_mut().unwrap().write_all(b"first\nsecond\nthird\n").unwrap();
        drop(child.stdin.take());
        let mut observed = Observed { child: Some(child), address: String::new() };
        let mut line = String::new();
        let stderr = observed.child.as_mut().and_then(|child| child.stderr.as_mut()).unwrap();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("cordial: observe this run at ").unwrap_or_else(|| panic!("{line}"));
        observed.address = address.to_owned();
        observed
    }

    fn finish(mut self, dir: &TestDir) {
        dir.touch("go");
        assert_eq!(finish(self.child.take().unwrap()).status, 0);
    }
}

/// Ends the run if the test fails before it calls `finish`.
impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGTERM, because after SIGKILL the commands of the run could go on.
            send(&child, Signal::TERM);
            let _ = child.wait();
        }
    }
}

#[test]
fn an_observed_run_prints_its_address_and_top_shows_its_items() {
    let dir = TestDir::new();
    let observed = Observed::start(&dir);
    assert!(observed.address.starts_with("http://127.0.0.1:") && observed.address.contains("/?token="));
    let is_shown = || {
        let once = run(&["top", "--once", &observed.address], b"");
        assert_eq!((once.status, &*once.stderr), (0, ""));
        ["processes", "cordial map", "first", "second", "third"].iter().all(|text| once.text().contains(text))
    };
    assert!((0..1000).any(|_| is_shown()), "top does not show all items");
    #[cfg(target_os = "linux")]
    {
        let full = shell(&format!("\"$0\" top --once '{}' > /dev/full", observed.address));
        assert_eq!((full.status, full.stderr.contains("No space left on device")), (255, true), "{}", full.stderr);
    }
    let (bare, token) = observed.address.split_once("/?token=").unwrap();
    assert_eq!(run(&["top", "--once", "--token", token, bare], b"").status, 0);
    let wrong = run(&["top", "--once", "--token", "wrong", bare], b"");
    assert_eq!((wrong.status, wrong.stdout.len()), (255, 0));
    assert!(wrong.stderr.contains("the token is missing or wrong"), "{}", wrong.stderr);
    observed.finish(&dir);
}

#[test]
fn an_address_that_cannot_be_used_ends_the_run_before_its_first_command() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let dir = TestDir::new();
    let (log, results) = (dir.path("log"), dir.path("results"));
    let records = ["--joblog", log.to_str().unwrap(), "--results", results.to_str().unwrap()];
    for (address, why) in [(&*taken, "choose another port"), ("0.0.0.0:0", "ssh -L"), ("nowhere", "nowhere")] {
        let result = run(&[&["map", "--observe", address][..], &records, &["echo {}"]].concat(), b"item\n");
        assert_eq!((result.status, result.stdout.len()), (255, 0), "{}", result.stderr);
        assert!(!log.exists() && !results.exists(), "{address}");
        let start = format!("cordial: --observe {address}: ");
        assert!(result.stderr.starts_with(&start) && result.stderr.contains(why), "{}", result.stderr);
    }
}

#[test]
fn top_says_what_it_needs_and_what_it_cannot_reach() {
    for (args, text) in [
        (&["top", "4000"][..], "it has no host and port"),
        (&["top", "127.0.0.1:1"], "needs a terminal"),
        // No program listens there.
        (&["top", "--once", "127.0.0.1:1"], "is the program running?"),
    ] {
        let result = run(args, b"");
        assert_eq!((result.status, result.stdout.len()), (255, 0), "{args:?}");
        assert!(result.stderr.contains(text), "{}", result.stderr);
        assert!(!result.stderr.contains("os error"), "{}", result.stderr);
    }
}

/// Waits until `top` has drawn a text. Makes `top` redraw the whole screen (Ctrl-L) until then: otherwise it prints only the characters
/// that change.
#[cfg(target_os = "linux")]
fn until_drawn(session: &mut Session, text: &str) {
    for n in 0..6000 {
        // A slow `top` has to keep up with the keys.
        if n % 10 == 0 {
            session.type_in(b"\x0c");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        if session.text().contains(text) {
            return;
        }
    }
    panic!("{text:?} is not drawn: {}", session.text());
}

#[cfg(target_os = "linux")]
#[test]
fn top_shows_each_view_in_a_terminal_and_leaves_it_as_it_was() {
    let dir = TestDir::new();
    let observed = Observed::start(&dir);
    let mut session = Session::start(&format!("stty rows 24 cols 80; cordial top '{}'", observed.address));
    session.wait_for("LABEL OR PLACE");
    session.wait_for("second");
    for (key, text) in [("2", "SUPERVISES"), ("3", "READY"), ("4", "no process has crashed"), ("?", "Keys")] {
        session.type_in(key.as_bytes());
        until_drawn(&mut session, text);
    }
    session.type_in(b"?1/this\r");
    until_drawn(&mut session, "filter: this");
    session.type_in(b"q");
    let (status, text) = session.end();
    assert_eq!(status, 0, "{text}");
    // The alternate screen was entered and left.
    assert!(text.contains("\x1b[?1049h") && text.contains("\x1b[?1049l"));
    observed.finish(&dir);
}

/// The terminal would stop `top`, and again after each signal that is to end it.
#[cfg(target_os = "linux")]
#[test]
fn top_in_the_background_ends_with_a_message() {
    // `timeout` makes a process group of its own, which is in the background. Without `exit`, the shell would become `timeout`, and the
    // leader of a session cannot leave its group.
    let (status, text) = Session::start("timeout 60 cordial top 127.0.0.1:1; exit $?").end();
    assert_eq!(status, 255, "{text}");
    assert!(text.contains("top runs in the background") && text.contains("--foreground"), "{text}");
}

/// A program in this process, which allows actions, with a task named `victim`.
#[cfg(target_os = "linux")]
struct Program {
    runtime: cordial::Runtime,
    observer: cordial_observer::Observer,
    victim: cordial::Pid,
}

#[cfg(target_os = "linux")]
impl Program {
    fn start() -> Program {
        let runtime = cordial::Runtime::builder().workers(1).build().unwrap();
        let observer = cordial_observer::Observer::builder()
            .runtime(runtime.inspector())
            .allow_actions(cordial_observer::ActionKind::ALL)
            .serve("127.0.0.1:0")
            .unwrap();
        let start = async { cordial::Task::builder().label("victim").start(std::future::pending::<()>()) };
        let victim = runtime.block_on(start).unwrap();
        Program { runtime, observer, victim }
    }

    fn is_alive(&self) -> bool {
        self.runtime.inspector().info(self.victim).is_some()
    }
}

#[cfg(target_os = "linux")]
#[test]
fn top_kills_a_process_only_when_that_was_confirmed() {
    let program = Program::start();
    let mut session =
        Session::start(&format!("stty rows 24 cols 80; cordial top '{}'", program.observer.url().unwrap()));
    until_drawn(&mut session, "victim");
    session.type_in(b"/victim\r");
    until_drawn(&mut session, "filter: victim");
    until_drawn(&mut session, "(1 of");
    session.type_in(b"x");
    until_drawn(&mut session, "do nothing");
    // The first line does nothing. When the help is drawn, the answer to the question was taken.
    session.type_in(b"\r?");
    until_drawn(&mut session, "Keys");
    assert!(program.is_alive());
    session.type_in(b"?xjj\r");
    wait_until("the end of the process", || !program.is_alive());
    // The answer has the label in quotation marks.
    until_drawn(&mut session, "\"victim\"");
    session.type_in(b" q");
    let (status, text) = session.end();
    assert_eq!(status, 0, "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn top_that_is_held_still_shows_what_a_key_asks_for() {
    let program = Program::start();
    let mut session =
        Session::start(&format!("stty rows 24 cols 80; cordial top '{}'", program.observer.url().unwrap()));
    until_drawn(&mut session, "victim");
    session.type_in(b" ");
    until_drawn(&mut session, "paused");
    session.type_in(b"\r");
    until_drawn(&mut session, "spawned at");
    session.type_in(b"\r4");
    until_drawn(&mut session, "no process has crashed");
    session.type_in(b"q");
    let (status, text) = session.end();
    assert_eq!(status, 0, "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_top_and_the_terminal_is_left_as_it_was() {
    let program = Program::start();
    let url = program.observer.url().unwrap();
    let line = format!(
        "stty rows 24 cols 80; sh -c 'echo pid=$$; exec cordial top \"{url}\"'; echo status=$?; stty -a | grep -qe -icanon || echo lines=whole"
    );
    // The second text is the beginning of an escape sequence, after which `crossterm` waits for the rest without a limit.
    for keys in ["", "\x1b["] {
        let mut session = Session::start(&line);
        until_drawn(&mut session, "victim");
        session.type_in(keys.as_bytes());
        rustix::process::kill_process(printed_pid(&session), Signal::TERM).unwrap();
        // `end` closes the input of the terminal, which `top` would take as Ctrl-D.
        session.wait_for("status=");
        let (_, text) = session.end();
        let (_, after) = text.rsplit_once("\x1b[?1049l").expect("the alternate screen was left");
        assert!(after.contains("status=143") && after.contains("lines=whole"), "{keys:?}: {after:?}");
    }
}

/// Its output is another terminal, whose output no program reads, so that it takes no further byte.
#[cfg(target_os = "linux")]
#[test]
fn top_that_cannot_draw_leaves_the_terminal_as_it_was() {
    let dir = TestDir::new();
    let other =
        "sh -c 'echo $$ > pid; exec script -qfc \"tty > tty; exec sleep 600\" /dev/null' < /dev/null > /dev/null &";
    let fill = "dd if=/dev/zero count=5k oflag=nonblock >&3 2>/dev/null";
    // A program that is stopped does not read the output of its terminal.
    let stop = "kill -STOP $(cat pid); until grep -q 'State:.T' /proc/$(cat pid)/status; do sleep 0.01; done";
    let line = format!(
        "cd {}; {other} until [ -s tty ]; do sleep 0.01; done; exec 3<>$(cat tty); {stop}; \
         for bs in 4k 4k 1 1 1; do {fill} bs=$bs; sleep 0.1; done; \
         cordial top http://127.0.0.1:1 >&3; echo status=$?; stty -a | grep -qe -icanon || echo lines=whole; \
         kill -KILL $(cat pid)",
        dir.text()
    );
    let (_, text) = Session::start(&line).end();
    assert!(text.contains("cannot use the terminal: it takes no more text; press Ctrl-Q"), "{text}");
    assert!(text.contains("status=255") && text.contains("lines=whole"), "{text}");
}

/// The shell prints its own text and reads its own lines meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn top_is_suspended_and_goes_on() {
    let program = Program::start();
    let url = program.observer.url().unwrap();
    // Before the x, the line may begin with keys of `until_drawn` that `top` has not read.
    let line = format!(
        "set -m; stty rows 24 cols 80; sh -c 'echo pid=$$; exec cordial top \"{url}\"'; echo stopped=$?; \
         stty -a | grep -qe -icanon || echo lines=whole; read line; echo read=${{line##*[!x]}}; fg; echo status=$?"
    );
    for is_key in [true, false] {
        let mut session = Session::start(&line);
        until_drawn(&mut session, "victim");
        match is_key {
            true => session.type_in(b"\x1a"),
            false => rustix::process::kill_process(printed_pid(&session), Signal::TSTP).unwrap(),
        }
        // After the signal, not every shell gives itself whole lines again.
        session.wait_for(if is_key { "lines=whole" } else { "stopped=" });
        session.type_in(b"x\n");
        session.wait_for("read=x");
        assert_eq!(is_key, session.text().contains("\x1b[?1049l"), "the alternate screen was left: {}", session.text());
        until_drawn(&mut session, "victim");
        session.type_in(b"4");
        until_drawn(&mut session, "no process has crashed");
        assert!(program.is_alive());
        session.type_in(b"q");
        session.wait_for("status=0");
        session.end();
    }
}

#[cfg(target_os = "linux")]
fn printed_pid(session: &Session) -> rustix::process::Pid {
    let text = session.text();
    let pid = text.split_once("pid=").unwrap().1.lines().next().unwrap().trim().parse().unwrap();
    rustix::process::Pid::from_raw(pid).unwrap()
}

/// `top` also ends if it ignores SIGHUP, which the system sends when the terminal is gone.
#[cfg(target_os = "linux")]
#[test]
fn top_ends_when_its_terminal_is_gone() {
    let program = Program::start();
    let url = program.observer.url().unwrap();
    for ignores in ["", "trap \"\" HUP; "] {
        let mut session =
            Session::start(&format!("stty rows 24 cols 80; sh -c '{ignores}echo pid=$$; exec cordial top \"{url}\"'"));
        until_drawn(&mut session, "victim");
        let stat = format!("/proc/{}/stat", printed_pid(&session).as_raw_nonzero());
        // Kills the program that holds the other end of the terminal.
        drop(session);
        let has_ended = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        wait_until("the end of top", has_ended);
    }
}
