//! `Function`: the name and the types of a function that runs elsewhere.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, CodecError};

/// The name and the types of a function that runs in another OS process, or on another machine. It is a constant that caller
/// and worker share; the code is in the table of the worker, [`Functions`](crate::Functions).
///
/// Values of `In` and `Out` travel in the format of postcard, which contains no field names (the bytes of a `Vec<u8>` travel
/// unchanged): caller and worker need the same types. A call carries the name, and a [fingerprint](Signature::fingerprint) of
/// the names of both types and of the [version](Function::version); a worker refuses the call if one of these differs. If the
/// fields of a type change, and old and new programs run at the same time, declare another version.
///
/// # Elixir
///
/// The module, function and arguments of `:erpc.call/4`. There, a closure can travel if both nodes have loaded the same module.
///
/// # Examples
///
/// ```
/// use cordial_isolate::Function;
///
/// const HASH: Function<Vec<u8>, u64> = Function::new("hash").version(2);
/// assert_eq!(HASH.name(), "hash");
/// ```
pub struct Function<In, Out> {
    name: &'static str,
    version: u32,
    types: PhantomData<fn(In) -> Out>,
}

impl<In, Out> Function<In, Out> {
    /// Returns a function with this name. Its version is 1.
    ///
    /// # Panics
    ///
    /// If the name is empty; in a constant, the compiler reports that.
    #[must_use]
    pub const fn new(name: &'static str) -> Function<In, Out> {
        assert!(!name.is_empty(), "a function needs a name: calls find it by its name");
        Function { name, version: 1, types: PhantomData }
    }

    /// Declares the version of the types. Default: 1. A call is refused if the versions of caller and worker differ.
    #[must_use]
    pub const fn version(self, version: u32) -> Function<In, Out> {
        Function { version, ..self }
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the name, the version and the names of the types, which have to be equal at the caller and at the worker.
    #[must_use]
    pub fn signature(&self) -> Signature {
        Signature { name: self.name, version: self.version, input: type_name::<In>(), output: type_name::<Out>() }
    }

    /// Returns the bytes of an argument.
    ///
    /// # Errors
    ///
    /// If the `Serialize` of the argument fails.
    pub fn encode_input(&self, input: &In) -> Result<Vec<u8>, CodecError>
    where
        In: Serialize + 'static,
    {
        codec::encode(input).map_err(|error| error.context(self.name, "argument"))
    }

    /// Returns the result whose bytes these are.
    ///
    /// # Errors
    ///
    /// If the bytes are not those of an `Out`.
    pub fn decode_output(&self, bytes: Vec<u8>) -> Result<Out, CodecError>
    where
        Out: DeserializeOwned + 'static,
    {
        codec::decode(bytes).map_err(|error| error.context(self.name, "result"))
    }
}

impl<In, Out> Clone for Function<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Copy for Function<In, Out> {}

impl<In, Out> fmt::Debug for Function<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.signature())
    }
}

/// The identity of a function, which has to be equal at the caller and at the worker: the name of a function, its version, and the names of its types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) input: &'static str,
    pub(crate) output: &'static str,
}

impl Signature {
    /// Returns the name of the function.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns a hash of the version and of the names of the types (FNV-1a, 64 bits). It is the same in all programs whose compilers give the
    /// types the same [names](std::any::type_name), and does not depend on the name of the function.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let version = self.version.to_le_bytes();
        let parts = [&version[..], self.input.as_bytes(), b"\0", self.output.as_bytes()];
        let bytes = parts.into_iter().flatten();
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

/// For example `"hash" version 2, from alloc::vec::Vec<u8> to u64`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} version {}, from {} to {}", self.name, self.version, self.input, self.output)
    }
}
