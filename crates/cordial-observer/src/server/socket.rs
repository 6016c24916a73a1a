//! Sockets whose peers see the end of the connection even if a forked process has copies of the sockets.

use std::ops::{Deref, DerefMut};

/// A socket that the observer may close.
pub(super) trait Socket {
    /// Ends the socket for its peer. To close the socket is not enough: each OS process that was forked from the program while the socket was open
    /// has a copy, and the peer would wait until the last copy is closed.
    fn end(&self);
}

#[cfg(unix)]
impl<S: std::os::fd::AsFd> Socket for S {
    fn end(&self) {
        // Fails if the peer is gone. Systems other than Linux refuse it for a listener, which then listens until its last copy is closed.
        let _ = socket2::SockRef::from(self).shutdown(std::net::Shutdown::Both);
    }
}

/// Does nothing: these systems have no forks.
#[cfg(not(unix))]
impl<S> Socket for S {
    fn end(&self) {}
}

/// A socket that is ended when it is dropped.
#[derive(Debug)]
pub(super) struct EndedWhenDropped<S: Socket>(pub(super) S);

impl<S: Socket> Deref for EndedWhenDropped<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: Socket> DerefMut for EndedWhenDropped<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S: Socket> Drop for EndedWhenDropped<S> {
    fn drop(&mut self) {
        self.0.end();
    }
}
