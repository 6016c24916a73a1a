//! Processes that end together with the test, in whatever way the test ends.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Starts a program in a session of its own, waits for the end of the standard input, kills the process group of the program, and
/// removes its temporary files.
///
/// The test holds the other end of the standard input. The system closes it when the test binary ends, even when it is killed. The shell does
/// not keep the output of the program open, so that a reader sees its end.
const SCRIPT: &str = r#"
folder=$(mktemp -d) && export TMPDIR="$folder"
setsid "$@" & program=$!
exec >/dev/null 2>&1
cat
# The program has its session soon after it was started.
kill -KILL "-$program" || kill -KILL "$program"
wait
rm -rf "$folder" || rm -rf "$folder"
"#;

/// A program with everything that it has started. Dropping it ends all of that.
pub(crate) struct Guarded(Child);

impl Guarded {
    /// Starts a program. `prepare` sets its arguments, its environment, and where its output goes.
    pub(crate) fn start(program: impl AsRef<OsStr>, prepare: impl FnOnce(&mut Command) -> &mut Command) -> Guarded {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(program);
        Guarded(prepare(&mut shell).stdin(Stdio::piped()).process_group(0).spawn().unwrap())
    }

    /// The process of the shell, which has the output of the program.
    pub(crate) fn shell(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Closes the standard input before it waits.
        let _ = self.0.wait();
    }
}
