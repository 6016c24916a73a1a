//! The exits of supervisors that exceeded their restart limit. Each is an [`Exit::Shutdown`], but a
//! program that ends with it reports a failure, unlike one that was shut down in an orderly way.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::exit::Exit;

/// The texts of these exits. A text that no exit references any more is removed when the next exit is
/// created. A clone of an exit, such as one that a link or `?` passes on, shares the text of the
/// original. So the address of its text shows whether an exit was created here.
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
