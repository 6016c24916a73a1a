//! Measurements that need their own operating-system process: this program runs itself and reads the number that it
//! prints. The process runs one of the `parts`.

use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// `cordial-bench --part PART` prints the number of this part.
pub(crate) const FLAG: &str = "--part";

/// How many bursts there are, and for how long the program does nothing after the last one.
#[derive(Clone, Copy)]
pub(crate) struct Bursts {
    pub(crate) n: u32,
    pub(crate) pause: Duration,
}

impl Bursts {
    /// Returns the last two words of the name of a part.
    pub(crate) fn words(self) -> String {
        format!("{} {}", self.n, self.pause.as_secs())
    }

    pub(crate) fn parse(words: &str) -> Option<Bursts> {
        let (n, seconds) = words.split_once(' ')?;
        Some(Bursts { n: n.parse().ok()?, pause: Duration::from_secs(seconds.parse().ok()?) })
    }
}

/// Runs this program in a new process for one part. Returns NaN if it prints no number.
pub(crate) fn measure(part: &str) -> f64 {
    let program = std::env::current_exe().expect("the path of the program is known");
    let output = Command::new(program).args([FLAG, part]).output().expect("the program can be started again");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

/// Runs this program again without `RUST_BACKTRACE`, if that is set: with it, each crash of a task of ours captures a backtrace, and a
/// crash of a peer's task does not. Returns how the new process has ended.
pub(crate) fn run_without_backtraces() -> Option<ExitCode> {
    const VARIABLE: &str = "RUST_BACKTRACE";
    std::env::var_os(VARIABLE)?;
    let program = std::env::current_exe().expect("the path of the program is known");
    let status = Command::new(program).args(std::env::args_os().skip(1)).env_remove(VARIABLE).status();
    let code = status.expect("the program can be started again").code();
    Some(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Another program that keeps all processors busy until it is dropped.
pub(crate) struct BusyProgram(Child);

impl BusyProgram {
    pub(crate) fn start() -> BusyProgram {
        let program = std::env::current_exe().expect("the path of the program is known");
        let busy = Command::new(program).args([FLAG, "busy"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        BusyProgram(busy.expect("the program can be started again"))
    }
}

impl Drop for BusyProgram {
    fn drop(&mut self) {
        // The busy program ends when its input is closed, and so also if this program dies.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
