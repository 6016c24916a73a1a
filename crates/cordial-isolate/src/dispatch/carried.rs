//! What travels with a call besides its argument: values of `Inherited` keys, and the trace context.

use std::pin::Pin;
use std::sync::Arc;

use cordial::{Exit, Inherited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::Span;

use crate::codec;

/// The future of a call: the bytes of its result, or the exit that says why there is none.
pub(crate) type EncodedFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, Exit>> + Send>>;

/// What travels with a call besides its argument: see [`Functions::travels`](crate::Functions::travels) and
/// [`Functions::trace_context`](crate::Functions::trace_context). Made by [`Functions::carried`](crate::Functions::carried) at the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The encoded values, by the names of their keys.
    pub(crate) values: Vec<(String, Vec<u8>)>,
    /// The trace context, in the format of W3C.
    pub(crate) traceparent: Option<String>,
    /// Why values that should travel are missing, by the names of their keys. A call with such a reason must not run its function. `Serialize`
    /// skips the reasons, because programs of earlier versions do not expect them there: check [`missing`](Carried::missing) before serializing.
    #[serde(skip)]
    pub(crate) missing: Vec<(String, String)>,
}

/// The values of the current call that belong to no key of the table of functions.
static OTHERS: Inherited<Vec<(String, Vec<u8>)>> = Inherited::new();

/// Returns the bytes that were added to the current call under this name with [`Carried::with`]; `None` if there are none, and outside of a call.
///
/// The function and everything that it spawns see them.
#[must_use]
pub fn carried_value(name: &str) -> Option<Vec<u8>> {
    OTHERS.get()?.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}

impl Carried {
    /// Adds bytes under a name, for a crate that carries calls: the function finds them with [`carried_value`], and the table of functions
    /// needs no key for them. Bytes that were added under this name before are replaced.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial_isolate::dispatch::{Carried, carried_value};
    /// use cordial_isolate::{Function, Functions};
    ///
    /// const NODE: Function<(), Option<Vec<u8>>> = Function::new("node");
    ///
    /// # cordial::run(async {
    /// let functions = Functions::new().add_blocking(NODE, |()| carried_value("my_crate.node"));
    /// let runner = functions.find("node", NODE.signature().fingerprint()).unwrap();
    /// let task = runner.start_with(NODE.encode_input(&()).unwrap(), Carried::default().with("my_crate.node", vec![7]));
    /// assert_eq!(NODE.decode_output(task.await?).unwrap(), Some(vec![7]));
    /// # Ok::<(), cordial::Exit>(())
    /// # }).unwrap().unwrap();
    /// ```
    #[must_use = "the bytes travel with what is returned"]
    pub fn with(mut self, name: impl Into<String>, value: Vec<u8>) -> Carried {
        self.insert(name.into(), value);
        self
    }

    fn insert(&mut self, name: String, value: Vec<u8>) {
        self.remove(&name);
        self.values.push((name, value));
    }

    /// Adds that there is no value under a name, and why.
    pub(crate) fn insert_missing(&mut self, name: String, reason: String) {
        self.remove(&name);
        self.missing.push((name, reason));
    }

    fn remove(&mut self, name: &str) {
        self.values.retain(|(other, _)| other != name);
        self.missing.retain(|(other, _)| other != name);
    }

    /// Adds the values, the reasons and the trace context of `other`. They replace what `self` has under the same name, and its trace context.
    #[cfg_attr(not(any(target_os = "linux", target_os = "macos")), allow(dead_code, reason = "no pool starts here"))]
    pub(crate) fn merge(&mut self, other: Carried) {
        for (name, value) in other.values {
            self.insert(name, value);
        }
        self.traceparent = other.traceparent.or(self.traceparent.take());
        for (name, reason) in other.missing {
            self.insert_missing(name, reason);
        }
    }

    /// Returns why a value that should travel is missing: it cannot be encoded. The call must not be made then, because its function would run
    /// without the value.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        self.missing.first().map(|(_, reason)| &**reason)
    }

    /// Returns whether nothing travels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.traceparent.is_none() && self.missing.is_empty()
    }

    /// Returns the trace context of the caller, in the format of W3C.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Encodes the values and the trace context as bytes, followed by the reasons for [missing](Carried::missing) values, which programs of earlier
    /// versions ignore.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // The serialization of these types does not fail.
        let mut bytes = postcard::to_stdvec(self).unwrap_or_default();
        if !self.missing.is_empty() {
            bytes.extend(postcard::to_stdvec(&self.missing).unwrap_or_default());
        }
        bytes
    }

    /// Decodes the bytes of [`encode`](Carried::encode). Other bytes are not an error: the result is empty, so the call runs, and nothing travels
    /// with it.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Carried {
        let Ok((mut carried, rest)) = postcard::take_from_bytes::<Carried>(bytes) else { return Carried::default() };
        // A program of an earlier version has written nothing there.
        carried.missing = postcard::from_bytes(rest).unwrap_or_default();
        carried
    }
}

/// Runs a future with values that belong to no key of the table of functions.
pub(crate) fn scope_others(values: Vec<(String, Vec<u8>)>, future: EncodedFuture) -> EncodedFuture {
    if values.is_empty() { future } else { Box::pin(OTHERS.scope(values, future)) }
}

/// A key of `Inherited` whose values travel.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Returns the encoded value, or why it cannot be encoded. `None` if no value is in scope.
    pub(crate) get: Arc<dyn Fn() -> Option<Result<Vec<u8>, String>> + Send + Sync>,
    pub(crate) scope: Arc<dyn Fn(Vec<u8>, EncodedFuture) -> EncodedFuture + Send + Sync>,
}

impl Key {
    pub(crate) fn new<T>(name: &'static str, key: &'static Inherited<T>) -> Key
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let missing =
            move |error: codec::CodecError| format!("what travels with the call as {name:?} is missing: {error}");
        let get = move || Some(codec::encode(&*key.get()?).map_err(missing));
        let scope = move |bytes, future: EncodedFuture| -> EncodedFuture {
            // Decoding is user code, which may panic or block, so the process of the call decodes.
            Box::pin(async move {
                match codec::decode::<T>(bytes) {
                    Ok(value) => key.scope(value, future).await,
                    Err(error) => Err(Exit::from(missing(error))),
                }
            })
        };
        Key { name, get: Arc::new(get), scope: Arc::new(scope) }
    }
}

/// How the trace context travels.
#[derive(Clone)]
pub(crate) struct TraceContext {
    pub(crate) current: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    pub(crate) span: Arc<dyn Fn(&str) -> Span + Send + Sync>,
}

#[cfg(test)]
mod tests;
