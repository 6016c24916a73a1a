//! UNIX sockets.
//!
//! Two programs may start at the same moment with the same path. Each observer holds a lock on a file beside its socket, `PATH.lock`, from
//! before it looks at the path of the socket until it has removed the socket. So a socket that is about to listen is not taken for one that was left
//! behind.
//!
//! The lock file has a text by which observers recognize it. A file without that text belongs to another program: if it is empty, the observer
//! locks it, but neither changes nor removes it; otherwise the observer does not start. An observer that ends before it has written the text leaves an
//! empty file, which stays.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use socket2::{Domain, SockAddr, Socket, Type};

use super::socket::EndedWhenDropped;
use crate::error::ServeError;

/// How many connections wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket that listens. Dropping it removes its path, unless something else is there.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    /// `None` once it was taken.
    listener: Option<UnixListener>,
    /// An absolute path, because the program may change its directory.
    path: PathBuf,
    /// The device and the inode number of the socket.
    id: (u64, u64),
    /// Released after the path was removed.
    _lock: Lock,
}

impl UnixSocket {
    /// Binds a socket that only the user of the program may connect to. Replaces a socket to which nothing listens any more.
    pub(crate) fn bind(path: &Path) -> Result<UnixSocket, ServeError> {
        UnixSocket::bind_with(path, || ())
    }

    /// Calls `is_bound` when the path is there and its permissions may still be those that the umask gives. Until the
    /// socket listens, no client can connect to it.
    fn bind_with(path: &Path, is_bound: impl FnOnce()) -> Result<UnixSocket, ServeError> {
        let lock = Lock::of(path)?;
        UnixSocket::bind_locked(path, lock, is_bound).map_err(|error| refused(path, error))
    }

    fn bind_locked(path: &Path, lock: Lock, is_bound: impl FnOnce()) -> io::Result<UnixSocket> {
        let (socket, address) = (Socket::new(Domain::UNIX, Type::STREAM, None)?, SockAddr::unix(path)?);
        let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        if is_socket && is_left_behind(&address)? {
            fs::remove_file(path)?;
        }
        socket.bind(&address)?;
        let metadata = fs::symlink_metadata(path)?;
        let listener = UnixListener::from(socket);
        let id = (metadata.dev(), metadata.ino());
        let mut bound = UnixSocket { listener: None, path: std::path::absolute(path)?, id, _lock: lock };
        is_bound();
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket2::SockRef::from(&listener).listen(BACKLOG)?;
        bound.listener = Some(listener);
        Ok(bound)
    }

    /// Takes the socket to accept connections from. Needs the context of a tokio runtime.
    pub(super) fn take_listener(&mut self) -> io::Result<EndedWhenDropped<tokio::net::UnixListener>> {
        let listener = self.listener.take().expect("it is taken once");
        listener.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(listener).map(EndedWhenDropped)
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

/// Returns whether nothing listens to the socket at this address any more.
fn is_left_behind(address: &SockAddr) -> io::Result<bool> {
    let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Otherwise `connect` would wait here for a listener that accepts nothing and whose queue is full.
    client.set_nonblocking(true)?;
    Ok(client.connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}

fn refused(path: &Path, error: io::Error) -> ServeError {
    ServeError::Bind { address: path.display().to_string(), error }
}

/// The text in the lock file of an observer.
const MARK: &[u8] = b"the lock of a cordial-observer\n";

/// The lock of the path of a socket. Only one observer at a time has it. The system releases it when the program, and each OS
/// process that was forked from it, has ended or executed another program.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    /// Whether the file belongs to an observer, and not to another program.
    is_own: bool,
    /// Unlocked when it is dropped, after the file was removed.
    file: Flock<File>,
}

impl Lock {
    fn of(socket: &Path) -> Result<Lock, ServeError> {
        let mut path = OsString::from(std::path::absolute(socket).map_err(|error| refused(socket, error))?);
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error| ServeError::Lock { path: path.clone(), error };
        loop {
            let (file, is_new) = open(&path).map_err(|error| {
                // `open` creates a missing lock file. If that fails, for example because the folder is missing, no socket can be created there either.
                if fs::symlink_metadata(&path).is_ok() { failed(error) } else { refused(socket, error) }
            })?;
            let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
                Errno::EWOULDBLOCK => refused(socket, ErrorKind::AddrInUse.into()),
                errno => failed(errno.into()),
            })?;
            // The last owner of the lock may have removed the file just before it was locked here: the next observer would lock another file.
            let (locked, named) = (file.metadata().map_err(failed)?, fs::symlink_metadata(&path));
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino())) {
                let mut lock = Lock { path: path.clone(), is_own: is_new, file };
                lock.recognize_or_mark().map_err(failed)?;
                return Ok(lock);
            }
        }
    }

    /// Writes the mark into a new file. For an old file, finds out whether it has the mark.
    fn recognize_or_mark(&mut self) -> io::Result<()> {
        if self.is_own {
            return self.file.write_all(MARK);
        }
        let foreign = || Err(io::Error::new(ErrorKind::AlreadyExists, "the file belongs to another program"));
        if !self.file.metadata()?.is_file() {
            return foreign();
        }
        let mut text = Vec::new();
        let limit = MARK.len() as u64 + 1;
        Read::by_ref(&mut *self.file).take(limit).read_to_end(&mut text)?;
        self.is_own = text == MARK;
        if self.is_own || text.is_empty() { Ok(()) } else { foreign() }
    }
}

/// Opens or creates a file, and returns whether it was created.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    // A file of another program may also be a pipe, and is opened without waiting for its other end.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    options.read(true).write(true).mode(0o600).custom_flags(flags.bits());
    loop {
        match options.create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return Ok((created?, true)),
        }
        match options.create_new(false).open(path) {
            // The owner of the file has removed it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return Ok((opened?, false)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_own {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::Duration;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::UnixSocket;
    use crate::ServeError;

    fn is_in_use(error: &ServeError) -> bool {
        matches!(error, ServeError::Bind { error, .. } if error.kind() == ErrorKind::AddrInUse)
    }

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
        // A program that was killed leaves such a socket.
        drop(UnixListener::bind(&path).unwrap());
        let first = UnixSocket::bind_with(&path, || {
            assert!(is_in_use(&UnixSocket::bind(&path).unwrap_err()));
        });
        let first = first.unwrap();
        UnixStream::connect(&path).unwrap();
        assert!(is_in_use(&UnixSocket::bind(&path).unwrap_err()));
        drop(first);
        UnixSocket::bind(&path).unwrap();
    }

    #[test]
    fn a_socket_of_a_program_that_accepts_nothing_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = SockAddr::unix(&path).unwrap();
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let connect = || {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            client.connect(&address).is_ok().then_some(client)
        };
        let waiting: Vec<Socket> = std::iter::from_fn(connect).collect();
        assert!(!waiting.is_empty());
        let (sender, bound) = std::sync::mpsc::channel();
        #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
        let _thread = std::thread::spawn(move || sender.send(UnixSocket::bind(&path)));
        let error = bound.recv_timeout(Duration::from_secs(300)).expect("it does not wait").unwrap_err();
        assert!(is_in_use(&error), "{error:?}");
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
        assert!(is_in_use(&UnixSocket::bind(&path).unwrap_err()));
    }
}
