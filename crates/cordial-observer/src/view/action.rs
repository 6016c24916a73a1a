//! A request to do something with a process, and its result.

use serde::{Deserialize, Serialize};

/// The body of `POST /api/actions`, as JSON. A request without a bearer token needs the header `x-cordial-csrf` with the value of
/// [`Overview::csrf`](super::Overview::csrf).
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionRequest {
    /// What to do.
    pub kind: ActionKind,
    /// The process.
    pub pid: String,
    /// The grace time in milliseconds: a process that has opted in to graceful shutdown and has not ended after this time is killed. 5000 by
    /// default. A number above 60000 counts as 60000. Only [`ActionKind::ShutDown`] and [`ActionKind::ShutDownSubtree`] use the grace time.
    #[serde(default)]
    pub grace_ms: Option<u64>,
}

/// What an action does. The program allows each kind separately.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Asks the process to shut down, and kills it if it has not ended when the grace time has passed.
    ShutDown,
    /// Kills the process.
    Kill,
    /// Shuts down the process and every process below it in the tree, all at the same time; only the children of a supervisor end before it.
    ShutDownSubtree,
    /// Kills the process and every process below it in the tree.
    KillSubtree,
    /// Ends the process of a child, so that its supervisor starts it again.
    Restart,
}

/// The answer to an action that was allowed.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionAnswer {
    /// The result, as a sentence, such as `process <1.2.3> "importer" (spawned at src/main.rs:20:9) did not end when it was asked to, was killed, and
    /// has ended.`
    pub result: String,
    /// The result, for programs.
    pub outcome: ActionResult,
    /// Whether every process that the action was to end has ended.
    pub ended: bool,
    /// How many of the processes that the action was to end have not ended yet.
    pub left: usize,
    /// How long the action has taken until this answer, in milliseconds.
    pub took_ms: u64,
}

/// The result of an action.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    /// Every process that the action was to end has ended.
    Ended,
    /// A process has not ended yet: it was killed and waits for a thread or for its children, or the restart of a child takes longer than 10 s.
    Ending,
    /// A process is in a poll that does not return: it ends when the poll returns.
    InPoll,
    /// There is no process with this pid: it had ended before the action, or the restart has ended it and could not start the child again.
    Gone,
    /// The action is not possible with this process.
    Impossible,
}

impl ActionKind {
    /// Every kind.
    pub const ALL: [ActionKind; 5] = [
        ActionKind::ShutDown,
        ActionKind::Kill,
        ActionKind::ShutDownSubtree,
        ActionKind::KillSubtree,
        ActionKind::Restart,
    ];

    /// Returns the name of the kind in the JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ActionKind::ShutDown => "shut_down",
            ActionKind::Kill => "kill",
            ActionKind::ShutDownSubtree => "shut_down_subtree",
            ActionKind::KillSubtree => "kill_subtree",
            ActionKind::Restart => "restart",
        }
    }
}
