//! Bounds the stack that a value takes while it is encoded or decoded. `Serialize` and `Deserialize` call themselves for each level of a value, and
//! an overflow of the stack would end the whole program.
//!
//! Each level of a recursive type takes at least one byte of the encoding: for an `Option`, an enum or a length. So it is enough to measure the
//! stack where bytes are read and written.

use std::cell::Cell;
use std::ptr;

use postcard::{Error, Result, de_flavors, ser_flavors};

/// How much stack a value may take: half of what a thread of Rust has by default. The other half is left to the callers, and to the destructor of
/// the value, which takes less stack for each level than decoding does.
pub(super) const MAX_STACK: usize = 1 << 20;

/// Where the stack was at the start.
#[derive(Clone, Copy)]
struct Start(usize);

impl Start {
    #[inline(never)]
    fn here() -> Start {
        Start(address_of_frame())
    }

    #[inline]
    fn is_far(self) -> bool {
        address_of_frame().abs_diff(self.0) > MAX_STACK
    }
}

#[inline(always)]
fn address_of_frame() -> usize {
    let local = 0u8;
    ptr::from_ref(&local).addr()
}

/// Bytes that are being decoded.
pub(super) struct Reader<'de> {
    bytes: de_flavors::Slice<'de>,
    start: Start,
    is_too_deep: &'de Cell<bool>,
}

impl<'de> Reader<'de> {
    /// `is_too_deep` is set if the stack is used up.
    pub(super) fn new(bytes: &'de [u8], is_too_deep: &'de Cell<bool>) -> Reader<'de> {
        Reader { bytes: de_flavors::Slice::new(bytes), start: Start::here(), is_too_deep }
    }

    #[inline]
    fn check(&self) -> Result<()> {
        if self.start.is_far() {
            self.is_too_deep.set(true);
            return Err(Error::DeserializeBadEncoding);
        }
        Ok(())
    }
}

impl<'de> de_flavors::Flavor<'de> for Reader<'de> {
    type Remainder = &'de [u8];
    type Source = &'de [u8];

    #[inline]
    fn pop(&mut self) -> Result<u8> {
        self.check()?;
        self.bytes.pop()
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.bytes.size_hint()
    }

    #[inline]
    fn try_take_n(&mut self, count: usize) -> Result<&'de [u8]> {
        self.bytes.try_take_n(count)
    }

    fn finalize(self) -> Result<&'de [u8]> {
        self.bytes.finalize()
    }
}

/// Bytes that are being encoded.
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    start: Start,
    pub(super) is_too_deep: bool,
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer { bytes: Vec::new(), start: Start::here(), is_too_deep: false }
    }

    #[inline]
    fn check(&mut self) -> Result<()> {
        if self.start.is_far() {
            self.is_too_deep = true;
            return Err(Error::SerializeBufferFull);
        }
        Ok(())
    }
}

impl ser_flavors::Flavor for Writer {
    type Output = Vec<u8>;

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> Result<()> {
        self.check()?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> Result<()> {
        self.check()?;
        self.bytes.push(data);
        Ok(())
    }

    fn finalize(self) -> Result<Vec<u8>> {
        Ok(self.bytes)
    }
}
