//! The thread of the observer.
//!
//! It has a tokio runtime of its own with one thread, and uses no worker of the program: it answers while every worker is stuck.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use cordial::process::Inspector;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::accept;
use super::routes::router;
use super::signals::{Signals, dumps};
use crate::answer::Identity;
use crate::error::ServeError;
use crate::secret::random_text;
use crate::shared::{ObserverShared, Options};

/// What the observer listens on.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) tcp: Option<(TcpListener, SocketAddr)>,
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
    let identity = Identity { name, start_id: random_text::<9>()? };
    let shared = Arc::new(ObserverShared::new(options, identity, inspector, runtime.handle().clone()));
    let signals = {
        // Installed here, so that the signal does not end the program from now on.
        let _entered = runtime.enter();
        Signals::new(shared.options.dumps_on_sigusr1).map_err(system("signal handler"))?
    };
    let stopped = shared.stop.subscribe();
    let address = listeners.tcp.as_ref().map(|(_, address)| *address);
    let own = shared.clone();
    let serve = move || {
        runtime.block_on(serve(own, listeners, signals, stopped));
        // Connections that are left end with the runtime.
        runtime.shutdown_background();
    };
    thread::Builder::new().name("cordial-observer".to_owned()).spawn(serve).map_err(system("thread"))?;
    Ok(Started { shared, address })
}

async fn serve(
    shared: Arc<ObserverShared>,
    listeners: Listeners,
    signals: Signals,
    mut stopped: watch::Receiver<bool>,
) {
    let app = router(shared.clone());
    let tcp = async {
        match listeners.tcp {
            Some((listener, _)) => accept::tcp(&shared, listener, &app).await,
            None => std::future::pending().await,
        }
    };
    #[cfg(unix)]
    let unix = async {
        match &listeners.unix {
            Some(socket) => accept::unix(&shared, socket.listener(), &app).await,
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
