//! Not a test: the ways in which a process ends.

use std::future::pending;

use cordial::{Exit, process};

/// One way to end.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Returns,
    Panics,
    /// By `cordial::exit`.
    Exits(Exit),
    Killed,
    /// Asked to shut down, without having asked to be told.
    Asked,
}

impl End {
    /// One of each kind.
    pub(crate) fn each() -> [End; 7] {
        [
            End::Returns,
            End::Panics,
            End::Exits(error("no disk")),
            End::Exits(Exit::Normal),
            End::Exits(Exit::Shutdown(Some("enough".into()))),
            End::Killed,
            End::Asked,
        ]
    }

    /// Ends the calling process so; comes back only from `Returns`.
    pub(crate) async fn meet(self) {
        let own = process::current().expect("called inside a process");
        match self {
            End::Returns => return,
            End::Panics => panic!("no luck"),
            End::Exits(exit) => cordial::exit(exit).await,
            End::Killed => process::exit(own, Exit::Killed),
            End::Asked => process::exit(own, Exit::Shutdown(None)),
        }
        pending().await
    }

    /// Whether a process that ended so has this exit.
    pub(crate) fn is(&self, exit: &Exit) -> bool {
        match self {
            End::Returns => *exit == Exit::Normal,
            End::Panics => matches!(exit, Exit::Panic(report) if report.message() == "no luck"),
            End::Exits(own) => own == exit,
            End::Killed => *exit == Exit::Killed,
            End::Asked => *exit == Exit::Shutdown(None),
        }
    }

    /// Whether links pass it on.
    pub(crate) fn is_normal(&self) -> bool {
        self.is(&Exit::Normal)
    }
}

/// The exit of a process that ended with an error of this text.
pub(crate) fn error(text: &'static str) -> Exit {
    Exit::from(std::io::Error::other(text))
}
