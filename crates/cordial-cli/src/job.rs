//! What is done for every item: its command is made and run.

use std::time::Duration;

use crate::capture::Capture;
use crate::child::{self, Ended};
use crate::command::Template;
use crate::item::Item;
use crate::shown;

/// The same for all items.
pub(crate) struct Job {
    pub(crate) template: Template,
    pub(crate) timeout: Option<Duration>,
}

/// An item that is over: what it wrote, and the complaint about it if it failed.
pub(crate) struct Done {
    pub(crate) complaint: Option<String>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

impl Job {
    /// Runs the command for one item.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the command and its children.
    pub(crate) async fn run(&self, item: Item) -> Done {
        let name = format!("item {} {}", item.number, shown::quoted(item.line.bytes()));
        let line = match self.template.fill(item.line) {
            Ok(line) => line,
            Err(failure) => {
                let complaint = Some(format!("{name} failed: {failure}"));
                return Done { complaint, stdout: Capture::new(), stderr: Capture::new() };
            }
        };
        let Ended { outcome, stdout, stderr } = child::run(&line, self.timeout).await;
        let complaint =
            outcome.err().map(|failure| format!("{name} failed: {}: {failure}", shown::command(line.words())));
        Done { complaint, stdout, stderr }
    }
}
