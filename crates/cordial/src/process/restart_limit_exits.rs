//! Exits that tell of a supervisor that gave up: each is a `Shutdown`, and yet no orderly end of a program.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::exit::Exit;

/// The texts of those exits that somebody still has. An exit that travels, over links or by `?`, keeps its text, and by that
/// it is known: not by what the text says.
#[derive(Debug, Default)]
pub(crate) struct RestartLimitExits(Mutex<Vec<Weak<str>>>);

impl RestartLimitExits {
    /// The exit of a supervisor that gives up. The text says on whom, and why.
    pub(crate) fn exit(&self, text: String) -> Exit {
        let text: Arc<str> = text.into();
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|text| text.strong_count() > 0);
        texts.push(Arc::downgrade(&text));
        Exit::Shutdown(Some(text))
    }

    /// Whether this exit is one of those.
    pub(crate) fn has(&self, exit: &Exit) -> bool {
        let Exit::Shutdown(Some(text)) = exit else { return false };
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(text)))
    }
}
