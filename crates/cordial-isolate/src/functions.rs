//! `Functions`: the functions that a program serves, by name.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::dispatch::{Carried, EncodedFuture, Key, Runner, TraceContext, Travels, Unserved};
use crate::function::{Function, Signature};
use cordial::{Exit, Inherited};
use tracing::Span;

/// The functions that a program serves, by name. Cheap to clone.
///
/// # Examples
///
/// ```
/// use cordial_isolate::{Function, Functions};
///
/// const LENGTH: Function<String, usize> = Function::new("length");
/// const SUM: Function<Vec<u8>, u64> = Function::new("sum");
/// const PARSE: Function<String, u64> = Function::new("parse");
///
/// let functions = Functions::new()
///     .add(LENGTH, |text: String| async move { text.len() })
///     .add_blocking(SUM, |bytes: Vec<u8>| bytes.iter().map(|byte| u64::from(*byte)).sum())
///     .add_fallible(PARSE, |text: String| async move { text.parse::<u64>() });
/// assert_eq!(functions.names().collect::<Vec<_>>(), ["length", "parse", "sum"]);
/// ```
#[derive(Clone, Default)]
#[must_use = "a table does nothing by itself: pass it to `cordial_isolate::main` or to a worker"]
pub struct Functions {
    by_name: Arc<BTreeMap<&'static str, Entry>>,
    travels: Arc<Travels>,
}

#[derive(Clone)]
struct Entry {
    signature: Signature,
    added_at: &'static Location<'static>,
    run: Arc<dyn Fn(Vec<u8>) -> EncodedFuture + Send + Sync>,
}

impl Functions {
    /// Returns an empty table.
    pub fn new() -> Functions {
        Functions::default()
    }

    /// Adds an async function. Its output is the result of the call: if the output is a `Result`, the caller gets that `Result`.
    ///
    /// # Panics
    ///
    /// If a function of this name was added before.
    #[track_caller]
    pub fn add<In, Out, F, Fut>(self, function: Function<In, Out>, f: F) -> Functions
    where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + Send + 'static,
        F: Fn(In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Out> + Send + 'static,
    {
        self.insert(function, move |input| {
            let future = f(input);
            async move { Ok(future.await) }
        })
    }

    /// Adds a function that is not async. It may compute for long, and it may block its thread: it runs in a process of `cordial`, which may do
    /// both.
    ///
    /// # Panics
    ///
    /// If a function of this name was added before.
    #[track_caller]
    pub fn add_blocking<In, Out, F>(self, function: Function<In, Out>, f: F) -> Functions
    where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + Send + 'static,
        F: Fn(In) -> Out + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.insert(function, move |input| {
            let f = f.clone();
            async move { Ok(f(input)) }
        })
    }

    /// Adds an async function that can fail. If it returns `Ok`, the caller gets the value. If it returns `Err`, the caller gets an
    /// [`Exit::Error`] with the text of the error and the texts of its first 20 sources.
    ///
    /// If the error is an [`Exit`], the caller gets that exit. There are exceptions: an [`Exit::Timeout`], [`Exit::Refused`] or
    /// [`Exit::NoProcess`] describes a process in the worker, and an [`Exit::Normal`] is no failure, so the caller gets an [`Exit::Error`]
    /// with the same text instead.
    ///
    /// # Panics
    ///
    /// If a function of this name was added before.
    #[track_caller]
    pub fn add_fallible<In, Out, E, F, Fut>(self, function: Function<In, Out>, f: F) -> Functions
    where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
        F: Fn(In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
    {
        self.insert(function, move |input| {
            let future = f(input);
            async move { future.await.map_err(|error| Exit::from(error.into())) }
        })
    }

    #[track_caller]
    fn insert<In, Out, F, Fut>(mut self, function: Function<In, Out>, f: F) -> Functions
    where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + Send + 'static,
        F: Fn(In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, Exit>> + Send + 'static,
    {
        let signature = function.signature();
        let f = Arc::new(f);
        let run = move |input: Vec<u8>| -> EncodedFuture {
            let f = f.clone();
            Box::pin(async move {
                let failed =
                    |error: codec::CodecError, what| Exit::Error(Arc::new(error.context(signature.name, what)));
                let input = codec::decode::<In>(input).map_err(|error| failed(error, "argument"))?;
                let output = f(input).await?;
                codec::encode_owned(output).map_err(|error| failed(error, "result"))
            })
        };
        let added_at = Location::caller();
        let entry = Entry { signature, added_at, run: Arc::new(run) };
        if let Some(first) = Arc::make_mut(&mut self.by_name).insert(signature.name, entry) {
            panic!(
                "two functions are called {:?}: one was added at {}, the other at {added_at}; give one of them another name",
                signature.name, first.added_at
            );
        }
        self
    }

    /// Lets the values of a key travel: a call carries the value that is in scope at the caller, and the function sees that value. The table of
    /// the caller and the table of the worker must both have the key, under the same name. The values of other keys do not travel. If a
    /// value cannot be encoded or decoded, the call fails, and the function does not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Inherited;
    /// use cordial_isolate::Functions;
    ///
    /// static TENANT: Inherited<String> = Inherited::new();
    ///
    /// let functions = Functions::new().travels("tenant", &TENANT);
    /// # assert_eq!(functions.names().count(), 0);
    /// ```
    ///
    /// # Panics
    ///
    /// If a key of this name was added before.
    #[track_caller]
    pub fn travels<T>(mut self, name: &'static str, key: &'static Inherited<T>) -> Functions
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let travels = Arc::make_mut(&mut self.travels);
        assert!(
            travels.keys.iter().all(|key| key.name != name),
            "two keys are called {name:?}; give one of them another name"
        );
        travels.keys.push(Key::new(name, key));
        self
    }

    /// Lets the trace context travel, in the format of W3C (`traceparent`). At the caller, `current` returns the trace context. At the worker,
    /// `span` gets it, and makes the span in which the function runs. If `span` panics, the function runs without that span. Default: the
    /// trace context does not travel.
    ///
    /// With `tracing-opentelemetry`, write a `current` that injects `Span::current().context()` into a map, and returns the entry `traceparent`
    /// of the map. Write a `span` that extracts a context from that text, and sets the context as the parent of a new span.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial_isolate::Functions;
    ///
    /// let functions = Functions::new().trace_context(
    ///     || Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    ///     |traceparent| tracing::info_span!("call", traceparent),
    /// );
    /// # assert_eq!(functions.names().count(), 0);
    /// ```
    pub fn trace_context(
        mut self,
        current: impl Fn() -> Option<String> + Send + Sync + 'static,
        span: impl Fn(&str) -> Span + Send + Sync + 'static,
    ) -> Functions {
        let context = TraceContext { current: Arc::new(current), span: Arc::new(span) };
        Arc::make_mut(&mut self.travels).trace_context = Some(context);
        self
    }

    /// Returns the values and the trace context that a call of the calling process carries.
    #[must_use]
    pub fn carried(&self) -> Carried {
        let traceparent = self.travels.trace_context.as_ref().and_then(|context| (context.current)());
        let mut carried = Carried { traceparent, ..Carried::default() };
        for key in &self.travels.keys {
            match (key.get)() {
                Some(Ok(bytes)) => carried.values.push((key.name.to_owned(), bytes)),
                Some(Err(missing)) => carried.insert_missing(key.name.to_owned(), missing),
                None => {}
            }
        }
        carried
    }

    /// Returns the names of the functions, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.by_name.keys().copied()
    }

    /// Returns the signatures of the functions, in the alphabetical order of their names.
    pub fn signatures(&self) -> impl Iterator<Item = Signature> + '_ {
        self.by_name.values().map(|entry| entry.signature)
    }

    /// Finds the code of a function by its name and its [fingerprint](Signature::fingerprint), which a call carries.
    ///
    /// # Errors
    ///
    /// If there is no function of this name, or if the types or the version of the function differ.
    pub fn find(&self, name: &str, fingerprint: u64) -> Result<Runner, Unserved> {
        let Some(entry) = self.by_name.get(name) else {
            let known = self.names().map(str::to_owned).collect();
            return Err(Unserved::unknown(name, known));
        };
        if entry.signature.fingerprint() != fingerprint {
            return Err(Unserved::differs(entry.signature));
        }
        Ok(Runner { signature: entry.signature, run: entry.run.clone(), travels: self.travels.clone() })
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
