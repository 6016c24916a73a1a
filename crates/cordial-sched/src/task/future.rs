//! The type-erased future of a task, and later its output.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The box of a future is kept for the next task if it is not larger than this, in bytes.
const LARGEST_SPARE: usize = 512;

/// Where the output of a task goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputSink {
    /// To the join handle.
    Join,
    /// Nowhere: the output is dropped.
    Discard,
}

/// The box of a future. Holds the future until that is ready, then its output until that is taken.
pub(crate) struct DynFuture(Pin<Box<dyn ErasedCell>>);

/// The operations of a [`FutureCell`] of any type.
trait ErasedCell: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OutputSink>;

    fn sink(&self) -> OutputSink;

    /// Moves the output into `output`, an `Option` of its type.
    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any);

    /// Drops the future or the output.
    fn clear(self: Pin<&mut Self>);

    /// Moves the future in `future`, an `Option`, into this cell. Leaves it there if the cell is for futures of another type.
    fn renew(self: Pin<&mut Self>, sink: OutputSink, future: &mut dyn Any);
}

impl DynFuture {
    // Inlined, because the future may be large, and each call on the way to its box would copy it.
    #[inline(always)]
    pub(crate) fn new<F>(sink: OutputSink, future: F) -> DynFuture
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        DynFuture(Box::pin(FutureCell { sink, stage: Stage::Running { future } }))
    }

    /// Moves `future` into the box of a future that was cleared. Returns false, and leaves `future` there, if the box is for futures of
    /// another type.
    #[inline]
    pub(crate) fn renew<F>(&mut self, sink: OutputSink, future: &mut Option<F>) -> bool
    where
        F: Future + Send + 'static,
    {
        self.0.as_mut().renew(sink, future);
        future.is_none()
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<OutputSink> {
        self.0.as_mut().poll(cx)
    }

    pub(crate) fn sink(&self) -> OutputSink {
        self.0.sink()
    }

    /// Moves the output into `output`. Leaves `output` as it is if the future is not ready, has another output, or the output was taken
    /// before.
    pub(crate) fn take_output<T: 'static>(&mut self, output: &mut Option<T>) {
        self.0.as_mut().take_output(output);
    }

    /// Drops the future or the output.
    pub(crate) fn clear(&mut self) {
        self.0.as_mut().clear();
    }

    /// Returns whether the box, once cleared, is kept for the next task.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        size_of_val(&*self.0) <= LARGEST_SPARE
    }
}

pin_project! {
    struct FutureCell<F: Future> {
        sink: OutputSink,
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjected]
    #[project_replace = StageReplaced]
    enum Stage<F: Future> {
        Running { #[pin] future: F },
        Finished { output: F::Output },
        Consumed,
    }
}

impl<F> ErasedCell for FutureCell<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OutputSink> {
        let mut cell = self.project();
        let StageProjected::Running { future } = cell.stage.as_mut().project() else {
            unreachable!("a task is not queued again once its future is ready")
        };
        let output = std::task::ready!(future.poll(cx));
        cell.stage.project_replace(Stage::Finished { output });
        Poll::Ready(*cell.sink)
    }

    fn sink(&self) -> OutputSink {
        self.sink
    }

    fn take_output(self: Pin<&mut Self>, output: &mut dyn Any) {
        if let Some(place) = output.downcast_mut::<Option<F::Output>>()
            && let StageReplaced::Finished { output } = self.project().stage.project_replace(Stage::Consumed)
        {
            *place = Some(output);
        }
    }

    fn clear(self: Pin<&mut Self>) {
        self.project().stage.set(Stage::Consumed);
    }

    fn renew(self: Pin<&mut Self>, sink: OutputSink, future: &mut dyn Any) {
        if let Some(future) = future.downcast_mut::<Option<F>>().and_then(Option::take) {
            let mut cell = self.project();
            *cell.sink = sink;
            cell.stage.set(Stage::Running { future });
        }
    }
}
