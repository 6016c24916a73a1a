//! The answer to a message that a server has begun to handle when its process ends.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::exit::Exit;

/// Why such a message has no answer, if the process has not crashed. Not a [`Refusal`](crate::Refusal): a caller may repeat what was
/// refused, but not what may have had effects.
#[derive(Debug)]
struct Unanswered(Exit);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not answered: the server ended after it had begun to handle the message, which may have had effects",
        )
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns the answer to a message that was not answered when the process ended with `exit`.
pub(super) fn exit_of_unanswered(exit: &Exit) -> Exit {
    if exit.is_abnormal() { exit.clone() } else { Exit::Error(Arc::new(Unanswered(exit.clone()))) }
}
