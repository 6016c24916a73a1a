//! Processes that outlive their parents: as process 1 of a container, the command is the parent of all of them.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use crate::harness::{finish, skip};

/// A line that starts daemons, and one that waits until no zombie is left, or for 10 seconds.
const SCRIPT: &str = r#"
case $1 in
    last) for try in $(seq 100); do
              zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>&- | wc -l)
              [ "$zombies" -gt 0 ] || break
              sleep 0.1
          done
          echo "$zombies zombies" ;;
    *) for n in 1 2 3; do setsid sh -c 'sleep 0.05' & done; sleep 0.02 ;;
esac
"#;

#[test]
fn process_1_reaps_what_it_inherits() {
    let in_container = |program: &str| {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--pid", "--fork", "--mount-proc", program]).stdin(Stdio::null());
        command
    };
    if !in_container("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return skip("this test needs unshare, and the right to create a pid namespace");
    }
    let mut command = in_container(env!("CARGO_BIN_EXE_cordial"));
    command.args(["map", "-c4", "sh", "-c", SCRIPT, "sh", ":::"]).args((0..20).map(|n| n.to_string())).arg("last");
    let result = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((result.status, &*result.stdout, &*result.stderr), (0, &b"0 zombies\n"[..], ""));
}
