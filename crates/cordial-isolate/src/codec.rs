//! Encodes arguments and results as bytes, in the format of postcard. A `Vec<u8>` is its own encoding.

mod stack;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::mem;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stack::{MAX_STACK, Reader, Writer};

/// Why a value cannot be turned into bytes, or bytes into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError {
    function: &'static str,
    what: &'static str,
    reason: CodecReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CodecReason {
    Postcard(postcard::Error),
    /// This many bytes are left over.
    Trailing(usize),
    /// The stack would overflow.
    TooDeep,
}

impl CodecError {
    /// Adds what was encoded or decoded.
    pub(crate) fn context(self, function: &'static str, what: &'static str) -> CodecError {
        CodecError { function, what, ..self }
    }
}

impl From<CodecReason> for CodecError {
    fn from(reason: CodecReason) -> CodecError {
        CodecError { function: "", what: "value", reason }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CodecError { function, what, reason } = self;
        match *function {
            "" => write!(f, "the {what} cannot be encoded or decoded: "),
            function => write!(f, "the {what} of the function {function:?} cannot be encoded or decoded: "),
        }?;
        match reason {
            // The format drops the text of this error.
            CodecReason::Postcard(postcard::Error::SerdeSerCustom) => {
                return f.write_str("its `Serialize` has returned an error, as for a path that is not UTF-8");
            }
            CodecReason::TooDeep => {
                return write!(
                    f,
                    "it is nested so deeply that this would take more than {} KiB of stack; flatten it, for example into a list of nodes that name each other by index, or pass it as bytes",
                    MAX_STACK >> 10
                );
            }
            CodecReason::Postcard(error) => write!(f, "{error}"),
            CodecReason::Trailing(bytes) => write!(f, "{bytes} bytes are left over"),
        }?;
        f.write_str("; caller and worker need the same types, and types that do not use `tag`, `untagged`, `flatten` or `skip_serializing_if` of serde, because the bytes (postcard) do not say which fields and types they contain")
    }
}

impl std::error::Error for CodecError {}

/// Encodes a value. A `Vec<u8>` is only cloned, because serde would serialize it byte by byte.
pub(crate) fn encode<T: Serialize + 'static>(value: &T) -> Result<Vec<u8>, CodecError> {
    match (value as &dyn Any).downcast_ref::<Vec<u8>>() {
        Some(bytes) => Ok(bytes.clone()),
        None => {
            let mut serializer = postcard::Serializer { output: Writer::new() };
            let result = value.serialize(&mut serializer);
            let Writer { bytes, is_too_deep, .. } = serializer.output;
            match result {
                Ok(()) => Ok(bytes),
                Err(_) if is_too_deep => Err(CodecReason::TooDeep.into()),
                Err(error) => Err(CodecReason::Postcard(error).into()),
            }
        }
    }
}

/// Does the same as [`encode`], but moves a `Vec<u8>` instead of cloning it.
pub(crate) fn encode_owned<T: Serialize + 'static>(value: T) -> Result<Vec<u8>, CodecError> {
    let mut value = Some(value);
    if let Some(bytes) = (&mut value as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
        return Ok(bytes.take().expect("it was put there two lines above"));
    }
    let encoded = encode(value.as_ref().expect("only a `Vec<u8>` is taken"));
    if encoded.as_ref().is_err_and(|error| error.reason == CodecReason::TooDeep) {
        // The destructor of the value also calls itself for each level, and might overflow the stack.
        mem::forget(value);
    }
    encoded
}

/// Decodes what [`encode`] has returned.
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: Vec<u8>) -> Result<T, CodecError> {
    let mut value = None::<T>;
    if let Some(place) = (&mut value as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
        *place = Some(bytes);
        return Ok(value.expect("`T` is `Vec<u8>`, so its place was filled"));
    }
    let is_too_deep = Cell::new(false);
    let mut deserializer = postcard::Deserializer::from_flavor(Reader::new(&bytes, &is_too_deep));
    let value = T::deserialize(&mut deserializer).map_err(|error| match is_too_deep.get() {
        true => CodecReason::TooDeep,
        false => CodecReason::Postcard(error),
    })?;
    let rest = deserializer.finalize().map_err(CodecReason::Postcard)?;
    if rest.is_empty() { Ok(value) } else { Err(CodecReason::Trailing(rest.len()).into()) }
}

#[cfg(test)]
mod tests;
