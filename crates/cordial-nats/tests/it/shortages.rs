//! A program to which the operating system gives no thread. The test runs itself again as such a program.

use std::fs;
use std::process::Command;

use cordial_nats::{Cluster, ConnectError};
use rustix::process::{Resource, Rlimit, setrlimit};

/// Makes this binary the program of the test.
const CASE: &str = "CORDIAL_NATS_SHORTAGE";

/// Leaves so little of the address space that the system refuses a thread, but no memory for small values.
fn refuse_threads() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kibibytes: u64 = size.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    let limit = Some((kibibytes + 1024) * 1024);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
}

#[test]
fn a_connection_that_gets_no_thread_is_an_error_also_in_a_task_of_tokio() {
    if std::env::var_os(CASE).is_some() {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        refuse_threads();
        let error = tokio.block_on(Cluster::connect("nats://127.0.0.1:4222")).unwrap_err();
        assert!(matches!(error, ConnectError::Thread(_)), "{error}");
        return;
    }
    // libtest names the thread of a test like the test.
    let test = std::thread::current().name().unwrap().to_owned();
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", &test]).env(CASE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
