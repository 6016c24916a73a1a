//! Prints outcomes in the order in which `print` is called, and counts them.
//!
//! If standard output cannot be written, the run ends. If standard error cannot be written, the run continues: the exit
//! status still counts failures, and there is nowhere to report the error.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use super::copy::{CopyError, copy, copy_tagged, fail_read_back, tag_lines};
use super::counted_output::{CountedOutput, LastByte};
use super::failure_lines::FailureLines;
use super::json::write_object;
use super::progress::{ProgressCounts, ProgressDisplay, ProgressMode, Update};
use super::summary::{RunEnd, Summary};
use crate::exit_reason::ExitReason;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::{HeldLines, LineBatch, StdStream};
use crate::stop::halt::HaltCounter;
use crate::system;
use crate::text::display::ERASE_BAR;

/// The size of the buffer of standard output in bytes. While further outputs are ready, small ones are collected in it and written together.
const BUFFER_BYTES: usize = 64 * 1024;

/// How the output of a finished item is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As the command wrote it.
    Plain,
    /// As the command wrote it, with the item at the start of each line.
    Tagged,
    /// As a JSON object.
    Json,
    /// Nothing is printed, because the command has written to the outputs of `cordial` directly.
    Direct,
}

/// The outputs of a run, and counts of what was printed.
pub(crate) struct Printer<O, E> {
    stdout: BufWriter<CountedOutput<O>>,
    stderr: CountedOutput<E>,
    is_quiet: bool,
    /// Whether both outputs are the same terminal or file.
    has_one_screen: bool,
    /// The last byte that was written to the terminal or file on which the bar is drawn. The bytes of the bar do not count.
    last: LastByte,
    progress: ProgressDisplay,
    summary: Summary,
    /// Incremented after each outcome and each batch of lines, and when an output accepts bytes other than those of the bar. So a
    /// caller can see whether the outputs are being read.
    printed: Arc<AtomicU64>,
    failures: FailureLines,
    /// Why the held lines of an item could not be read. The outcome of this item is printed next.
    held_error: Option<io::Error>,
}

impl<O: AsyncWrite + Unpin, E: AsyncWrite + Unpin> Printer<O, E> {
    pub(crate) fn new(stdout: O, stderr: E, is_quiet: bool, progress: ProgressMode) -> Self {
        let (printed, last) = (Arc::default(), LastByte::new());
        let has_one_screen = system::are_outputs_the_same();
        let last_of_stdout = if has_one_screen { last.clone() } else { LastByte::new() };
        Printer {
            stdout: BufWriter::with_capacity(BUFFER_BYTES, CountedOutput::new(stdout, &printed, last_of_stdout)),
            stderr: CountedOutput::new(stderr, &printed, last.clone()),
            is_quiet,
            progress: ProgressDisplay::new(progress),
            has_one_screen,
            last,
            summary: Summary::default(),
            printed,
            failures: FailureLines::default(),
            held_error: None,
        }
    }

    /// Returns a counter that stays the same while the outputs are not read.
    pub(crate) fn printed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.printed)
    }

    /// Begins to show progress.
    pub(crate) fn begin_progress(&mut self, counts: ProgressCounts) {
        self.progress.begin(counts);
    }

    /// Returns the exit reason of a run that printed its items with this printer.
    pub(crate) fn exit_reason(&self, end: RunEnd, halt: &HaltCounter) -> ExitReason {
        self.summary.exit_reason(end, halt)
    }

    /// Prints the output of a finished item. If the item was run and failed, also prints a message, except in a quiet run.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print(&mut self, mut outcome: Outcome, format: Format) -> io::Result<()> {
        if let Some(error) = self.held_error.take() {
            fail_read_back(&mut outcome, error);
        }
        let was_run = !matches!(outcome.result, Err(ItemFailure::NotRun));
        if outcome.stdout.length() + outcome.stderr.length() > 0 || format == Format::Json {
            self.erase_bar().await;
            if self.has_one_screen {
                self.failures.add_capture(&mut outcome.stdout);
            }
            // A JSON object contains the standard error of the item, and is printed to standard output.
            if self.has_one_screen || format != Format::Json {
                self.failures.add_capture(&mut outcome.stderr);
            }
        }
        if format == Format::Direct {
            self.failures.add_unseen();
        }
        if format == Format::Json {
            if was_run {
                let printed = write_object(&mut outcome, &mut self.stdout).await;
                fail_if_unreadable(printed, &mut outcome)?;
            }
        } else {
            let tag = (format == Format::Tagged).then(|| outcome.item.tag());
            let printed = match &tag {
                Some(tag) => copy_tagged(&mut outcome.stdout, tag, &mut self.stdout).await,
                None => copy(&mut outcome.stdout, &mut self.stdout).await,
            };
            fail_if_unreadable(printed, &mut outcome)?;
            if outcome.stderr.length() > 0 {
                // So that standard output appears before standard error on a terminal.
                self.flush().await?;
                let printed = match &tag {
                    Some(tag) => copy_tagged(&mut outcome.stderr, tag, &mut self.stderr).await,
                    None => copy(&mut outcome.stderr, &mut self.stderr).await,
                };
                if let Err(CopyError::Read(error)) = printed {
                    fail_read_back(&mut outcome, error);
                }
                let _ = self.stderr.flush().await;
            }
        }
        self.summary.count(&outcome);
        if was_run
            && !self.is_quiet
            && let Some(message) = outcome.failure_message()
        {
            self.flush().await?;
            self.print_message(&message).await;
            self.failures.add_message(&message);
        }
        self.printed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Prints lines that a command has written, before the outcome of its item.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print_lines(&mut self, lines: LineBatch) -> io::Result<()> {
        self.erase_bar().await;
        if self.has_one_screen || lines.stream == StdStream::Stderr {
            self.failures.add_output(&lines.bytes);
        }
        match lines.stream {
            StdStream::Stdout => self.stdout.write_all(&lines.bytes).await?,
            StdStream::Stderr => {
                self.flush().await?;
                if self.stderr.write_all(&lines.bytes).await.is_ok() {
                    let _ = self.stderr.flush().await;
                }
            }
        }
        self.printed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Prints the lines of an item that were held until its turn. The next outcome that is printed has to be that of this item.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print_held(&mut self, mut held: HeldLines) -> io::Result<()> {
        self.erase_bar().await;
        if self.has_one_screen {
            self.failures.add_capture(&mut held.stdout);
        }
        self.failures.add_capture(&mut held.stderr);
        match copy(&mut held.stdout, &mut self.stdout).await {
            Err(CopyError::Write(error)) => return Err(error),
            Err(CopyError::Read(error)) => self.held_error = Some(error),
            Ok(()) => {}
        }
        if held.stderr.length() > 0 {
            self.flush().await?;
            if let Err(CopyError::Read(error)) = copy(&mut held.stderr, &mut self.stderr).await {
                self.held_error = Some(error);
            }
            let _ = self.stderr.flush().await;
        }
        self.printed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Prints a command and a newline to standard output. The tag is printed before each line of the command.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print_command(&mut self, command: &[u8], tag: &[u8]) -> io::Result<()> {
        self.stdout.write_all(&tag_lines(command, tag)).await?;
        self.stdout.write_all(b"\n").await
    }

    /// Writes the buffer to standard output.
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

    /// Returns whether the buffer holds bytes that were not written.
    pub(crate) fn is_buffered(&self) -> bool {
        !self.stdout.buffer().is_empty()
    }

    /// Updates the progress.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part of a line written.
    pub(crate) async fn tick(&mut self) {
        match self.progress.tick() {
            // The bar would replace the text of a line that has not ended.
            Some(Update::Bar(bar)) if self.last.take_open_line() => self.draw(&format!("\n{bar}")).await,
            Some(Update::Bar(bar)) => self.draw(&bar).await,
            Some(Update::Line(line)) => self.print_message(&line).await,
            None => {}
        }
    }

    /// Removes the bar, so that something else can be printed. The next tick draws it again.
    async fn erase_bar(&mut self) {
        if self.progress.take_bar() {
            self.draw(ERASE_BAR).await;
        }
    }

    /// Prints the bar, or the text that erases it, to standard error. Ignores an error: then no bar is visible.
    async fn draw(&mut self, text: &str) {
        let stderr = self.stderr.uncounted();
        if stderr.write_all(text.as_bytes()).await.is_ok() {
            let _ = stderr.flush().await;
        }
    }

    /// Prints a message of the program to standard error. On a terminal, ends an incomplete line first. In a file, the message continues the
    /// line, because a newline would look like a part of the output.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part of it written.
    pub(crate) async fn print_message(&mut self, text: &str) {
        self.erase_bar().await;
        // One write per message keeps it whole when other programs write to the same file.
        let newline = if io::stderr().is_terminal() && self.last.take_open_line() { "\n" } else { "" };
        let line = format!("{newline}cordial: {text}\n");
        if self.stderr.write_all(line.as_bytes()).await.is_ok() {
            let _ = self.stderr.flush().await;
        }
    }

    /// Prints the summary, unless the run is quiet, or all items were run and succeeded. Repeats the messages about failed items if they
    /// have scrolled away.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print_summary(&mut self, end: RunEnd) {
        let _ = self.flush().await;
        self.erase_bar().await;
        if let Some(headline) = self.summary.headline(end, self.progress.total()).filter(|_| !self.is_quiet) {
            let repeated = if self.failures.have_scrolled() { self.summary.failures() } else { Vec::new() };
            let colon = if repeated.is_empty() { "" } else { ":" };
            let lines: String = repeated.iter().map(|message| format!("\n  {message}")).collect();
            self.print_message(&format!("{headline}{colon}{lines}")).await;
        }
    }

    /// Prints advice to standard error, unless the run is quiet.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part written.
    pub(crate) async fn print_advice(&mut self, advice: &str) {
        if !self.is_quiet {
            self.print_message(advice).await;
        }
    }
}

/// Returns the error if an output of this program cannot be written: it ends the run. If the captured output of the item cannot be read,
/// makes the item fail, and the run continues. An item that has failed already keeps its failure.
fn fail_if_unreadable(printed: Result<(), CopyError>, outcome: &mut Outcome) -> io::Result<()> {
    match printed {
        Ok(()) => {}
        Err(CopyError::Write(error)) => return Err(error),
        Err(CopyError::Read(error)) => fail_read_back(outcome, error),
    }
    Ok(())
}
