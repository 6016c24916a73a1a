//! The thread of the observer.
//!
//! It has a tokio runtime of its own with one thread, and uses no worker of the program: it answers while every worker is stuck.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::ops::Deref;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use cordial::process::Inspector;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::accept;
use super::routes::router;
use super::signals::{Signals, dumps};
use super::socket::EndedWhenDropped;
use crate::answer::Identity;
use crate::error::ServeError;
use crate::secret::random_text;
use crate::shared::{ObserverShared, Options};

/// What the observer listens on.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) tcp: Option<(StdListener, SocketAddr)>,
    #[cfg(unix)]
    pub(crate) unix: Option<super::UnixSocket>,
}

/// An observer whose thread was started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) shared: Arc<ObserverShared>,
    pub(crate) address: Option<SocketAddr>,
}

/// Starts the thread of an observer.
pub(crate) fn start(
    options: Options,
    name: String,
    inspector: Inspector,
    listeners: Listeners,
) -> Result<Started, ServeError> {
    let system = |what| move |error: io::Error| ServeError::System { what, error };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("I/O driver"))?;
    let runtime = OwnRuntime(Some(runtime));
    let identity = Identity { name, start_id: random_text::<9>()? };
    let shared = Arc::new(ObserverShared::new(options, identity, inspector, runtime.handle().clone()));
    let address = listeners.tcp.as_ref().map(|(_, address)| *address);
    // The signal does not end the program from now on, and connections wait until they are accepted.
    let (signals, accepting) = {
        let _entered = runtime.enter();
        let signals = Signals::new(shared.options.dumps_on_sigusr1).map_err(system("signal handler"))?;
        (signals, Accepting::new(listeners).map_err(system("I/O driver"))?)
    };
    let stopped = shared.stop.subscribe();
    let own = shared.clone();
    let serve = move || {
        runtime.block_on(serve(own, accepting, signals, stopped));
        // Connections that are left end with the runtime.
        drop(runtime);
    };
    thread::Builder::new().name("cordial-observer".to_owned()).spawn(serve).map_err(system("thread"))?;
    Ok(Started { shared, address })
}

/// The runtime of the observer. Its drop does not wait for the threads of the runtime: if the observer cannot be started, the runtime is
/// dropped by the caller, which may be a task of tokio, where a wait would panic.
#[derive(Debug)]
struct OwnRuntime(Option<Runtime>);

impl Deref for OwnRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("the runtime is there until the drop")
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// What the observer listens on, in the I/O driver of its runtime.
#[derive(Debug)]
struct Accepting {
    tcp: Option<EndedWhenDropped<TcpListener>>,
    /// The listener, and the path of the socket. The path is removed after the listener was closed.
    #[cfg(unix)]
    unix: Option<(EndedWhenDropped<UnixListener>, super::UnixSocket)>,
}

impl Accepting {
    /// Needs the context of the runtime.
    fn new(listeners: Listeners) -> io::Result<Accepting> {
        let tcp = |(listener, _): (StdListener, SocketAddr)| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener).map(EndedWhenDropped)
        };
        #[cfg(unix)]
        let unix = |mut socket: super::UnixSocket| Ok::<_, io::Error>((socket.take_listener()?, socket));
        Ok(Accepting {
            tcp: listeners.tcp.map(tcp).transpose()?,
            #[cfg(unix)]
            unix: listeners.unix.map(unix).transpose()?,
        })
    }
}

async fn serve(
    shared: Arc<ObserverShared>,
    accepting: Accepting,
    signals: Signals,
    mut stopped: watch::Receiver<bool>,
) {
    let app = router(shared.clone());
    let tcp = async {
        match accepting.tcp {
            Some(listener) => accept::tcp(&shared, listener, &app).await,
            None => std::future::pending().await,
        }
    };
    #[cfg(unix)]
    let (listener, _path) = accepting.unix.unzip();
    #[cfg(unix)]
    let unix = async {
        match listener {
            Some(listener) => accept::unix(&shared, listener, &app).await,
            None => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let unix = std::future::pending::<()>();
    tokio::select! {
        () = ticks(&shared) => {}
        () = dumps(&shared, signals) => {}
        () = tcp => {}
        () = unix => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    // An empty event ends the streams of a mounted observer, which a server of the program serves on threads of its own.
    shared.ticks.send_replace(Bytes::new());
}

/// Reads the program once a second.
async fn ticks(shared: &Arc<ObserverShared>) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        seconds.tick().await;
        // In a task of its own, so that a panic costs one tick.
        let own = shared.clone();
        let _ = shared.thread.spawn(async move { own.tick() }).await;
    }
}
