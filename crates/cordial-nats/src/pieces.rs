//! Results that are larger than a message: a job keeps them in pieces, and its submitter reads them while the job runs, or after the result.
//!
//! A piece is a message of the stream of results, on a subject below that of the attempts of its job. So a piece expires when results do.

use async_nats::HeaderMap;
use bytes::Bytes;

use crate::cluster::Cluster;
use crate::connect_error::ConnectError;
use crate::names::{JobId, Subjects};
use crate::net::{Subscription, TRY_LIMIT, publish_to_stream, with_tries};
use crate::streams::{find_message, refused};

/// How many messages may wait for a reader that is slower than the job. Further ones are dropped; their pieces can be read from the stream.
const WATCHED_PIECES: usize = 8;

/// A piece of the result of a job, seen when it was sent. Returned by [`PieceWatch::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// The number of the attempt that has sent it.
    pub attempt: u32,
    /// The number that the job has chosen.
    pub number: u32,
    /// Its bytes.
    pub bytes: Bytes,
}

/// The pieces of a job while it runs. Returned by [`Cluster::watch_pieces`]. Dropping it ends the subscription.
#[derive(Debug)]
pub struct PieceWatch {
    subscription: Subscription,
}

impl PieceWatch {
    /// Returns the next piece. Pieces are left out if the connection was broken, if the job had sent them before the watch
    /// began, or if the caller is slower than the job: [`Cluster::piece`] returns those. A piece that was sent again is returned again. `None`
    /// after the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            let message = self.subscription.next().await?;
            let last = message.subject.as_str().rsplit('.').next().unwrap_or_default();
            // A last token without a `-` belongs to the record of a failed attempt, and one without a number after the `-` to a claim.
            let Some((attempt, number)) = last.split_once('-') else { continue };
            if let (Ok(attempt), Ok(number)) = (attempt.parse(), number.parse()) {
                return Some(Piece { attempt, number, bytes: message.payload });
            }
        }
    }
}

impl Cluster {
    /// Watches the pieces that a job sends from now on. The watch sees every piece that this connection sends after the call, and may miss
    /// one that another connection sends at the same time.
    ///
    /// # Errors
    ///
    /// If the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn watch_pieces(&self, job: &JobId) -> Result<PieceWatch, ConnectError> {
        let shared = &self.shared;
        let subject = shared.subjects.attempts(job);
        let subscription = shared.connection.subscribe_with_capacity(subject, None, WATCHED_PIECES).await;
        subscription
            .map(|subscription| PieceWatch { subscription })
            .map_err(|error| refused("watch the pieces of a result", error))
    }

    /// Keeps a piece of the result of a job, for its submitter. Take `job` from [`attempt()`](crate::attempt()). The
    /// argument `attempt` is the number of the attempt, or another number that is different for each run of the job. The caller chooses
    /// `number`. A piece may be as large as a message, by default 1 MiB with its headers; pieces of 256 KiB suit most servers. Of two
    /// pieces with the same attempt and number, the first stays.
    ///
    /// # Errors
    ///
    /// If the server has not kept the piece within about a minute, after several tries; at once if the piece is too large, the stream is full,
    /// or the login has no permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the piece may have been kept.
    pub async fn keep_piece(&self, job: &JobId, attempt: u32, number: u32, bytes: Bytes) -> Result<(), ConnectError> {
        let shared = &self.shared;
        let subject = subject(&shared.subjects, job, attempt, number);
        let send = || publish_to_stream(&shared.connection, &subject, HeaderMap::new(), bytes.clone(), TRY_LIMIT);
        match with_tries(send).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_second_of_subject() => Ok(()),
            Err(error) => Err(refused(&format!("keep a piece of the result of the job {job}"), error)),
        }
    }

    /// Returns a piece of the result of a job, or `None` if there is none with these numbers.
    ///
    /// # Errors
    ///
    /// If the server has not answered within about a minute, after several tries; at once if the login has no permission.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn piece(&self, job: &JobId, attempt: u32, number: u32) -> Result<Option<Bytes>, ConnectError> {
        let shared = &self.shared;
        let subject = subject(&shared.subjects, job, attempt, number);
        let stream = shared.subjects.results_stream();
        let piece = with_tries(|| find_message(&shared.connection, &stream, &subject, TRY_LIMIT)).await;
        piece
            .map(|piece| piece.map(|piece| piece.payload))
            .map_err(|error| refused(&format!("read a piece of the result of the job {job}"), error))
    }
}

fn subject(subjects: &Subjects, job: &JobId, attempt: u32, number: u32) -> String {
    format!("{}-{number}", subjects.attempt(job, attempt))
}
