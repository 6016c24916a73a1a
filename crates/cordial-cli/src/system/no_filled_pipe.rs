//! Only Linux can move bytes from one pipe into another without a copy.

use std::io;

use super::Descriptor;

/// What happened to the bytes of an input. Never returned on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "the names are those of Linux")]
pub(crate) enum Moved {
    Some,
    End,
    Full,
}

/// Does not exist on this system.
#[derive(Debug)]
pub(crate) enum FilledPipe {}

impl FilledPipe {
    /// Returns false.
    pub(crate) fn accepts(_: &impl Descriptor) -> bool {
        false
    }

    /// Returns `None`.
    pub(crate) fn new(_: usize) -> Option<FilledPipe> {
        None
    }

    pub(crate) fn length(&self) -> usize {
        match *self {}
    }

    pub(crate) fn write(&mut self, _: &[u8]) -> usize {
        match *self {}
    }

    pub(crate) fn move_from(&mut self, _: &impl Descriptor, _: usize) -> io::Result<Moved> {
        match *self {}
    }

    pub(crate) fn read_back(self, _: &mut [u8]) -> io::Result<()> {
        match self {}
    }

    #[cfg(unix)]
    pub(super) fn reader(&self) -> &std::os::fd::OwnedFd {
        match *self {}
    }

    #[cfg(unix)]
    pub(super) fn into_writer(self) -> std::os::fd::OwnedFd {
        match self {}
    }
}
