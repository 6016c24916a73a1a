//! `Task::builder`: options that are set before a task starts.

use std::panic::Location;
use std::sync::Arc;

use tracing::Span;

use super::handle::Task;
use super::start::{spawn_here, start_without_handle};
use crate::pid::Pid;
use crate::process::{Outcome, Spawn, box_if_large};

/// Options of a task that is about to start. Created by [`Task::builder`].
///
/// # Examples
///
/// ```
/// use cordial::Task;
///
/// cordial::testing::run(async {
///     let task = Task::builder().label("import").spawn(async { panic!("no luck") });
///     let exit = task.await.map(|never: ()| never).unwrap_err();
///     assert!(exit.to_string().contains("\"import\""));
/// });
/// ```
#[must_use = "nothing runs before `spawn` or `start`"]
#[derive(Clone, Debug, Default)]
pub struct TaskBuilder {
    label: Option<Arc<str>>,
    span: Option<Span>,
}

impl Task<()> {
    /// Returns options for a task that is about to be started.
    pub fn builder() -> TaskBuilder {
        TaskBuilder::default()
    }
}

impl TaskBuilder {
    /// Sets the label of the process: its events have the label from the `start` event on. If the process instead sets its label with
    /// [`set_label`](crate::process::set_label), the events before that call have none. Default: none.
    pub fn label(self, label: impl Into<Arc<str>>) -> TaskBuilder {
        TaskBuilder { label: Some(label.into()), ..self }
    }

    /// Sets the span of the process: the process is polled in this span, and the event of its end is emitted in it. Default: the span that is
    /// current when the task is started.
    ///
    /// A future may also enter a span by itself, as with `instrument` of `tracing`. The event of a panic is then in that span. The event of
    /// a kill or of an `Err` is not, because it is emitted after the future has left that span, and the library does not know the span.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Task;
    ///
    /// cordial::testing::run(async {
    ///     let span = tracing::info_span!("import", file = "a.csv");
    ///     Task::builder().span(span).start(async { Err::<(), _>("no such file") });
    /// });
    /// ```
    pub fn span(self, span: Span) -> TaskBuilder {
        TaskBuilder { span: Some(span), ..self }
    }

    /// Does the same as [`Task::spawn`], with these options.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut spawn = self.into_spawn(Spawn::new(Location::caller()));
        box_if_large!(future: F => spawn_here(&mut spawn, future))
    }

    /// Does the same as [`Task::spawn_link`], with these options.
    #[track_caller]
    pub fn spawn_link<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut spawn = self.into_spawn(Spawn::new(Location::caller()).linked());
        box_if_large!(future: F => spawn_here(&mut spawn, future))
    }

    /// Does the same as [`Task::start`], with these options.
    #[track_caller]
    pub fn start<F>(self, future: F) -> Pid
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let mut spawn = self.into_spawn(Spawn::new(Location::caller()));
        box_if_large!(future: F => start_without_handle(&mut spawn, future))
    }

    /// Does the same as [`Task::start_link`], with these options.
    #[track_caller]
    pub fn start_link<F>(self, future: F) -> Pid
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        let mut spawn = self.into_spawn(Spawn::new(Location::caller()).linked());
        box_if_large!(future: F => start_without_handle(&mut spawn, future))
    }

    fn into_spawn(self, mut spawn: Spawn) -> Spawn {
        spawn.label = self.label;
        spawn.span = self.span.map(Box::new);
        spawn
    }
}
