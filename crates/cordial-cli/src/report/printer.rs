//! Prints what came of each item, in the order it is given, and counts.
//!
//! Standard output that cannot be written ends the run. Standard error that cannot be written ends nothing: the statuses still count,
//! and there is no place to complain.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use crate::item_failure::Failure;
use crate::outcome::Outcome;
use super::copy::{CopyError, copy, copy_tagged};
use super::json;
use crate::item::Item;
use crate::output::{Lines, Which};
use crate::report::progress::Progress;
use crate::report::summary::{Cause, Summary};

/// Small outputs are written together, as long as the next one is there already.
const BUFFER: usize = 64 * 1024;

/// What is printed of an item that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What it wrote.
    Plain,
    /// Each line with the item before it.
    Tagged,
    /// One object.
    Json,
}

/// What a tag shows of an item: its values, and a tab.
pub(crate) fn tag(item: &Item) -> Vec<u8> {
    let mut tag = item.text();
    tag.push(b'\t');
    tag
}

/// The outputs of a run and what they have seen.
pub(crate) struct Report<O, E> {
    stdout: BufWriter<O>,
    stderr: E,
    is_quiet: bool,
    pub(crate) progress: Progress,
    pub(crate) summary: Summary,
    /// Rises with all that is printed, for those who wonder whether somebody reads it.
    printed: Arc<AtomicU64>,
    complaints: Complaints,
}

/// How the complaints about items stand in what was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Complaints {
    /// There are none.
    No,
    /// One below the other, and nothing follows them.
    Together,
    /// Other output came between.
    Scattered,
}

impl<O: AsyncWrite + Unpin, E: AsyncWrite + Unpin> Report<O, E> {
    pub(crate) fn new(stdout: O, stderr: E, is_quiet: bool) -> Self {
        Report {
            stdout: BufWriter::with_capacity(BUFFER, stdout),
            stderr,
            is_quiet,
            progress: Progress::new(is_quiet),
            summary: Summary::default(),
            printed: Arc::default(),
            complaints: Complaints::No,
        }
    }

    pub(crate) fn printed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.printed)
    }

    /// Prints the next item, and the complaint about it if there is one.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print(&mut self, mut outcome: Outcome, form: Form) -> io::Result<()> {
        let is_over = !matches!(outcome.result, Err(Failure::NotRun));
        if outcome.stdout.length() + outcome.stderr.length() > 0 || form == Form::Json {
            self.make_way();
        }
        if form == Form::Json {
            if is_over {
                let printed = json::print(&mut outcome, &mut self.stdout).await;
                unless_unreadable(printed, &mut outcome)?;
            }
        } else {
            let tag = (form == Form::Tagged).then(|| tag(&outcome.item));
            let printed = match &tag {
                Some(tag) => copy_tagged(&mut outcome.stdout, tag, &mut self.stdout).await,
                None => copy(&mut outcome.stdout, &mut self.stdout).await,
            };
            unless_unreadable(printed, &mut outcome)?;
            if outcome.stderr.length() > 0 {
                // On a terminal both appear, in this order.
                self.flush().await?;
                let printed = match &tag {
                    Some(tag) => copy_tagged(&mut outcome.stderr, tag, &mut self.stderr).await,
                    None => copy(&mut outcome.stderr, &mut self.stderr).await,
                };
                if let Err(CopyError::Read(error)) = printed {
                    lose(&mut outcome, error);
                }
                let _ = self.stderr.flush().await;
            }
        }
        self.summary.count(&outcome);
        if is_over
            && !self.is_quiet
            && let Some(complaint) = outcome.complaint()
        {
            self.flush().await?;
            self.complain(&complaint).await;
            if self.complaints == Complaints::No {
                self.complaints = Complaints::Together;
            }
        }
        self.printed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Prints lines of an item that still runs.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print_lines(&mut self, lines: Lines) -> io::Result<()> {
        self.make_way();
        match lines.which {
            Which::Stdout => self.stdout.write_all(&lines.bytes).await?,
            Which::Stderr => {
                self.flush().await?;
                if self.stderr.write_all(&lines.bytes).await.is_ok() {
                    let _ = self.stderr.flush().await;
                }
            }
        }
        self.printed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Prints a line to standard output.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.stdout.write_all(line).await?;
        self.stdout.write_all(b"\n").await
    }

    /// Hands over what was printed so far.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush().await
    }

    /// Whether something waits for a flush.
    pub(crate) fn holds_something(&self) -> bool {
        !self.stdout.buffer().is_empty()
    }

    /// Brings the progress up to date.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part of a line written.
    pub(crate) async fn tick(&mut self) {
        if let Some(line) = self.progress.tick() {
            self.complain(&line).await;
        }
    }

    /// Prints a line of ours to standard error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part of it written.
    pub(crate) async fn complain(&mut self, text: &str) {
        self.progress.clear();
        // One write per line keeps lines whole when others write to the same place.
        let line = format!("cordial: {text}\n");
        if self.stderr.write_all(line.as_bytes()).await.is_ok() {
            let _ = self.stderr.flush().await;
        }
    }

    /// Prints the last lines of a run: what it came to, and the complaints once more if they do not stand there already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn conclude(&mut self, cause: Cause) {
        let _ = self.flush().await;
        self.progress.clear();
        if let Some(first) = self.summary.first_line(cause, self.progress.total()).filter(|_| !self.is_quiet) {
            let again = if self.complaints == Complaints::Scattered { self.summary.sentences() } else { Vec::new() };
            let colon = if again.is_empty() { "" } else { ":" };
            let lines: String = again.iter().map(|sentence| format!("\n  {sentence}")).collect();
            self.complain(&format!("{first}{colon}{lines}")).await;
        }
    }

    /// Prints what a person may want to do next.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn advise(&mut self, advice: &str) {
        if !self.is_quiet {
            self.complain(advice).await;
        }
    }

    /// Something else than a complaint is printed.
    fn make_way(&mut self) {
        self.progress.clear();
        if self.complaints == Complaints::Together {
            self.complaints = Complaints::Scattered;
        }
    }
}

/// What cannot be written ends the run; what cannot be read back fails its item.
fn unless_unreadable(printed: Result<(), CopyError>, outcome: &mut Outcome) -> io::Result<()> {
    match printed {
        Ok(()) => {}
        Err(CopyError::Write(error)) => return Err(error),
        Err(CopyError::Read(error)) => lose(outcome, error),
    }
    Ok(())
}

fn lose(outcome: &mut Outcome, error: io::Error) {
    if outcome.result.is_ok() {
        outcome.result = Err(Failure::Unreadable(error));
    }
}
