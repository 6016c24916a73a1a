//! What the server reports about messages and subscriptions of this client, for example a missing permission. Such an error names the subject, but
//! not the request, so a request waits for an error that names its subject.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

/// How many errors are kept. A wait misses an error only if this many others follow it before the wait is polled.
const CAPACITY: usize = 256;

/// The latest errors of a connection.
#[derive(Debug, Default)]
pub(super) struct LatestErrors {
    /// How many errors the server has reported.
    n: usize,
    latest: VecDeque<Arc<str>>,
}

impl LatestErrors {
    pub(super) fn add(&mut self, error: Arc<str>) {
        self.latest.truncate(CAPACITY - 1);
        self.latest.push_front(error);
        self.n += 1;
    }
}

/// The errors that the server reports after this value was created.
#[derive(Debug)]
pub(crate) struct PermissionErrors {
    errors: watch::Receiver<LatestErrors>,
    n_seen: usize,
}

impl PermissionErrors {
    pub(super) fn new(mut errors: watch::Receiver<LatestErrors>) -> PermissionErrors {
        let n_seen = errors.borrow_and_update().n;
        PermissionErrors { errors, n_seen }
    }

    /// Returns an error of the server that names this subject, and that this value has not seen yet.
    pub(crate) async fn next_about(&mut self, subject: &str) -> Arc<str> {
        // The quotes distinguish it from a longer subject that begins with this one.
        let subject = format!("{subject:?}");
        loop {
            if self.errors.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let errors = self.errors.borrow_and_update();
            let n_new = errors.n - std::mem::replace(&mut self.n_seen, errors.n);
            if let Some(error) = errors.latest.iter().take(n_new).find(|error| error.contains(&subject)) {
                return error.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn denied(subject: &str) -> Arc<str> {
        format!("nats: Permissions Violation for Publish to \"{subject}\"").into()
    }

    #[test]
    fn an_error_about_a_longer_subject_is_not_one_about_its_beginning() {
        let (errors, receiver) = watch::channel(LatestErrors::default());
        let mut permission_errors = PermissionErrors::new(receiver);
        errors.send_modify(|errors| errors.add(denied("fleet.call.hash2")));
        assert_eq!(permission_errors.next_about("fleet.call.hash").now_or_never(), None);
        errors.send_modify(|errors| errors.add(denied("fleet.call.hash")));
        let error = permission_errors.next_about("fleet.call.hash").now_or_never();
        assert_eq!(error, Some(denied("fleet.call.hash")));
    }

    #[test]
    fn an_error_is_not_missed_because_others_follow_it_at_once() {
        let (errors, receiver) = watch::channel(LatestErrors::default());
        errors.send_modify(|errors| errors.add(denied("old")));
        let mut permission_errors = PermissionErrors::new(receiver);
        for n in 0..CAPACITY {
            errors.send_modify(|errors| errors.add(denied(&n.to_string())));
        }
        assert_eq!(permission_errors.next_about("0").now_or_never(), Some(denied("0")));
        assert_eq!(permission_errors.next_about("old").now_or_never(), None);
    }
}
