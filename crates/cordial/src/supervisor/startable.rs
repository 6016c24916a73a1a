//! What can be the child that is a supervisor.

use super::nested::{ChildOf, Launched};
use crate::error::StartError;

/// The options of a supervisor, for [`ChildSpec::supervisor`](crate::ChildSpec::supervisor).
///
/// Sealed: it cannot be implemented outside this crate.
pub trait Startable: sealed::Sealed {
    /// Starts it as a child.
    #[doc(hidden)]
    fn launch(self, child_of: ChildOf) -> Result<Launched, StartError>;
}

#[expect(unnameable_types, reason = "that is what seals the trait")]
pub(super) mod sealed {
    /// Keeps `Startable` to this crate.
    pub trait Sealed {}
}
