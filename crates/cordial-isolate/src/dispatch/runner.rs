//! The code of one function, which takes and returns bytes.

use std::fmt;
use std::sync::Arc;

use cordial::{Exit, Task, Timeout};

use super::carried::{Carried, EncodedFuture, Key, TraceContext, scope_others};
use crate::function::Signature;
use crate::unwind::contain;

/// The code of one function, found by [`Functions::find`](crate::Functions::find).
#[derive(Clone)]
pub struct Runner {
    pub(crate) signature: Signature,
    pub(crate) run: Arc<dyn Fn(Vec<u8>) -> EncodedFuture + Send + Sync>,
    pub(crate) travels: Arc<Travels>,
}

/// What travels with calls besides their arguments.
#[derive(Clone, Default)]
pub(crate) struct Travels {
    pub(crate) keys: Vec<Key>,
    pub(crate) trace_context: Option<TraceContext>,
}

impl Runner {
    /// Returns the signature of the function.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// Runs the function on an encoded argument, as a task whose label is the name of the function. The task outputs the
    /// encoded result. If a fallible function returns an `Err`, or the bytes do not decode into an argument, that error is the
    /// exit of the task. The await of the task has no limit, unless [`Task::timeout`] sets one.
    #[track_caller]
    pub fn start(&self, input: Vec<u8>) -> Task<Vec<u8>> {
        self.start_with(input, Carried::default())
    }

    /// Does the same as [`start`](Runner::start), with what the call carries: the function sees the values of the caller, and runs in a
    /// span that belongs to the trace of the caller.
    #[track_caller]
    pub fn start_with(&self, input: Vec<u8>, carried: Carried) -> Task<Vec<u8>> {
        let missing = carried.missing().map(str::to_owned);
        let mut future = (self.run)(input);
        let mut others = Vec::new();
        for (name, value) in carried.values {
            match self.travels.keys.iter().find(|key| key.name == name) {
                Some(key) => future = (key.scope)(value, future),
                None => others.push((name, value)),
            }
        }
        let mut future = scope_others(others, future);
        if let Some(missing) = missing {
            future = Box::pin(async move { Err(Exit::from(missing)) });
        }
        let call = async move {
            match future.await {
                Ok(output) => output,
                Err(exit) => cordial::exit(exit).await,
            }
        };
        let mut builder = Task::builder().label(self.signature.name);
        if let (Some(context), Some(traceparent)) = (&self.travels.trace_context, carried.traceparent)
            && let Some(span) = contain(|| (context.span)(&traceparent))
        {
            builder = builder.span(span);
        }
        builder.spawn(call).timeout(Timeout::Infinity)
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runner({})", self.signature)
    }
}
