//! The outputs of a command on a fleet. The reply contains a short output. A long output is stored on the server in pieces, which are
//! fetched after the reply. With `--line-buffer`, each piece is received as soon as the server has stored it.

use cordial_nats::{JobId, Piece};

use super::output_reader::Sink;
use super::request::LaunchConfig;
use crate::fleet::{Fleet, Output, until_answered};
use crate::item::Item;
use crate::output::{Budget, Capture, StdStream};
use crate::text::io_error;

/// The two outputs of a command.
pub(super) struct FleetOutput<'a> {
    fleet: &'a Fleet,
    job: JobId,
    sinks: [Sink; 2],
    /// The last run of the job from which outputs were written to the sinks.
    run: Option<u32>,
    /// How many pieces of each output of the current run were written to its sink.
    n_taken: [u32; 2],
}

impl<'a> FleetOutput<'a> {
    pub(super) fn new(config: &LaunchConfig, fleet: &'a Fleet, job: JobId, item: &Item) -> FleetOutput<'a> {
        let sink = |stream| Sink::new(stream, &config.output, item, &config.budget);
        let sinks = [sink(StdStream::Stdout), sink(StdStream::Stderr)];
        FleetOutput { fleet, job, sinks, run: None, n_taken: [0, 0] }
    }

    /// Writes to its sink a piece that the server has just stored. First fetches and writes the earlier pieces of the same output that the
    /// sink does not have yet.
    ///
    /// # Errors
    ///
    /// A message, if an earlier piece cannot be fetched, or bytes cannot be stored.
    pub(super) async fn add(&mut self, piece: &Piece) -> Result<(), String> {
        if self.run.is_some_and(|run| piece.attempt < run) {
            // The piece is of an earlier run, whose machine was frozen; a later run has begun elsewhere.
            return Ok(());
        }
        self.begin(piece.attempt);
        let (output, n_before) = ((piece.number % 2) as usize, piece.number / 2);
        self.take_until(output, n_before).await?;
        if self.n_taken[output] == n_before {
            self.write(output, &piece.bytes).await?;
            self.n_taken[output] += 1;
        }
        Ok(())
    }

    /// Writes the rest of both outputs to their sinks, after the run has ended.
    ///
    /// # Errors
    ///
    /// A message, if a piece cannot be fetched, or bytes cannot be stored.
    pub(super) async fn finish(&mut self, run: u32, outputs: [Output; 2]) -> Result<(), String> {
        self.begin(run);
        for (number, output) in outputs.into_iter().enumerate() {
            match output {
                Output::Whole(bytes) => self.write(number, &bytes).await?,
                Output::Pieces { n, .. } => self.take_until(number, n).await?,
            }
            self.sinks[number].finish().await.map_err(|error| not_stored(&error))?;
        }
        Ok(())
    }

    /// Makes `run` the current run, unless it is that already. Each run of the job produces its output from the start, so the counts of pieces
    /// begin at 0 again.
    fn begin(&mut self, run: u32) {
        if self.run != Some(run) {
            self.run = Some(run);
            self.n_taken = [0, 0];
            self.sinks.iter_mut().for_each(Sink::restart);
        }
    }

    /// Fetches the pieces of an output of the current run until the first `n` of them are written to its sink.
    async fn take_until(&mut self, output: usize, n: u32) -> Result<(), String> {
        while self.n_taken[output] < n {
            let number = 2 * self.n_taken[output] + u32::from(output == 1);
            let run = self.run.expect("`begin` is called before a piece is taken");
            let piece = until_answered(|| self.fleet.cluster.piece(&self.job, run, number)).await;
            let piece = piece.map_err(|error| error.to_string())?.ok_or("a piece of its output is gone")?;
            self.write(output, &piece).await?;
            self.n_taken[output] += 1;
        }
        Ok(())
    }

    async fn write(&mut self, output: usize, bytes: &[u8]) -> Result<(), String> {
        self.sinks[output].write(bytes).await.map_err(|error| not_stored(&error))
    }

    /// Ends incomplete last lines that were printed or held, because the command may run again.
    pub(super) async fn end_lines(&mut self) {
        for sink in &mut self.sinks {
            // If a newline cannot be stored, it is lost: the item has failed already.
            let _ = sink.end_line().await;
        }
    }

    /// Returns the number of bytes of standard output that were received from the current run.
    pub(super) fn received(&self) -> u64 {
        self.sinks[0].length()
    }

    /// Returns the captured outputs. The capture of an output that was printed line by line is empty.
    pub(super) fn into_captures(self, budget: &Budget) -> [Capture; 2] {
        self.sinks.map(|sink| match sink {
            Sink::Capture(capture) => capture,
            Sink::Lines(_) => Capture::new(budget),
        })
    }
}

fn not_stored(error: &std::io::Error) -> String {
    format!("cannot store its output: {}", io_error::describe(error))
}
