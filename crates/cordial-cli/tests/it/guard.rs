//! When the program is killed outright, what runs ends with it.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::program::{cordial, send};

/// Processes that have this in their environment.
fn with(marker: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let has_it = |pid: &str| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == marker.as_bytes())
    };
    processes.filter_map(|process| process.file_name().into_string().ok()).filter(|pid| has_it(pid)).collect()
}

const AT_ONCE: usize = 40;

#[test]
fn a_hundred_kills_at_random_moments_leave_nothing_behind() {
    for round in 0..100 {
        let marker = format!("KILLED={}-{round}", std::process::id());
        let (name, value) = marker.split_once('=').unwrap();
        // Short and long commands, some of them with children, so that there is always something starting.
        let script = "case $(($1 % 3)) in 0) exit 0;; 1) sleep 1000;; 2) sleep 1000 & wait;; esac";
        let mut child = cordial()
            .args(["map", "-c", &AT_ONCE.to_string(), "--quiet", "sh", "-c", script, "sh", ":::"])
            .args((0..100).map(|n| n.to_string()))
            .env(name, value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros(fastrand::u64(0..60_000)));
        send(&child, Signal::KILL);
        child.wait().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a promise about real time")]
        let killed = Instant::now();
        loop {
            let left = with(&marker);
            if left.is_empty() {
                break;
            }
            if killed.elapsed() > Duration::from_secs(1) {
                // A busy machine is late with everything. It gets as long as it takes for as many processes that do nothing.
                for _ in 0..AT_ONCE {
                    Command::new("true").status().unwrap();
                }
                let left = with(&marker);
                let names: Vec<_> = left.iter().map(|pid| fs::read_to_string(format!("/proc/{pid}/stat"))).collect();
                assert!(left.is_empty(), "round {round}: {names:?} after {:?}", killed.elapsed());
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn the_guard_leaves_with_the_run() {
    // It is our child, and has ended before we do: else the shell would see it.
    let ran = crate::program::shell(r#"seq 3 | "$0" map echo; ps -e -o args= | grep -c "^$0 guard" || true"#);
    assert!(ran.stdout.starts_with(b"1\n2\n3\n"));
}
