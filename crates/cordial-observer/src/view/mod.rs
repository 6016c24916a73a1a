//! The answers of the server: one struct for each, with the fields of the JSON.
//!
//! These types are the contract between the server, the page in `assets/`, and programs that read the endpoints. Durations are
//! in milliseconds (`…_ms`), points in time are milliseconds since the Unix epoch (`…_at_ms`, `at_ms`), rates are per second, and shares
//! are between 0 and 1, except for [`Point::utilization`]. The last interval is the time between the two latest readings of all processes. A pid is
//! the text that [`cordial::Pid`] prints, `"<1.2.3>"`; a place is `"src/main.rs:12:5"`. A field that has no value is `null`, unless its
//! documentation says that it is missing. Fields may be added.
//!
//! Lists have the fields `total` (how many there are), `matched` (how many match the filter), `offset` (the index of the first row)
//! and `rows`. The parameters `offset` and `limit` select rows; `limit` is 100 by default and at most 500.
//!
//! Labels and messages, which come from the program, are cut if they are very long. Only the texts of the audit log are escaped: a reader of the
//! JSON has to escape the others.

mod action;
mod audit;
mod connection;
mod crash;
mod dropped;
mod failure;
mod list;
mod log_line;
mod long_poll;
mod mailbox;
mod overview;
mod point;
mod reference;
mod rights;
mod stream;
mod supervision;
mod task;
mod task_detail;
mod task_set;
mod tick;
mod tree;
mod warning;
mod worker;

pub use action::{ActionAnswer, ActionKind, ActionRequest, ActionResult};
pub use audit::AuditEntry;
pub use connection::Connection;
pub use crash::{Crash, CrashDetail, CrashGroup, Crashes};
pub use dropped::Dropped;
pub use failure::{Ended, Failure};
pub use list::List;
pub use log_line::LogLine;
pub use long_poll::LongPoll;
pub use mailbox::Mailbox;
pub use overview::{Overview, Program, StateCounts, ViewTotals};
pub use point::{Columns, History, Point};
pub use reference::Reference;
pub use rights::Rights;
pub use stream::Stream;
pub use supervision::{Intensity, Supervision};
pub use task::{Kind, Server, State, Task};
pub use task_detail::{Children, DetailColumns, Moment, Peer, PollDuration, TaskDetail};
pub use task_set::TaskSet;
pub use tick::Tick;
pub use tree::{Alike, TreeNode};
pub use warning::{Severity, Warning, WarningKind};
pub use worker::{Worker, WorkerState};
