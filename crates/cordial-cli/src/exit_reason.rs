//! How a whole run ended, and the exit status that says so.

use std::process::ExitCode;

use crate::system::Interrupt;

/// The one result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every item was run; so many of them failed.
    Finished {
        failed: u64,
    },
    /// An item failed, and with `--fail-fast` its status is ours.
    FirstFailure {
        status: u8,
    },
    Interrupted(Interrupt),
    /// Nobody reads standard output any more. Not an error: `| head` does it.
    OutputClosed,
    /// Bad usage, or an error of ours, which was told on standard error.
    Broken,
}

impl Verdict {
    pub(crate) fn status(self) -> u8 {
        match self {
            // More failures than this cannot be told apart: larger numbers mean something else.
            Verdict::Finished { failed } => failed.min(101) as u8,
            Verdict::FirstFailure { status } => status,
            Verdict::Interrupted(interrupt) => interrupt.status(),
            // As a shell reports a program that SIGPIPE ended, which is what other filters do.
            Verdict::OutputClosed => 141,
            Verdict::Broken => 255,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        ExitCode::from(verdict.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_counts_failures_up_to_a_hundred() {
        for (failed, status) in [(0, 0), (1, 1), (100, 100), (101, 101), (102, 101), (256, 101), (u64::MAX, 101)] {
            assert_eq!(Verdict::Finished { failed }.status(), status);
        }
    }

    #[test]
    fn other_ends_have_the_status_that_shells_give_them() {
        assert_eq!(Verdict::Interrupted(Interrupt::Interrupt).status(), 130);
        assert_eq!(Verdict::Interrupted(Interrupt::Terminate).status(), 143);
        assert_eq!(Verdict::Interrupted(Interrupt::Hangup).status(), 129);
        assert_eq!(Verdict::FirstFailure { status: 7 }.status(), 7);
        assert_eq!(Verdict::OutputClosed.status(), 141);
        assert_eq!(Verdict::Broken.status(), 255);
    }
}
