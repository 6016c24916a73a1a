//! Arguments of commands as bytes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::system::argument::NotUnicode;

/// The size of the largest argument, in bytes, without the NUL at its end.
///
/// Linux accepts 32 pages with the NUL (`MAX_ARG_STRLEN`): 131072 bytes with pages of 4 KiB, and more with larger pages. Other
/// systems limit only the sum of all arguments. `cordial` applies this limit on every Unix, so that a pipeline that works on one
/// system works on the others.
pub(crate) const MAX_ARGUMENT_BYTES: usize = 131_071;

/// Returns the bytes of an argument, a path or a variable.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub(crate) fn argument_bytes(argument: OsString) -> Result<Vec<u8>, String> {
    Ok(argument.into_vec())
}

/// Converts bytes without a NUL to an argument of a command.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub(crate) fn os_string(bytes: Vec<u8>) -> Result<OsString, NotUnicode> {
    Ok(OsString::from_vec(bytes))
}
