//! Functions on other machines, over [NATS JetStream](https://docs.nats.io): calls, and jobs that survive a crash of their submitter, of a
//! worker or of the server.
//!
//! ```no_run
//! use cordial::{Strategy, Supervisor};
//! use cordial_isolate::{Function, Functions};
//! use cordial_nats::Cluster;
//!
//! const LENGTH: Function<String, usize> = Function::new("length");
//!
//! // On each machine that works:
//! async fn work(cluster: &Cluster) -> Result<Supervisor, cordial::StartError> {
//!     let functions = Functions::new().add(LENGTH, |text: String| async move { text.len() });
//!     let worker = cluster.worker(functions).group("texts").slots(8);
//!     Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await
//! }
//!
//! // In a program that has work for them:
//! async fn ask(cluster: &Cluster) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     let length: usize = cluster.call(LENGTH, "now".to_owned()).await?;
//!     let job = cluster.submit(LENGTH, "whatever happens".to_owned()).group("texts").key("text-7").await?;
//!     println!("{length}, {}", job.await?);
//!     Ok(())
//! }
//! ```
//!
//! The *submitter* is the program that calls or submits. A *node* is a running worker, under the name of its program ([`Node`]).
//!
//! | | `call` | `submit` |
//! |---|---|---|
//! | runs | at most once | at least once, unless it is cancelled; again only if its lease ran out, its run failed, or its worker stopped |
//! | results | one | the first one wins, and every await returns it |
//! | no worker serves it | an error at once | waits in its stream |
//! | the node dies | [`Exit::Lost`](cordial::Exit::Lost) within 3 s | runs elsewhere after at most its lease of 10 s |
//! | the node is shut down | finishes within the grace time, or is an `Exit::Lost` | finishes within the grace time, or is given back at once after it |
//! | the submitter dies | the call is killed | runs; attach to its id |
//! | the server restarts | the outcome, if the submitter reconnects within 2.5 s, the worker within 3 s after it, and the function ends after both; otherwise `Exit::Lost` | runs; what was accepted and is on the disk is kept |
//! | order | none | none |
//!
//! This crate implements no consensus, no membership and no storage: JetStream provides the queue, the leases, the storage and the
//! replication. The page `docs/fleet.md` of the repository says what production needs and which permissions each role needs. A worker is
//! not a sandbox: a client that may publish to a group may run its functions.
//!
//! # The protocol
//!
//! ```text
//!  submitter                          server                                 worker
//!     │                                 │◄─ pull: one job per free slot ──────────┤   pull consumer, shared by the group
//!     ├─ job, message id ──────────────►│ work-queue stream, discards new         │
//!     │◄─ acknowledged ─────────────────┤                                         │
//!     │                                 ├─ job, number of deliveries ────────────►│   a lease of 10 s (ack_wait) begins
//!     │                                 │◄─ claim: attempt 1 begins ──────────────┤   one message per subject
//!     │                                 ├─ acknowledged ─────────────────────────►│
//!     │                                 │◄─ +WPI, each 3.3 s, confirmed ──────────┤   from a thread of its own
//!     │                                 │◄─ claim again, each quarter of its age ─┤   so that it does not expire before the run ends
//!     │                                 │                                         │   the function runs
//!     │                                 │◄─ result ───────────────────────────────┤   one message per subject: a second is refused
//!     │◄─ result, published again ──────┤                                         │   republish
//!     │                                 ├─ acknowledged ─────────────────────────►│
//!     │                                 │◄─ +ACK: the job leaves its stream ──────┤
//! ```
//!
//! After a failed attempt, the worker gives the job back with `-NAK` and a delay. If the last attempt that the submitter allows fails, or the
//! worker does not serve the function, the job goes to the stream of dead letters, with what is known of its attempts, and its result says so.
//! If a worker dies between the result and `+ACK`, the job is delivered again, and the worker that gets it finds the result.
//!
//! | state of a job | where it is |
//! |---|---|
//! | waits | in its stream, not delivered, or given back with a delay that is not over |
//! | runs | in its stream, delivered, with a lease |
//! | done, dead or cancelled | its result is in the stream of results; the job is removed |
//! | dead | also in the stream of dead letters |
//!
//! # Events
//!
//! Events of target `cordial::fleet`: `dead_letter`, `lease_lost`, `server_unavailable`, `stream_unusable`, `result_not_kept`, `dead_letter_not_kept`,
//! `attempt_not_claimed`, `result_unknown`, `pool_unavailable`, `not_a_job` and `credentials_unreadable` at level warn; `attempt_failed`, `result_refused`, `pull_lost`,
//! `record_not_kept`, `left_to_earlier_run` and `worker_stops` at level debug.

mod attempt;
mod call;
mod cancel_on_drop;
mod cluster;
mod connect_error;
mod dead_letters;
mod failure;
mod job;
mod names;
mod net;
mod nodes;
mod objects;
mod options;
mod pieces;
mod stream;
mod streams;
mod submit;
mod submit_error;
mod unknown_job;
mod unwind;
mod waiters;
mod wire;
mod worker;

pub use attempt::{Attempt, attempt};
pub use cluster::Cluster;
pub use connect_error::ConnectError;
pub use dead_letters::{AttemptRecord, DeadLetter};
pub use job::Job;
pub use names::{InvalidName, JobId};
pub use nodes::Node;
pub use objects::{ObjectReader, ObjectWriter};
pub use options::Options;
pub use pieces::{Piece, PieceWatch};
pub use stream::{FleetResults, FleetStream};
pub use submit::Submit;
pub use submit_error::SubmitError;
pub use unknown_job::UnknownJob;
pub use worker::Worker;

/// The programs in the pages, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../../docs/fleet.md")]
struct Pages;
