//! Only Linux can move bytes of a file into a pipe without a copy.

use std::io;

use super::Descriptor;

/// Does not exist on this system.
#[derive(Debug)]
pub(crate) enum SplicedFile {}

impl SplicedFile {
    /// Returns `None`.
    pub(crate) fn new(_: &impl Descriptor) -> Option<SplicedFile> {
        None
    }

    pub(crate) fn position(&self) -> io::Result<u64> {
        match *self {}
    }

    pub(crate) fn set_position(&self, _: u64) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn length(&self) -> io::Result<u64> {
        match *self {}
    }

    pub(crate) fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn read_ahead(&self, _: u64, _: usize) {
        match *self {}
    }

    pub(super) fn splice<P, E>(&self, _: &P, _: u64, _: usize) -> Result<usize, E> {
        match *self {}
    }
}
