//! How a process exited: as numbers, and in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

use crate::system::exit::Termination;

/// What a message says about a command after `ProcessGroup::kill`.
pub(crate) const KILLED: &str = "was killed with its children";

/// Returns whether a process was killed by SIGKILL.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

/// Returns whether a process was killed by SIGINT, which Ctrl-C sends.
pub(crate) fn was_interrupted(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::INT.as_raw())
}

/// Returns how a process ended, as numbers.
pub(crate) fn termination(status: ExitStatus) -> Termination {
    match status.signal() {
        Some(signal) => Termination::Signaled(signal),
        None => Termination::Exited(status.code().unwrap_or(-1)),
    }
}

/// Returns the status with which a process of another machine has ended.
pub(crate) fn exit_status(termination: Termination) -> ExitStatus {
    match termination {
        Termination::Exited(code) => ExitStatus::from_raw((code & 0xff) << 8),
        Termination::Signaled(signal) => ExitStatus::from_raw(signal & 0x7f),
    }
}

/// Describes how a process ended, as the end of the sentence "the command …".
pub(crate) fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(number)) => match signal_name(number) {
            Some(name) => format!("was killed by signal {number} ({name})"),
            None => format!("was killed by signal {number}"),
        },
        (None, None) => format!("ended in a way that cordial does not know ({status})"),
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 17] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    NAMES.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| *name)
}
