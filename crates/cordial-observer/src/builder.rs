//! The options of an observer.

use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::path::Path;

use cordial::process::{self, Inspector, ProcessInfo};
use http::request::Parts;

use crate::access::Access;
use crate::error::ServeError;
use crate::log_lines::LogLines;
use crate::observer::Observer;
use crate::secret::Secret;
use crate::server::{Listeners, start};
use crate::shared::{AuditCallback, Authorizer, Formatter, Options};
use crate::source::OwnProcess;
use crate::view::{ActionKind, AuditEntry, Rights};

/// Starts an observer on a loopback address, and prints the address of its page, token included, to standard error.
///
/// Clients may only look. For anything else, see [`Observer::builder`].
///
/// # Errors
///
/// [`ServeError`]: the address is not valid, is in use, or can be reached from other machines; or the system refuses a thread, an I/O
/// driver or random bytes.
///
/// # Examples
///
/// ```
/// cordial_observer::serve("127.0.0.1:0")?;
/// # Ok::<(), cordial_observer::ServeError>(())
/// ```
pub fn serve(address: impl ToSocketAddrs + fmt::Debug) -> Result<Observer, ServeError> {
    let observer = Observer::builder().serve(address)?;
    if let Some(url) = observer.url() {
        // Standard error may be closed.
        let _ = writeln!(io::stderr(), "cordial-observer: {url}");
    }
    Ok(observer)
}

impl Observer {
    /// Returns options for an observer.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Options of an observer, made by [`Observer::builder`].
///
/// # Examples
///
/// ```
/// use cordial_observer::{ActionKind, Observer};
///
/// let observer = Observer::builder()
///     .name("shop")
///     .allow_actions([ActionKind::ShutDown, ActionKind::ShutDownSubtree])
///     .on_action(|entry| println!("{}: {} {:?}", entry.who, entry.action, entry.pid))
///     .serve("127.0.0.1:0")?;
/// println!("open {}", observer.url().expect("it has an address"));
/// # Ok::<(), cordial_observer::ServeError>(())
/// ```
#[derive(Default)]
#[must_use = "nothing is observed before `serve`, `serve_unix` or `mount`"]
pub struct Builder {
    inspector: Option<Inspector>,
    name: Option<String>,
    token: Option<String>,
    authorizer: Option<Authorizer>,
    allowed: Rights,
    audit: Option<AuditCallback>,
    hosts: Vec<String>,
    formatter: Option<Formatter>,
    log_lines: Option<LogLines>,
    dumps_on_sigusr1: bool,
}

impl Builder {
    /// Sets the runtime that is observed: [`Runtime::inspector`](cordial::Runtime::inspector). Default: the runtime of the thread that calls `serve`,
    /// `serve_unix` or `mount`, or else the default runtime, which that call starts if it does not run yet.
    pub fn runtime(mut self, inspector: Inspector) -> Builder {
        self.inspector = Some(inspector);
        self
    }

    /// Sets the name of the program on the page. The name of the executable by default.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Sets the token that clients need, of at least 16 bytes. By default, each start generates a random one. If the program
    /// sets the same token at each start, open pages go on working after a restart of the program.
    pub fn token(mut self, token: impl Into<String>) -> Builder {
        self.token = Some(token.into());
        self
    }

    /// Sets a function that decides about each request for data or for an action. It gets the head of the request. It is not asked about
    /// the files of the page, which hold no data. Without [`token`](Builder::token), the function decides alone; with a token, it decides
    /// about the requests that have the token.
    ///
    /// It runs on the thread of the observer and must not block. A panic in it denies the request.
    pub fn authorize(mut self, authorizer: impl Fn(&Parts) -> Access + Send + Sync + 'static) -> Builder {
        self.authorizer = Some(Box::new(authorizer));
        self
    }

    /// Allows actions of these kinds. None by default: an observer only looks.
    pub fn allow_actions(mut self, kinds: impl IntoIterator<Item = ActionKind>) -> Builder {
        kinds.into_iter().for_each(|kind| self.allowed.grant(kind));
        self
    }

    /// Sets a function that is called with entries of the audit log: with each action, allowed or not, with each wrong token, and with
    /// requests that were refused for another reason, such as a foreign `Origin`: for each client, the first, second, fourth, eighth and so on
    /// of these requests. The function runs on the thread of the observer and must not block. Each entry with which it is called is also a
    /// `tracing` event of target `cordial::observer`, with or without this function.
    pub fn on_action(mut self, callback: impl Fn(&AuditEntry) + Send + Sync + 'static) -> Builder {
        self.audit = Some(Box::new(callback));
        self
    }

    /// Sets a function that returns a text for the page of a process, such as the arguments of a task, without secrets. The page
    /// shows this text in addition to what it knows itself: labels, places, counts, [`process::set_details`], crash messages and
    /// [`log_lines`](Builder::log_lines).
    ///
    /// It runs on a thread of its own, with at most one call at a time for each process. If it panics or has not returned after 2 s, a sentence
    /// in place of the text says so.
    pub fn describe(mut self, formatter: impl Fn(&ProcessInfo) -> Option<String> + Send + Sync + 'static) -> Builder {
        self.formatter = Some(Box::new(formatter));
        self
    }

    /// Shows the last log lines of each process, which this layer for `tracing` keeps. None by default.
    pub fn log_lines(mut self, lines: LogLines) -> Builder {
        self.log_lines = Some(lines);
        self
    }

    /// Prints [`Observer::dump`] to standard error when the program receives SIGUSR1; signals that arrive while one is being
    /// answered share one answer. Unlike with [`process::snapshot_on_sigusr1`], the text is printed even while all threads of the
    /// program are stuck. From the start of the observer on, the signal does not end the program, and does nothing in a process
    /// that was forked from it. Unix only: on other systems this does nothing.
    pub fn dump_on_sigusr1(mut self) -> Builder {
        self.dumps_on_sigusr1 = true;
        self
    }

    /// Adds a name by which browsers may reach the observer, such as `ops.example.com`, without a port. `localhost` and addresses are always
    /// accepted; requests for other names are refused, because the owner of a foreign site could make its name resolve to this machine.
    /// Actions from a page of this name are accepted even if a proxy asks for the observer by its address or by another accepted name.
    pub fn host(mut self, name: impl Into<String>) -> Builder {
        self.hosts.push(name.into().to_ascii_lowercase());
        self
    }

    /// Starts the observer on an address. Port 0 is any free port: see [`Observer::url`].
    ///
    /// # Errors
    ///
    /// [`ServeError`]: the address is not valid, is in use, or can be reached from other machines while neither a token nor an
    /// authorizer is set; the token is too short or cannot be sent in a header; or the system refuses a thread, an I/O driver, random bytes or
    /// a signal handler.
    pub fn serve(self, address: impl ToSocketAddrs + fmt::Debug) -> Result<Observer, ServeError> {
        let shown = || format!("{address:?}").trim_matches('"').to_owned();
        let refused = |error| ServeError::Address { address: shown(), error };
        let resolved: Vec<SocketAddr> = address.to_socket_addrs().map_err(refused)?.collect();
        if let Some(address) = resolved.iter().find(|address| !address.ip().is_loopback())
            && self.token.is_none()
            && self.authorizer.is_none()
        {
            return Err(ServeError::Unprotected { address: *address });
        }
        let listener = TcpListener::bind(&resolved[..]);
        let listener = listener.map_err(|error| ServeError::Bind { address: shown(), error })?;
        let bound = listener.local_addr().map_err(|error| ServeError::Bind { address: shown(), error })?;
        let cookie_name = format!("cordial_observer_{}", bound.port());
        self.start(
            Listeners {
                tcp: Some((listener, bound)),
                #[cfg(unix)]
                unix: None,
            },
            cookie_name,
        )
    }

    /// Starts the observer on a UNIX socket. Only processes of the same user, and of root, can connect. They need the token as
    /// well, unless an authorizer is set without a token. A socket that was left behind by a program that has ended is replaced.
    /// While the observer runs there is also the file `PATH.lock`.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: the path cannot be bound; `PATH.lock` is locked, is a non-empty file of another program, or cannot be opened; the token is
    /// too short or cannot be sent in a header; or the system refuses a thread, an I/O driver, random bytes or a signal handler.
    #[cfg(unix)]
    pub fn serve_unix(self, path: impl AsRef<Path>) -> Result<Observer, ServeError> {
        let socket = crate::server::UnixSocket::bind(path.as_ref())?;
        self.start(Listeners { tcp: None, unix: Some(socket) }, "cordial_observer".to_owned())
    }

    /// Starts the observer without an address: its pages are served by a server of the program, with [`Observer::router`].
    ///
    /// # Errors
    ///
    /// [`ServeError`]: the token is too short or cannot be sent in a header, or the system refuses a thread, an I/O driver, random bytes or a
    /// signal handler.
    pub fn mount(self) -> Result<Observer, ServeError> {
        self.start(
            Listeners {
                tcp: None,
                #[cfg(unix)]
                unix: None,
            },
            "cordial_observer".to_owned(),
        )
    }

    fn start(self, listeners: Listeners, cookie_name: String) -> Result<Observer, ServeError> {
        let Builder {
            inspector,
            name,
            token,
            authorizer,
            allowed,
            audit,
            hosts,
            formatter,
            log_lines,
            dumps_on_sigusr1,
        } = self;
        let needs_token = token.is_some() || authorizer.is_none();
        let secret = token.map_or_else(Secret::random, Secret::given)?;
        let name = name.unwrap_or_else(OwnProcess::name);
        let options = Options {
            secret,
            needs_token,
            authorizer,
            allowed,
            audit,
            hosts,
            cookie_name,
            formatter,
            log_lines,
            dumps_on_sigusr1,
        };
        start(options, name, inspector.unwrap_or_else(process::inspector), listeners).map(Observer::new)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name).field("allowed", &self.allowed).finish_non_exhaustive()
    }
}
