//! A request to do something with a process, and its result.

use serde::{Deserialize, Serialize};

/// The body of `POST /api/actions`, as JSON. The request needs the header `x-cordial-csrf` with the value of
/// [`Overview::csrf`](super::Overview::csrf), unless it is authorized by a bearer token.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionRequest {
    /// What to do.
    pub kind: ActionKind,
    /// The process.
    pub pid: String,
    /// How long a process that has opted in to graceful shutdown gets before it is killed: 5000 by default, at most 60000. The kinds
    /// that kill ignore it.
    #[serde(default)]
    pub grace_ms: Option<u64>,
}

/// What an action does. Each is a right of its own.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Asks the process to shut down, and kills it when the grace time has passed.
    ShutDown,
    /// Kills the process.
    Kill,
    /// Shuts down the process and every process below it in the tree, children first.
    ShutDownSubtree,
    /// Kills the process and every process below it in the tree, children first.
    KillSubtree,
    /// Ends the process of a child, so that its supervisor starts it again.
    Restart,
}

/// The answer to an action that was allowed.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionAnswer {
    /// The result, as a sentence, such as `importer <1.2.3> has shut down`.
    pub result: String,
    /// The result, for programs.
    pub outcome: ActionResult,
    /// Whether every process of the action has ended.
    pub ended: bool,
    /// How many processes have not ended yet.
    pub left: usize,
    /// How long the server waited for the end.
    pub took_ms: u64,
}

/// The result of an action.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    /// Every process of the action has ended.
    Ended,
    /// A process has not ended yet, because it is still in its grace time, or its destructors run.
    Ending,
    /// A process is in a poll that does not return: it ends when the poll returns.
    InPoll,
    /// The process had ended before.
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

    /// Returns its name in the JSON.
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
