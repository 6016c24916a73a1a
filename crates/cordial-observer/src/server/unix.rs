//! UNIX sockets.
//!
//! Two programs may start at the same moment with the same path. Each observer holds a lock on a file beside its socket, `PATH.lock`, from
//! before it looks at the path until it has removed it. So a socket that is about to listen is not taken for one that was left behind.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use socket2::{Domain, SockAddr, Socket, Type};

/// How many connections wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket that listens. Dropping it removes its path.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    listener: UnixListener,
    /// Absolute, because the program may change its directory.
    path: PathBuf,
    /// The device and the number of the socket in the file system.
    id: (u64, u64),
    /// Released after the path was removed.
    _lock: Lock,
}

impl UnixSocket {
    /// Binds a socket that only the user of the program may connect to. Replaces a socket to which nothing listens any more.
    pub(crate) fn bind(path: &Path) -> io::Result<UnixSocket> {
        UnixSocket::bind_with(path, || ())
    }

    /// `is_bound` is called when the path is there and its permissions may still be those that the umask gives. Until the
    /// socket listens, no client can connect to it.
    fn bind_with(path: &Path, is_bound: impl FnOnce()) -> io::Result<UnixSocket> {
        let lock = Lock::of(path)?;
        let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        if is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let metadata = fs::symlink_metadata(path)?;
        let listener = UnixListener::from(socket);
        let id = (metadata.dev(), metadata.ino());
        let bound = UnixSocket { listener, path: std::path::absolute(path)?, id, _lock: lock };
        is_bound();
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket2::SockRef::from(&bound.listener).listen(BACKLOG)?;
        Ok(bound)
    }

    /// Returns the socket to accept connections from.
    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Something else may be there by now, such as the socket of a program that is no observer.
        let is_same = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.id;
        if fs::symlink_metadata(&self.path).is_ok_and(is_same) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Only one observer at a time has the lock of a path. The system releases it when the program ends.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    /// Unlocks the file when it is dropped.
    _file: Flock<File>,
}

impl Lock {
    fn of(socket: &Path) -> io::Result<Lock> {
        let mut path = OsString::from(std::path::absolute(socket)?);
        path.push(".lock");
        let path = PathBuf::from(path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        loop {
            let locked = Flock::lock(options.open(&path)?, FlockArg::LockExclusiveNonblock);
            let file = locked.map_err(|(_, errno)| match errno {
                Errno::EWOULDBLOCK => io::Error::from(ErrorKind::AddrInUse),
                errno => errno.into(),
            })?;
            // Its last owner may have removed it meanwhile, so that the next observer would lock another file.
            let (locked, named) = (file.metadata()?, fs::symlink_metadata(&path));
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino())) {
                return Ok(Lock { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::UnixSocket;

    #[test]
    fn no_client_connects_before_the_permissions_are_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = UnixSocket::bind_with(&path, || {
            assert!(path.exists());
            UnixStream::connect(&path).unwrap_err();
        });
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        drop(socket.unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn a_socket_that_does_not_listen_yet_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // As a program that was killed leaves it.
        drop(UnixListener::bind(&path).unwrap());
        let first = UnixSocket::bind_with(&path, || {
            assert_eq!(UnixSocket::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        });
        let first = first.unwrap();
        UnixStream::connect(&path).unwrap();
        assert_eq!(UnixSocket::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(first);
        UnixSocket::bind(&path).unwrap();
    }

    #[test]
    fn a_socket_that_another_program_has_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = UnixSocket::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(socket);
        UnixStream::connect(&path).unwrap();
        assert_eq!(UnixSocket::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
