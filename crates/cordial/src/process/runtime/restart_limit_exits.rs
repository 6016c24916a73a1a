//! The exits of supervisors that exceeded their restart limit: each is a `Shutdown`, but not an
//! orderly end of a program.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::exit::Exit;

/// The texts of these exits, as far as they are still referenced. An exit that is passed on, over
/// links or by `?`, keeps the same `Arc`, and is recognized by the address of its text.
#[derive(Debug, Default)]
pub(crate) struct RestartLimitExits(Mutex<Vec<Weak<str>>>);

impl RestartLimitExits {
    /// Creates the exit of a supervisor that exceeded its restart limit. The text names the child and the reason.
    pub(crate) fn exit(&self, text: String) -> Exit {
        let text: Arc<str> = text.into();
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|text| text.strong_count() > 0);
        texts.push(Arc::downgrade(&text));
        Exit::Shutdown(Some(text))
    }

    /// Returns whether `exit` was created here.
    pub(crate) fn contains(&self, exit: &Exit) -> bool {
        let Exit::Shutdown(Some(text)) = exit else { return false };
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(text)))
    }
}
