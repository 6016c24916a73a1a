//! The controlling terminal: which process group may read it, and commands that the terminal stops because they may not.
//!
//! ```text
//! with --tty:     cordial has the terminal ── start ──► the command has it ── end, or Ctrl-Z ──► cordial has it again
//! without --tty:  cordial has the terminal ── a command reads it ──► SIGTTIN stops the command
//! ```

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};

use nix::sys::signal::{SigSet, Signal as NixSignal};
use nix::unistd::getpgrp;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use super::signals::suspend_this_job;

const TERMINAL: &str = "/dev/tty";

/// Why the terminal has stopped a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminalStop {
    /// SIGTTIN: the command reads the terminal.
    Reads,
    /// SIGTTOU: the command changes the terminal, or with `stty tostop` writes to it.
    Changes,
}

/// The controlling terminal, which one command after another may use.
#[derive(Debug)]
pub(crate) struct Terminal(File);

/// Returns whether this program has a controlling terminal.
pub(crate) fn has_terminal() -> bool {
    File::open(TERMINAL).is_ok()
}

/// Returns whether this program runs in the background of the terminal of its standard input. The terminal stops such a program when
/// it reads a key or changes how keys are read.
pub(crate) fn is_in_background() -> bool {
    // An error means that the terminal does not control this program. Such a terminal does not stop the program.
    tcgetpgrp(io::stdin()).is_ok_and(|foreground| own_group() != Some(foreground))
}

impl Terminal {
    /// Opens the controlling terminal.
    ///
    /// # Errors
    ///
    /// When there is none, or the system cannot open it.
    pub(crate) fn open() -> io::Result<Terminal> {
        File::options().read(true).write(true).open(TERMINAL).map(Terminal)
    }

    /// Returns another descriptor of the terminal, as the standard input of a command.
    pub(super) fn input(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    /// Prints a question, and returns whether the answer begins with `y` or `Y`. Blocks until a line is typed, or the input of the
    /// terminal ends.
    ///
    /// # Errors
    ///
    /// When the terminal cannot be read or written.
    pub(crate) fn ask(&self, question: &[u8]) -> io::Result<bool> {
        let mut terminal = &self.0;
        terminal.write_all(question)?;
        let (mut line, mut block) = (Vec::new(), [0; 256]);
        // A read returns a whole line, unless the line is longer than the block.
        while !line.ends_with(b"\n") {
            match terminal.read(&mut block) {
                Ok(0) => break,
                Ok(n) => line.extend_from_slice(&block[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(line.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'y')))
    }

    /// Returns whether the terminal can be given to another group and taken back.
    #[expect(clippy::unused_self, reason = "a question about the terminal")]
    pub(crate) fn can_be_passed_on(&self) -> bool {
        own_group().is_some()
    }

    /// Gives the terminal to a group, if the group of this program has it.
    pub(super) fn give_to(&self, group: Pid) {
        if own_group().is_some_and(|own| tcgetpgrp(&self.0) == Ok(own)) && tcsetpgrp(&self.0, group).is_ok() {
            // The group may have been stopped meanwhile.
            let _ = kill_process_group(group, Signal::CONT);
        }
    }

    /// Takes the terminal back from a group, if that group has it.
    pub(super) fn take_back(&self, group: Pid) {
        if tcgetpgrp(&self.0) != Ok(group) {
            return;
        }
        // Without the block of SIGTTOU, `tcsetpgrp` would stop this program, which is in the background.
        let signal = SigSet::from(NixSignal::SIGTTOU);
        let was_blocked = SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(NixSignal::SIGTTOU));
        let _ = signal.thread_block();
        if let Some(own) = own_group() {
            // `tcsetpgrp` fails only if the terminal is gone.
            let _ = tcsetpgrp(&self.0, own);
        }
        if !was_blocked {
            let _ = signal.thread_unblock();
        }
    }

    /// If the leader of a group that has the terminal is stopped, takes the terminal back and suspends this program, as Ctrl-Z
    /// does. Returns whether the leader was stopped.
    pub(super) fn suspend_with(&self, group: Pid) -> bool {
        if stop_signal(group).is_none() || tcgetpgrp(&self.0) != Ok(group) {
            return false;
        }
        self.take_back(group);
        // The signal goes to the whole job: the other programs of the pipeline are suspended as well.
        suspend_this_job();
        true
    }
}

/// Returns the process group of this program. `None` if the group has no number, because it was made outside of the PID namespace.
fn own_group() -> Option<Pid> {
    Pid::from_raw(getpgrp().as_raw())
}

/// Returns why the terminal has stopped a process, if it has.
pub(super) fn terminal_stop(pid: Pid) -> Option<TerminalStop> {
    match stop_signal(pid)? {
        signal if signal == Signal::TTIN.as_raw() => Some(TerminalStop::Reads),
        signal if signal == Signal::TTOU.as_raw() => Some(TerminalStop::Changes),
        _ => None,
    }
}

/// Returns the signal that has stopped a child, if it is stopped.
fn stop_signal(pid: Pid) -> Option<i32> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    waitid(WaitId::Pid(pid), options).ok()??.stopping_signal()
}
