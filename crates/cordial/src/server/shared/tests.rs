use std::cell::Cell;

use super::ServerRef;
use crate::exit::Exit;
use crate::process::{NextIncarnation, Serving};
use crate::server::Server;
use crate::testing;

struct Idle;

impl Server for Idle {}

/// Ends the process of a server. The supervisor returns `first` when the server asks for the next incarnation for the first time, and
/// `second` after that. Returns whether the mailbox is closed.
fn is_closed_after(first: NextIncarnation, second: NextIncarnation) -> bool {
    testing::run(async move {
        let server = ServerRef::builder(|| Idle).unlinked().start();
        let n_asked = Cell::new(0);
        let next = || {
            n_asked.set(n_asked.get() + 1);
            if n_asked.get() == 1 { first } else { second }
        };
        server.0.ended(server.pid(), &Exit::Killed, &next);
        server.0.mailbox.is_closed()
    })
}

/// The bug was that the mailbox stayed open although no process followed, so that each call waited until its timeout.
#[test]
fn a_mailbox_is_closed_although_the_decision_not_to_restart_was_made_during_the_end_of_the_process() {
    assert!(is_closed_after(NextIncarnation::Expected, NextIncarnation::Never));
    assert!(is_closed_after(NextIncarnation::Never, NextIncarnation::Never));
    assert!(!is_closed_after(NextIncarnation::Expected, NextIncarnation::Expected));
}
