//! A link that can be cut: a proxy that stops forwarding. The connections stay open, as when a cable is pulled.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{wait_for, wait_until};

pub(crate) struct Proxy {
    port: u16,
    link: Arc<Link>,
}

#[derive(Default)]
struct Link {
    is_cut_to_server: AtomicBool,
    is_cut_to_client: AtomicBool,
    /// The delay of the data that the client sends.
    delay_ms: AtomicU64,
    /// What the client has sent.
    sent: Mutex<Vec<u8>>,
    /// Cuts what the server sends when the client has sent this.
    cut_after: Mutex<Option<String>>,
    /// Holds the next message of the client that begins with this text.
    hold_next: Mutex<Option<String>>,
    held: Mutex<Option<(TcpStream, Vec<u8>)>>,
}

impl Proxy {
    /// Starts a proxy to the server at this URL. Its threads end with the process.
    pub(crate) fn start(url: &str) -> Proxy {
        let server = url.trim_start_matches("nats://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let link = Arc::<Link>::default();
        let links = link.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { continue };
                let link = links.clone();
                let to_server = server.try_clone().unwrap();
                let mut part = Vec::new();
                forward(client.try_clone().unwrap(), server.try_clone().unwrap(), move |bytes| {
                    link.note_sent(bytes);
                    link.hold(&mut part, bytes, &to_server);
                    wait_mended(&link.is_cut_to_server);
                    Duration::from_millis(link.delay_ms.load(Ordering::SeqCst))
                });
                let link = links.clone();
                forward(server, client, move |_| {
                    wait_mended(&link.is_cut_to_client);
                    Duration::ZERO
                });
            }
        });
        Proxy { port, link }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn cut(&self) {
        self.link.is_cut_to_server.store(true, Ordering::SeqCst);
        self.cut_to_client();
    }

    /// Stops what the server sends.
    pub(crate) fn cut_to_client(&self) {
        self.link.is_cut_to_client.store(true, Ordering::SeqCst);
    }

    /// Stops what the server sends when the client sends this text, before the server gets it.
    pub(crate) fn cut_to_client_after(&self, text: &str) {
        *self.link.cut_after.lock().unwrap() = Some(text.to_owned());
    }

    /// Sets the delay of the data that the client sends, as if the server were far away.
    pub(crate) fn delay_to_server(&self, delay: Duration) {
        self.link.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Holds the next message of the client that begins with this text. Others pass.
    pub(crate) fn hold_next(&self, text: &str) {
        *self.link.hold_next.lock().unwrap() = Some(text.to_owned());
    }

    /// Sends the message that is held. Waits for it, because it counts as sent before it is held.
    pub(crate) async fn release(&self) {
        let take = || async { self.link.held.lock().unwrap().take() };
        let (mut server, message) = wait_for("the proxy holds a message", take).await;
        server.write_all(&message).unwrap();
    }

    pub(crate) fn mend(&self) {
        self.link.is_cut_to_server.store(false, Ordering::SeqCst);
        self.link.is_cut_to_client.store(false, Ordering::SeqCst);
    }

    /// Returns how many times the client has sent this text.
    pub(crate) fn n_sent(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.link.sent.lock().unwrap()).matches(text).count()
    }

    /// Waits until the client has sent this text `n` times.
    pub(crate) async fn wait_sent(&self, text: &str, n: usize) {
        wait_until(&format!("the client has sent {text:?} {n} times"), || async { self.n_sent(text) >= n }).await;
    }
}

impl Link {
    fn note_sent(&self, bytes: &[u8]) {
        let mut sent = self.sent.lock().unwrap();
        sent.extend_from_slice(bytes);
        let mut cut_after = self.cut_after.lock().unwrap();
        if cut_after.as_ref().is_some_and(|text| String::from_utf8_lossy(&sent).contains(text)) {
            *cut_after = None;
            self.is_cut_to_client.store(true, Ordering::SeqCst);
        }
    }

    /// Takes the message to hold out of these bytes. If they end with a part of it, that waits in `part` for the rest.
    fn hold(&self, part: &mut Vec<u8>, bytes: &mut Vec<u8>, server: &TcpStream) {
        let position = |bytes: &[u8], text: &str| bytes.windows(text.len()).position(|part| part == text.as_bytes());
        bytes.splice(0..0, part.drain(..));
        let mut hold_next = self.hold_next.lock().unwrap();
        let Some(text) = &*hold_next else { return };
        let Some(start) = position(bytes, text) else {
            let n_begun = (1..text.len()).rev().find(|n| bytes.ends_with(&text.as_bytes()[..*n])).unwrap_or(0);
            *part = bytes.split_off(bytes.len() - n_begun);
            return;
        };
        let end = position(&bytes[start..], "\r\n").map(|line_length| {
            let line = String::from_utf8_lossy(&bytes[start..start + line_length]).into_owned();
            let size: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
            start + line_length + 2 + size + 2
        });
        let Some(end) = end.filter(|end| *end <= bytes.len()) else {
            *part = bytes.split_off(start);
            return;
        };
        *hold_next = None;
        let message = bytes.drain(start..end).collect();
        *self.held.lock().unwrap() = Some((server.try_clone().unwrap(), message));
    }
}

fn wait_mended(is_cut: &AtomicBool) {
    while is_cut.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Forwards data in small parts, which arrive one after another. `before` gets each part first, and returns its delay.
fn forward(mut from: TcpStream, mut to: TcpStream, mut before: impl FnMut(&mut Vec<u8>) -> Duration + Send + 'static) {
    let (on_its_way, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
    let ends = [from.try_clone().unwrap(), to.try_clone().unwrap()];
    thread::spawn(move || {
        for (due, bytes) in arriving {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if bytes.is_empty() || to.write_all(&bytes).is_err() {
                break;
            }
        }
        for end in ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n) = from.read(&mut buffer) {
            let mut bytes = buffer[..n].to_vec();
            let delay = before(&mut bytes);
            // What was held is no end.
            let is_nothing = bytes.is_empty() && n > 0;
            if !is_nothing && on_its_way.send((Instant::now() + delay, bytes)).is_err() || n == 0 {
                break;
            }
        }
    });
}
