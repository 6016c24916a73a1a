//! Which action is chosen for a process, and what the program has answered. Does no input or output.

use cordial_observer::view::{ActionKind, Rights};
use crossterm::event::KeyCode;

/// The actions, in the order in which they are offered, with what they do.
const ACTIONS: [(ActionKind, &str); 5] = [
    (ActionKind::ShutDown, "shut down: it may clean up, and is killed after its grace time"),
    (ActionKind::Kill, "kill: it ends at its next await"),
    (ActionKind::Restart, "restart: its supervisor starts it again"),
    (ActionKind::ShutDownSubtree, "shut down with all processes below it"),
    (ActionKind::KillSubtree, "kill with all processes below it"),
];

/// A question about one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) pid: String,
    /// The actions that the program allows, with what they do.
    kinds: Vec<(ActionKind, &'static str)>,
    /// The line that is selected. The first line does nothing.
    pub(super) selected: usize,
    pub(super) stage: Stage,
}

/// The state of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Asked,
    /// The program was asked to do this.
    Sent(ActionKind),
    /// The answer of the program, or why it was not asked.
    Answered(Result<String, String>),
}

/// What `top` does after a key about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    None,
    Close,
    Do(ActionKind),
}

/// Returns whether a program allows an action.
fn allows(rights: Rights, kind: ActionKind) -> bool {
    match kind {
        ActionKind::ShutDown => rights.shut_down,
        ActionKind::Kill => rights.kill,
        ActionKind::ShutDownSubtree => rights.shut_down_subtree,
        ActionKind::KillSubtree => rights.kill_subtree,
        ActionKind::Restart => rights.restart,
        _ => false,
    }
}

impl Question {
    pub(super) fn new(pid: String, rights: Rights) -> Question {
        let kinds: Vec<_> = ACTIONS.into_iter().filter(|(kind, _)| allows(rights, *kind)).collect();
        let stage = if kinds.is_empty() {
            let why = "the program allows no actions through its observer (`Builder::allow_actions`)";
            Stage::Answered(Err(why.to_owned()))
        } else {
            Stage::Asked
        };
        Question { pid, kinds, selected: 0, stage }
    }

    /// Returns the lines to select from.
    pub(super) fn lines(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once("do nothing").chain(self.kinds.iter().map(|(_, words)| *words))
    }

    /// Applies a key. Nothing happens to the process before a line is selected and confirmed with Enter.
    pub(super) fn key(&mut self, code: KeyCode) -> Decision {
        match (&self.stage, code) {
            // Esc does not cancel an action that was sent, but its answer is not shown.
            (_, KeyCode::Esc) | (Stage::Answered(_), _) => Decision::Close,
            (Stage::Sent(_), _) => Decision::None,
            (Stage::Asked, KeyCode::Up | KeyCode::Char('k')) => {
                self.selected = self.selected.saturating_sub(1);
                Decision::None
            }
            (Stage::Asked, KeyCode::Down | KeyCode::Char('j')) => {
                self.selected = (self.selected + 1).min(self.kinds.len());
                Decision::None
            }
            (Stage::Asked, KeyCode::Enter) => {
                let Some((kind, _)) = self.selected.checked_sub(1).and_then(|index| self.kinds.get(index)) else {
                    return Decision::Close;
                };
                self.stage = Stage::Sent(*kind);
                Decision::Do(*kind)
            }
            (Stage::Asked, _) => Decision::None,
        }
    }
}
