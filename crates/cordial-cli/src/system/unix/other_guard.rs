//! No guard: what runs when we are killed outright goes on.

use std::fs::File;
use std::io;
use std::process::{Child, ExitCode};

/// # Errors
///
/// Always.
pub(crate) fn start_guard(_: &str) -> io::Result<(File, Child)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn guard() -> ExitCode {
    ExitCode::SUCCESS
}
