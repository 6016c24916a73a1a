//! What a client may do.

use serde::{Deserialize, Serialize};

use super::ActionKind;

/// The actions that a client may request. All are false unless the program has allowed actions.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is documented by the variant of `ActionKind` with its name")]
pub struct Rights {
    pub shut_down: bool,
    pub kill: bool,
    pub shut_down_subtree: bool,
    pub kill_subtree: bool,
    pub restart: bool,
}

impl Rights {
    pub(crate) fn of(kinds: impl IntoIterator<Item = ActionKind>) -> Rights {
        let mut rights = Rights::default();
        kinds.into_iter().for_each(|kind| rights.grant(kind));
        rights
    }

    pub(crate) fn grant(&mut self, kind: ActionKind) {
        *self.field(kind) = true;
    }

    pub(crate) fn allows(mut self, kind: ActionKind) -> bool {
        *self.field(kind)
    }

    /// Returns the actions that both allow.
    pub(crate) fn and(self, other: Rights) -> Rights {
        Rights::of(ActionKind::ALL.into_iter().filter(|kind| self.allows(*kind) && other.allows(*kind)))
    }

    fn field(&mut self, kind: ActionKind) -> &mut bool {
        match kind {
            ActionKind::ShutDown => &mut self.shut_down,
            ActionKind::Kill => &mut self.kill,
            ActionKind::ShutDownSubtree => &mut self.shut_down_subtree,
            ActionKind::KillSubtree => &mut self.kill_subtree,
            ActionKind::Restart => &mut self.restart,
        }
    }
}
