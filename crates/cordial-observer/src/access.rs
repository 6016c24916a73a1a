//! What a client may do.

use crate::view::{ActionKind, Rights};

/// What an authorizer allows the client of one request: see [`Builder::authorize`](crate::Builder::authorize).
///
/// An action also has to be one that the program allows: see [`Builder::allow_actions`](crate::Builder::allow_actions).
///
/// # Examples
///
/// ```
/// use cordial_observer::{Access, ActionKind};
///
/// let operator = Access::read_only().allow(ActionKind::ShutDown).named("operator");
/// # let _ = operator;
/// ```
#[derive(Clone, Debug)]
#[must_use = "an authorizer returns it"]
pub struct Access {
    pub(crate) rights: Option<Rights>,
    pub(crate) name: Option<String>,
}

impl Access {
    /// Refuses the request.
    pub fn denied() -> Access {
        Access { rights: None, name: None }
    }

    /// Allows the client to look, and no action.
    pub fn read_only() -> Access {
        Access { rights: Some(Rights::default()), name: None }
    }

    /// Allows the client to look, and all actions that the program allows.
    pub fn full() -> Access {
        Access { rights: Some(Rights::of(ActionKind::ALL)), name: None }
    }

    /// Allows one kind of action as well. Does nothing if the request is denied.
    pub fn allow(mut self, kind: ActionKind) -> Access {
        if let Some(rights) = &mut self.rights {
            rights.grant(kind);
        }
        self
    }

    /// Names the client in the audit log. The log also records the client's address, except with a mounted observer, which does not know it.
    pub fn named(mut self, name: impl Into<String>) -> Access {
        self.name = Some(name.into());
        self
    }
}
