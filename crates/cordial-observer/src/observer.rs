//! The handle to a running observer.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use crate::server::{Started, router};
use crate::shared::ObserverShared;

/// A running observer.
///
/// Dropping this handle leaves the observer running until the program ends; to end the observer, call [`stop`](Observer::stop).
///
/// An OS process that was forked from the program has no thread of the observer: there, [`dump`](Observer::dump) and [`router`](Observer::router)
/// answer with a sentence that says so, and [`stop`](Observer::stop) does nothing. The forked process inherits the listening
/// socket: outside of Linux, or if the program ends without `stop`, the address stays in use, and clients that connect wait, until the forked process
/// ends or executes another program. So a program that forks, to become a daemon for example, starts its observer after the fork.
#[derive(Debug)]
pub struct Observer {
    shared: Arc<ObserverShared>,
    address: Option<SocketAddr>,
}

impl Observer {
    pub(crate) fn new(Started { shared, address }: Started) -> Observer {
        Observer { shared, address }
    }

    /// Returns the address that the observer listens on; `None` for a UNIX socket and for a mounted observer.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the address of the page, with the token if one is needed; `None` for a UNIX socket and for a mounted observer.
    ///
    /// With a token, the text is a secret. The page exchanges the token for a cookie, and removes the token from the address.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let mut address = self.address?;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Some(match self.token() {
            Some(token) => format!("http://{address}/?token={}", percent_encoded(token)),
            None => format!("http://{address}/"),
        })
    }

    /// Returns the token that clients need; `None` if an authorizer decides alone. A client sends the token as `Authorization: Bearer …`, or
    /// percent-encoded as `?token=…` in the address of the page.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.shared.options.needs_token.then(|| self.shared.options.secret.token())
    }

    /// Returns a router for a server of the program: `Router::new().nest_service("/observer", observer.router())`.
    /// All rules of the observer about tokens, hosts and origins hold there as well, but not its limits for connections: the observer
    /// does not see the connections of that server. The program is read on the thread of the observer.
    ///
    /// `Router::nest` does not work: it does not route the address of the page, which ends with a slash.
    pub fn router(&self) -> Router {
        router(self.shared.clone())
    }

    /// Returns the state of the program as text, for a log or a bug report: the newest numbers, the warnings, the tree of the processes, and
    /// the latest crashes. The numbers are read once a second; before the first reading they are 0.
    ///
    /// Any thread may call this: the text is made on that thread, which waits while the observer makes an answer. It also waits for up to
    /// 2 s for what processes show about themselves (`process::set_details`). If that takes longer, the text leaves it out.
    #[must_use]
    pub fn dump(&self) -> String {
        if let Some(sentence) = self.shared.forked() {
            return format!("{sentence}\n");
        }
        self.shared.dump()
    }

    /// Ends the observer: closes its listener and its connections, ends the streams of events of a mounted observer, and ends its thread. Does not
    /// wait for that. Afterwards, a router of this observer refuses requests for data.
    pub fn stop(self) {
        // In a forked process there is nothing to stop.
        if self.shared.forked().is_none() {
            self.shared.stop.send_replace(true);
        }
    }
}

/// Encodes a token for the query of an address.
fn percent_encoded(token: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    token.bytes().map(encode).collect()
}
