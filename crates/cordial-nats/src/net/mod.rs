//! The connection to the servers, on a thread of its own.
//!
//! ```text
//!  tasks ── publish ────────────────────► client of async-nats ◄──► server
//!    ▲ │                                    ▲
//!    │ └─── commands, futures ──► thread ───┘
//!    │                              ├ requests, and the waits for their answers
//!    │                              ├ leases and heartbeats, by its own timer
//!    │                              ├ results that are handed over, and cancellations
//!    └───── messages ◄──────────────┴ subscriptions
//! ```
//!
//! The client reads and writes its socket on this thread. The only user code that runs on the thread is wakers, and the subscriber of `tracing`. The
//! subscriber gets the events of async-nats there, and those of this crate about results that are handed over and credentials that cannot be read. So
//! user code that blocks every worker of the runtime, or every thread of tokio, neither breaks the connection nor loses the lease of a job.
//!
//! A client that the user has connected uses its socket on the user's runtime instead, and is not protected from such code.

mod api;
mod cancellation;
mod connection;
mod credentials;
mod keep_alive;
mod net_error;
mod open;
mod permission_errors;
mod reply_subject;
mod thread;

pub(crate) use api::{
    API_LIMIT, ApiReply, StoredMessage, TRY_LIMIT, direct_get, direct_get_next, publish_to_stream, request_api,
    request_api_within, with_tries,
};
pub(crate) use cancellation::{CancelReason, CancellationToken};
pub(crate) use connection::{Connection, HandlerSubscription, RECONNECT_LIMIT, Subscription};
pub(crate) use keep_alive::{KeepAliveGuard, KeepAliveKind};
pub(crate) use net_error::NetError;
pub(crate) use open::open;
pub(crate) use permission_errors::PermissionErrors;
pub(crate) use reply_subject::ReplySubject;
pub(crate) use thread::{OutgoingMessage, RequestHandler};
