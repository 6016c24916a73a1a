//! The ways in which a process can exit.

use std::future::pending;

use cordial::{Exit, process};

/// One way to exit.
#[derive(Clone, Debug)]
pub(crate) enum ExitKind {
    Returns,
    Panics,
    /// Calls `cordial::exit`.
    Exits(Exit),
    Killed,
    /// Receives a shutdown request without having opted in to graceful shutdown.
    ShutdownRequest,
}

impl ExitKind {
    /// All kinds, with several exits for `Exits`.
    pub(crate) fn all() -> [ExitKind; 7] {
        [
            ExitKind::Returns,
            ExitKind::Panics,
            ExitKind::Exits(error("no disk")),
            ExitKind::Exits(Exit::Normal),
            ExitKind::Exits(Exit::Shutdown(Some("enough".into()))),
            ExitKind::Killed,
            ExitKind::ShutdownRequest,
        ]
    }

    /// Ends the calling process in this way. Returns only for `Returns`.
    pub(crate) async fn perform(self) {
        let own = process::current().expect("called inside a process");
        match self {
            ExitKind::Returns => return,
            ExitKind::Panics => panic!("no luck"),
            ExitKind::Exits(exit) => cordial::exit(exit).await,
            ExitKind::Killed => process::exit(own, Exit::Killed),
            ExitKind::ShutdownRequest => process::exit(own, Exit::Shutdown(None)),
        }
        pending().await
    }

    /// Returns whether a process that ended in this way has this exit.
    pub(crate) fn matches(&self, exit: &Exit) -> bool {
        match self {
            ExitKind::Returns => *exit == Exit::Normal,
            ExitKind::Panics => matches!(exit, Exit::Panic(report) if report.message() == "no luck"),
            ExitKind::Exits(own) => own == exit,
            ExitKind::Killed => *exit == Exit::Killed,
            ExitKind::ShutdownRequest => *exit == Exit::Shutdown(None),
        }
    }

    /// Returns whether the exit is `Normal`, which does not end linked processes.
    pub(crate) fn is_normal(&self) -> bool {
        self.matches(&Exit::Normal)
    }

    /// Returns whether a transient child is restarted after an exit of this kind.
    pub(crate) fn is_abnormal(&self) -> bool {
        match self {
            ExitKind::Returns | ExitKind::ShutdownRequest => false,
            ExitKind::Panics | ExitKind::Killed => true,
            ExitKind::Exits(exit) => exit.is_abnormal(),
        }
    }
}

/// The exit of a process that failed with an error of this text.
pub(crate) fn error(text: &'static str) -> Exit {
    Exit::from(std::io::Error::other(text))
}
