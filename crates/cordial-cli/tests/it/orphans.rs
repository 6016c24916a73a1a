//! Processes that outlive their parents: as process 1 of a container, the command is the parent of all of them.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use crate::fleet::Fleet;
use crate::harness::{finish, prepare_for_programs, skip};

/// A line that starts daemons, and one that waits until no zombie is left, or for a minute.
const SCRIPT: &str = r#"
case $1 in
    last) for try in $(seq 600); do
              zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>&- | wc -l)
              [ "$zombies" -gt 0 ] || break
              sleep 0.1
          done
          echo "$zombies zombies" ;;
    *) for n in 1 2 3; do setsid sh -c 'sleep 0.05' & done
       # A real-time signal.
       setsid sh -c 'sleep 0.05; kill -34 $$' & sleep 0.02 ;;
esac
"#;

/// Returns a command that starts a program as process 1 of a container, which ends with the command.
fn in_container(program: &str) -> Command {
    prepare_for_programs();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", program]).stdin(Stdio::null());
    command
}

fn has_containers() -> bool {
    let has_containers = in_container("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !has_containers {
        skip("this test needs unshare, and the right to create a pid namespace");
    }
    has_containers
}

#[test]
fn process_1_reaps_what_it_inherits() {
    if !has_containers() {
        return;
    }
    let mut command = in_container(env!("CARGO_BIN_EXE_cordial"));
    command.args(["map", "-c4", "sh", "-c", SCRIPT, "sh", ":::"]).args((0..20).map(|n| n.to_string())).arg("last");
    let result = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((result.status, &*result.stdout, &*result.stderr), (0, &b"0 zombies\n"[..], ""));
}

#[test]
fn a_worker_that_is_process_1_reaps_what_it_inherits() {
    if !has_containers() {
        return;
    }
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.start_worker(in_container(env!("CARGO_BIN_EXE_cordial")), "contained", &[]);
    let items: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).chain(["last"]).collect();
    let result = fleet.map(&[&["sh", "-c", SCRIPT, "sh", ":::"][..], &items].concat(), b"");
    assert_eq!((result.status, &*result.stdout, &*result.stderr), (0, &b"0 zombies\n"[..], ""));
}
