//! The answer to a message that a server has begun to handle when its process ends.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::exit::{Exit, Refusal};

/// Why a message that the server has begun to handle has no answer, if the process has not crashed. Not a
/// [`Refusal`](crate::Refusal): a caller may repeat what was refused, but not what may have had effects.
#[derive(Debug)]
struct Unanswered {
    what: &'static str,
    exit: Exit,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not answered: {}, which may have had effects", self.what)
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.exit)
    }
}

/// Returns the answer to a message that was not answered when the process ended with `exit`.
pub(super) fn exit_of_unanswered(exit: &Exit) -> Exit {
    match exit {
        // The server itself may have ended with the refusal that it got from another one.
        Exit::Normal | Exit::Shutdown(_) | Exit::Refused(_) => {
            unanswered("the server ended after it had begun to handle the message", exit.clone())
        }
        exit => exit.clone(),
    }
}

/// Returns the answer to a message whose handler has returned, and whose late answer could not be started.
pub(super) fn exit_of_refused_later(refusal: Refusal) -> Exit {
    unanswered(
        "the task of the late answer was not started after the server had handled the message",
        Exit::Refused(refusal),
    )
}

fn unanswered(what: &'static str, exit: Exit) -> Exit {
    Exit::Error(Arc::new(Unanswered { what, exit }))
}
