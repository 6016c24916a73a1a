//! The connection to the servers, on a thread of its own.
//!
//! ```text
//!  tasks ── requests ───────────────► client of async-nats ◄──► server
//!    ▲ └─── commands ──► thread ──────────┘ lives on the thread
//!    │                    ├ leases and heartbeats, by its own timer
//!    │                    ├ results that are handed over, and cancellations
//!    └───── messages ◄────┴ subscriptions
//! ```
//!
//! The thread runs no user code, except wakers, and the subscriber of `tracing` when a result is handed over or credentials cannot be read. So user
//! code that blocks every worker of the runtime, or every thread of tokio, neither breaks the connection nor loses the lease of a job. This does
//! not hold for a client that the user has connected: that one lives on the user's runtime.

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
pub(crate) use connection::{Connection, HandlerSubscription, Subscription};
pub(crate) use keep_alive::{KeepAliveGuard, KeepAliveKind};
pub(crate) use net_error::NetError;
pub(crate) use open::open;
pub(crate) use permission_errors::PermissionErrors;
pub(crate) use reply_subject::ReplySubject;
pub(crate) use thread::{OutgoingMessage, RequestHandler};
