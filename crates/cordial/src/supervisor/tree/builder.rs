//! The options of a supervisor, and its first children.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::error::StartError;
use crate::supervisor::intensity::RestartLimit;
use crate::supervisor::restart::Restart;
use crate::supervisor::spawn::OwnedBy;
use crate::supervisor::spec::ChildSpec;
use crate::supervisor::strategy::Strategy;

/// Whether a supervisor shuts down when significant children exit: see [`ChildSpec::significant`].
///
/// An automatic shutdown stops the remaining children. The exit of the supervisor is
/// [`Exit::Shutdown`](crate::Exit::Shutdown) without a text. The process that started the
/// supervisor ends with the same exit, unless it traps exits or the supervisor is
/// [`unlinked`](SupervisorBuilder::unlinked); if that process is the root of a program, the program
/// exits with status 0.
///
/// For each child that has to be killed or abandoned, the event `forced` is emitted.
/// [`Supervisor::stop`](crate::Supervisor::stop) returns the report of these children even after the exit of the
/// supervisor.
///
/// # Elixir
///
/// The option `:auto_shutdown`. There too, a child that has to be killed is logged as an error (`shutdown_error`), and
/// the exit is `:shutdown` nevertheless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// Never. The supervisor may not have significant children. The default.
    #[default]
    Never,
    /// When one significant child has exited.
    AnySignificant,
    /// When no significant child is running any more. A child that waits for its restart, or has not been started yet, counts as
    /// running.
    AllSignificant,
}

/// The options of a [`Supervisor`](crate::Supervisor), and its children in start order. Created by
/// [`Supervisor::builder`](crate::Supervisor::builder).
#[must_use = "nothing runs before `start`"]
#[derive(Debug)]
pub struct SupervisorBuilder {
    pub(super) strategy: Strategy,
    pub(super) label: Option<Arc<str>>,
    pub(super) limit: RestartLimit,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children: Vec<ChildSpec>,
    pub(super) owned_by: OwnedBy,
    pub(super) spawned_at: &'static Location<'static>,
}

impl SupervisorBuilder {
    #[track_caller]
    pub(super) fn new(strategy: Strategy) -> SupervisorBuilder {
        SupervisorBuilder {
            strategy,
            label: None,
            limit: RestartLimit::default(),
            auto_shutdown: AutoShutdown::Never,
            children: Vec::new(),
            owned_by: OwnedBy::Caller,
            spawned_at: Location::caller(),
        }
    }

    /// Sets the label, which reports, events and snapshots show. Default: no label, or the id if the supervisor is a
    /// child.
    pub fn label(self, label: impl Into<Arc<str>>) -> SupervisorBuilder {
        SupervisorBuilder { label: Some(label.into()), ..self }
    }

    /// Sets the restart intensity: the supervisor gives up when its children would need more than `max_restarts`
    /// restarts within `window`. Default: 3 within 5 s. Restarts of children with a
    /// [`backoff`](crate::ChildSpec::backoff) are not counted.
    ///
    /// A restart of several children counts once. With 0, the first restart is already too many.
    ///
    /// # Panics
    ///
    /// If `window` is zero, since earlier restarts would never count.
    #[track_caller]
    pub fn max_restarts(self, max_restarts: usize, window: Duration) -> SupervisorBuilder {
        SupervisorBuilder { limit: RestartLimit::new(max_restarts, window), ..self }
    }

    /// Sets whether the supervisor shuts down when significant children exit. Default: [`AutoShutdown::Never`].
    pub fn auto_shutdown(self, auto_shutdown: AutoShutdown) -> SupervisorBuilder {
        SupervisorBuilder { auto_shutdown, ..self }
    }

    /// Adds a child after all others.
    pub fn child(mut self, child: ChildSpec) -> SupervisorBuilder {
        self.children.push(child);
        self
    }

    /// Makes the supervisor belong to the runtime instead of the process that starts it. The supervisor runs until it is stopped,
    /// gives up, or shuts down automatically, or until the runtime shuts down.
    pub fn unlinked(self) -> SupervisorBuilder {
        SupervisorBuilder { owned_by: OwnedBy::Runtime, ..self }
    }

    /// Checks what the types cannot: the ids and the significant children.
    pub(super) fn check(&self) -> Result<(), StartError> {
        // A map and not a set, because `BTreeMap` is compiled for these types anyway.
        let mut ids: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for child in &self.children {
            check_significance(child, self.auto_shutdown)?;
            if ids.insert(child.id.clone(), 0).is_some() {
                return Err(StartError::DuplicateId(child.id.clone()));
            }
        }
        Ok(())
    }
}

/// Refuses a significant child if it is permanent, or if its supervisor never shuts down
/// automatically.
pub(super) fn check_significance(child: &ChildSpec, auto_shutdown: AutoShutdown) -> Result<(), StartError> {
    match (child.is_significant, child.restart, auto_shutdown) {
        (true, Restart::Permanent, _) => Err(StartError::SignificantPermanent(child.id.clone())),
        (true, _, AutoShutdown::Never) => Err(StartError::SignificantNever(child.id.clone())),
        _ => Ok(()),
    }
}
