//! Why the program exits, and the exit status that reports it.

use std::process::ExitCode;

use crate::system::StopSignal;

/// Why the program exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitReason {
    /// The run ended, and this many items failed.
    Finished {
        failed: u64,
    },
    /// `--halt` or `--fail-fast` halted the run. This is the status of the item that halted it, or 0 if enough items have succeeded.
    Halted {
        status: u8,
    },
    Interrupted(StopSignal),
    /// Standard output was closed by its reader. This is not an error: `| head` does it.
    OutputClosed,
    /// Wrong usage or an internal error. A message was printed to standard error.
    Error,
}

impl ExitReason {
    pub(crate) fn status(self) -> u8 {
        match self {
            // 101 means "more than 100": larger statuses have other meanings.
            ExitReason::Finished { failed } => failed.min(101) as u8,
            ExitReason::Halted { status } => status,
            ExitReason::Interrupted(signal) => signal.exit_status(),
            // The status that a shell reports for a program killed by SIGPIPE, which is how other filters end.
            ExitReason::OutputClosed => 141,
            ExitReason::Error => 255,
        }
    }
}

impl From<ExitReason> for ExitCode {
    fn from(reason: ExitReason) -> Self {
        ExitCode::from(reason.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_counts_failures_up_to_101() {
        for (failed, status) in [(0, 0), (1, 1), (100, 100), (101, 101), (102, 101), (256, 101), (u64::MAX, 101)] {
            assert_eq!(ExitReason::Finished { failed }.status(), status);
        }
    }

    #[test]
    fn other_reasons_have_the_statuses_of_shells() {
        assert_eq!(ExitReason::Interrupted(StopSignal::Interrupt).status(), 130);
        assert_eq!(ExitReason::Interrupted(StopSignal::Terminate).status(), 143);
        assert_eq!(ExitReason::Interrupted(StopSignal::Hangup).status(), 129);
        assert_eq!(ExitReason::Halted { status: 7 }.status(), 7);
        assert_eq!(ExitReason::OutputClosed.status(), 141);
        assert_eq!(ExitReason::Error.status(), 255);
    }
}
