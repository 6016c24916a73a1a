//! `ReplySubject`: where the messages about a job or a call go.

use std::sync::{Mutex, PoisonError};

/// The subject for the acknowledgements of a delivered job, or for the heartbeats of a call. A server that has forgotten a delivery delivers the job
/// again: then the subject of the new delivery takes the place of the old one.
#[derive(Debug)]
pub(crate) struct ReplySubject(Mutex<Option<String>>);

impl ReplySubject {
    pub(crate) fn new(subject: String) -> ReplySubject {
        ReplySubject(Mutex::new(Some(subject)))
    }

    /// Returns the subject. `None` once it was taken.
    pub(crate) fn current(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the subject for the last message.
    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts another subject in the place of this one. Returns `false` if the subject was taken before.
    pub(crate) fn replace(&self, other: &str) -> bool {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(subject) => {
                other.clone_into(subject);
                true
            }
            None => false,
        }
    }
}
