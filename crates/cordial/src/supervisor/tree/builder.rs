//! Options of a supervisor, and its first children.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::handle::Supervisor;
use super::live::Live;
use crate::error::StartError;
use crate::exit::Refusal;
use crate::process::current_runtime;
use crate::supervisor::Belongs;
use crate::supervisor::intensity::Limits;
use crate::supervisor::nested::{ChildOf, Launched};
use crate::supervisor::order::Strategy;
use crate::supervisor::spec::{ChildSpec, Restart};
use crate::supervisor::startable::{Startable, sealed};

/// Whether a supervisor ends when significant children have: see [`ChildSpec::significant`].
///
/// It stops its other children, and its exit is [`Exit::Shutdown`](crate::Exit::Shutdown) without a text. The process that
/// started it ends with that too, unless it traps exits or the supervisor is [`unlinked`](SupervisorBuilder::unlinked): as
/// the root of a program, with the status 0.
///
/// Children that did not end when they were asked are told as `forced` events, and in the report of
/// [`Supervisor::stop`](crate::Supervisor::stop), which can be asked for after the end.
///
/// # Elixir
///
/// The option `:auto_shutdown`. There as well, a child that has to be killed is an error in the log (`shutdown_error`), and
/// the exit is `:shutdown` all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// It does not, and may have no significant children. The default.
    #[default]
    Never,
    /// When one of them has.
    AnySignificant,
    /// When the last of them that ran has. One that waits for its restart counts as running.
    AllSignificant,
}

/// Options of a [`Supervisor`], and its children in start order. Made by [`Supervisor::builder`].
#[must_use = "nothing runs before `start`"]
#[derive(Debug)]
pub struct SupervisorBuilder {
    pub(super) strategy: Strategy,
    pub(super) label: Option<Arc<str>>,
    pub(super) limits: Limits,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children: Vec<ChildSpec>,
    pub(super) belongs: Belongs,
    pub(super) spawned_at: &'static Location<'static>,
}

impl SupervisorBuilder {
    #[track_caller]
    pub(super) fn new(strategy: Strategy) -> SupervisorBuilder {
        SupervisorBuilder {
            strategy,
            label: None,
            limits: Limits::default(),
            auto_shutdown: AutoShutdown::Never,
            children: Vec::new(),
            belongs: Belongs::ToStarter,
            spawned_at: Location::caller(),
        }
    }

    /// Gives it a label, which reports, events and snapshots show. Default: none; a child's is its id.
    pub fn label(self, label: impl Into<Arc<str>>) -> SupervisorBuilder {
        SupervisorBuilder { label: Some(label.into()), ..self }
    }

    /// Sets how many restarts, of all children together, are allowed within which time. With one more the supervisor gives
    /// up. Default: 3 within 5 s. A restart of several children is one; with 0 the first is too many. A window of zero
    /// is refused by [`start`](SupervisorBuilder::start).
    pub fn max_restarts(self, max_restarts: usize, window: Duration) -> SupervisorBuilder {
        SupervisorBuilder { limits: Limits { max_restarts, window }, ..self }
    }

    /// Sets whether it ends when significant children have. Default: [`AutoShutdown::Never`].
    pub fn auto_shutdown(self, auto_shutdown: AutoShutdown) -> SupervisorBuilder {
        SupervisorBuilder { auto_shutdown, ..self }
    }

    /// Adds a child, after those that are there already.
    pub fn child(mut self, child: ChildSpec) -> SupervisorBuilder {
        self.children.push(child);
        self
    }

    /// Makes it belong to the runtime, and not to the process that starts it: it ends when it is stopped, gives up, or with
    /// the runtime.
    pub fn unlinked(self) -> SupervisorBuilder {
        SupervisorBuilder { belongs: Belongs::ToRuntime, ..self }
    }

    /// Starts it and its children, one after the other, each when the one before has started. If one fails to, those that
    /// have started are stopped in reverse order, and the supervisor ends.
    ///
    /// It belongs to the process that awaits this: when that ends, for whatever reason, it stops its children in reverse
    /// order and ends; when it gives up, or shuts down because significant children have ended, that process ends too, unless
    /// it traps exits. If a process has several supervisors, they end latest first.
    ///
    /// # Errors
    ///
    /// [`StartError::Child`] names the child that failed and why. [`StartError::DuplicateId`],
    /// [`StartError::SignificantPermanent`], [`StartError::SignificantNever`] and [`StartError::ZeroWindow`]: nothing was
    /// started. [`StartError::AlreadySupervised`]: a child was handed to another tree before.
    /// [`StartError::Refused`]: the runtime was shut down, or the supervisor was told to end meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future while it waits stops what has started, in reverse order.
    ///
    /// # Elixir
    ///
    /// `Supervisor.start_link/2`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::{ChildSpec, StartError, Strategy, Supervisor};
    ///
    /// cordial::testing::run(async {
    ///     let twice = || ChildSpec::task("twin", || async {});
    ///     let started = Supervisor::builder(Strategy::OneForOne).child(twice()).child(twice()).start().await;
    ///     assert_eq!(started.unwrap_err(), StartError::DuplicateId("twin".into()));
    /// });
    /// ```
    pub async fn start(self) -> Result<Supervisor, StartError> {
        self.check()?;
        let started = Live::start(&current_runtime(), self, None)?;
        match started.is_ready.await {
            Ok(Ok(fresh)) => {
                fresh.take();
                Ok(Supervisor::new(started.live))
            }
            Ok(Err(error)) => Err(error),
            Err(_ended) => Err(StartError::Refused(Refusal::SupervisorStopped)),
        }
    }

    fn check(&self) -> Result<(), StartError> {
        if self.limits.window.is_zero() {
            return Err(StartError::ZeroWindow);
        }
        let mut ids = BTreeSet::new();
        for child in &self.children {
            check_significance(child, self.auto_shutdown)?;
            if !ids.insert(child.id.clone()) {
                return Err(StartError::DuplicateId(child.id.clone()));
            }
        }
        Ok(())
    }
}

/// A significant child has to be able to end, and its supervisor to notice.
pub(super) fn check_significance(child: &ChildSpec, auto_shutdown: AutoShutdown) -> Result<(), StartError> {
    match (child.is_significant, child.restart, auto_shutdown) {
        (true, Restart::Permanent, _) => Err(StartError::SignificantPermanent(child.id.clone())),
        (true, _, AutoShutdown::Never) => Err(StartError::SignificantNever(child.id.clone())),
        _ => Ok(()),
    }
}

impl sealed::Sealed for SupervisorBuilder {}

impl Startable for SupervisorBuilder {
    fn launch(mut self, child_of: ChildOf) -> Result<Launched, StartError> {
        self.check()?;
        let ChildOf { runtime, id, place, .. } = child_of;
        self.label.get_or_insert(id);
        let started = Live::start(&runtime, self, Some(place))?;
        Ok(Launched { pid: started.pid, is_ready: Some(started.is_ready), report: started.report })
    }
}
