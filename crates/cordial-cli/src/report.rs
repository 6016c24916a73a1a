//! Prints what came of each item, in the order it is given, and counts.
//!
//! Standard output that cannot be written ends the run. Standard error that cannot be written ends nothing: the statuses still count,
//! and there is no place to complain.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::capture::CopyError;
use crate::failure::Failure;
use crate::job::Done;
use crate::system::Interrupt;
use crate::verdict::Verdict;

/// The outputs of a run and what they have seen.
pub(crate) struct Report<O, E> {
    stdout: O,
    stderr: E,
    done: u64,
    failed: u64,
}

impl<O: AsyncWrite + Unpin, E: AsyncWrite + Unpin> Report<O, E> {
    pub(crate) fn new(stdout: O, stderr: E) -> Self {
        Report { stdout, stderr, done: 0, failed: 0 }
    }

    /// Prints the next item: what it wrote to standard output, to standard error, and the complaint if there is one.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print(&mut self, item: Done) -> io::Result<()> {
        let Done { mut complaint, stdout, stderr } = item;
        match stdout.copy_to(&mut self.stdout).await {
            Ok(()) => {}
            Err(CopyError::Write(error)) => return Err(error),
            Err(CopyError::Read(error)) => {
                complaint.get_or_insert_with(|| self.lost(&Failure::Unreadable(error)));
            }
        }
        if let Err(CopyError::Read(error)) = stderr.copy_to(&mut self.stderr).await {
            complaint.get_or_insert_with(|| self.lost(&Failure::Unreadable(error)));
        }
        self.count(complaint).await;
        Ok(())
    }

    /// Prints that the next item has no result, although it should.
    pub(crate) async fn print_lost(&mut self, why: String) {
        let complaint = self.lost(&Failure::Lost(why));
        self.count(Some(complaint)).await;
    }

    /// Prints a line that is about no item.
    pub(crate) async fn complain(&mut self, text: &str) {
        // One write per line keeps lines whole when others write to the same place.
        let line = format!("cordial: {text}\n");
        if self.stderr.write_all(line.as_bytes()).await.is_ok() {
            let _ = self.stderr.flush().await;
        }
    }

    /// Prints that the run was stopped from outside.
    pub(crate) async fn stopped(&mut self, interrupt: Interrupt) {
        let (done, failed) = (self.done, self.failed);
        let items = if done == 1 { "item is" } else { "items are" };
        let name = interrupt.name();
        self.complain(&format!(
            "stopped by {name}: {done} {items} done ({failed} failed); the rest was killed or not run"
        ))
        .await;
    }

    pub(crate) fn verdict(&self) -> Verdict {
        Verdict::Finished { failed: self.failed }
    }

    async fn count(&mut self, complaint: Option<String>) {
        self.done += 1;
        if let Some(complaint) = complaint {
            self.failed += 1;
            self.complain(&complaint).await;
        }
    }

    /// A complaint about the next item where its bytes are no longer known.
    fn lost(&self, failure: &Failure) -> String {
        format!("item {} failed: {failure}", self.done + 1)
    }
}

#[cfg(test)]
mod tests;
