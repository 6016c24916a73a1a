//! How long a client may take to send its headers and to accept a response.
//!
//! A timer for each request could cost more than the request itself. So the process of a connection has one timer, which is
//! not armed anew when a deadline changes. When it is armed, it is set to the earliest deadline, or to now plus the shorter of the two limits
//! if that is earlier. A deadline that is set afterwards is at least that far away, so the timer is never late. Only
//! `shorten_header_limit` sets an earlier one, and has the timer armed anew.
//!
//! | deadline | set | cleared |
//! |---|---|---|
//! | headers | when the process of the connection starts; in HTTP/1 also when the previous response has been written; in HTTP/2 also when the last open stream has ended, and anew whenever the client accepts more of a response | when a request has arrived |
//! | write | when the client does not accept data | when it accepts some |
//!
//! The process of an HTTP/2 stream ends when it has handed the whole response to the library `h2`, which may still be sending
//! it. So a connection without an open stream is not idle while its client accepts data.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Method, Request, header};
use http_body::Body;
use hyper::rt::{Sleep, Timer};
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio::time::{Instant, sleep_until};

/// No deadline is set.
const NONE: u64 = u64::MAX;

/// The deadlines of one connection, in nanoseconds since its process has started. Only that process writes and reads them, with
/// two exceptions. Code that has taken over the connection may write the write deadline as well, but then nothing reads it any
/// more. The processes of HTTP/2 streams write the deadline for headers, under the lock of `streams`.
#[derive(Debug)]
pub(super) struct ClientLimits {
    started: Instant,
    header_limit: Duration,
    write_limit: Duration,
    headers_until: AtomicU64,
    write_until: AtomicU64,
    /// Whether the limit on headers was shortened because the server stops.
    is_stopping: AtomicBool,
    /// An [`Input`].
    input: AtomicU8,
    /// The upgrade to HTTP/2 (`h2c`) that the client has asked for, and that the server ignores.
    ignored_upgrade: Mutex<Option<OnUpgrade>>,
    streams: Mutex<Streams>,
}

/// What a connection knows about data that its client may be sending, and that the server has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Input {
    /// Nothing is known: the connection is one of HTTP/2, or its version is not known yet, or it may be upgraded.
    Unknown,
    /// HTTP/1: there are no such data. The client waits, or begins to send the next headers.
    None,
    /// HTTP/1: headers that have not arrived, or a body whose remaining parts may be in transit.
    Possible,
}

/// The streams of an HTTP/2 connection.
#[derive(Debug, Default)]
struct Streams {
    n_open: usize,
    /// Whether a stream has ever been open.
    have_begun: bool,
}

/// A stream of an HTTP/2 connection that has not ended.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<ClientLimits>);

/// A limit that a client exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExceededLimit {
    Header,
    /// An HTTP/2 connection had no open stream for as long as a client may take to send headers.
    Idle,
    Write,
}

impl ClientLimits {
    /// Starts the limit on the first headers.
    pub(super) fn new(header_limit: Duration, write_limit: Duration) -> Arc<ClientLimits> {
        let limits = ClientLimits {
            started: Instant::now(),
            header_limit,
            write_limit,
            headers_until: AtomicU64::new(NONE),
            write_until: AtomicU64::new(NONE),
            is_stopping: AtomicBool::new(false),
            input: AtomicU8::new(Input::Unknown as u8),
            ignored_upgrade: Mutex::default(),
            streams: Mutex::default(),
        };
        limits.start(&limits.headers_until, header_limit);
        Arc::new(limits)
    }

    /// Sets a deadline, unless it is set.
    fn start(&self, deadline: &AtomicU64, limit: Duration) {
        if deadline.load(Ordering::Relaxed) == NONE {
            deadline.store(nanoseconds(self.started.elapsed().saturating_add(limit)), Ordering::Relaxed);
        }
    }

    fn set_input(&self, input: Input) {
        self.input.store(input as u8, Ordering::Relaxed);
    }

    /// Returns whether the client may be sending something that will not be read.
    pub(super) fn may_be_sending(&self) -> bool {
        self.input.load(Ordering::Relaxed) == Input::Possible as u8
    }

    /// Notes that a connection of HTTP/1 waits for the next headers.
    fn waits_for_headers(&self) {
        self.set_input(Input::None);
        self.start(&self.headers_until, self.header_limit);
    }

    /// Notes that a request has arrived.
    pub(super) fn request_arrived<B: Body>(&self, request: &mut Request<B>) {
        self.headers_arrived();
        if self.input.load(Ordering::Relaxed) == Input::Unknown as u8 {
            return;
        }
        let upgrade = request.headers().get(header::UPGRADE);
        let is_ignored = upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"h2c"));
        // The code that takes over a connection reads for itself.
        let may_be_upgraded = request.method() == Method::CONNECT || upgrade.is_some() && !is_ignored;
        if is_ignored {
            *self.ignored_upgrade.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(hyper::upgrade::on(&mut *request));
        }
        self.set_input(match () {
            () if may_be_upgraded => Input::Unknown,
            () if request.body().is_end_stream() => Input::None,
            () => Input::Possible,
        });
    }

    /// Returns the stream of a connection that has ended, if hyper has handed it over to an upgrade that is ignored.
    ///
    /// hyper hands over each connection whose client has asked for an upgrade, whatever the response was, and does not close it.
    pub(super) fn stream_of_ignored_upgrade(&self) -> Option<Upgraded> {
        let mut upgrade = self.ignored_upgrade.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        // hyper hands the stream over before the connection ends, or never.
        match Pin::new(&mut upgrade).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(stream)) => Some(stream),
            _ => None,
        }
    }

    /// Clears the deadline for headers, because a request has arrived.
    pub(super) fn headers_arrived(&self) {
        self.headers_until.store(NONE, Ordering::Relaxed);
    }

    /// Counts a stream of HTTP/2 that begins. The limit on headers starts anew when the last stream has ended.
    pub(super) fn stream_begins(self: &Arc<ClientLimits>) -> OpenStream {
        let mut streams = self.streams();
        streams.n_open += 1;
        streams.have_begun = true;
        self.headers_arrived();
        OpenStream(self.clone())
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the limit on headers anew.
    pub(super) fn restart_header_limit(&self) {
        self.headers_arrived();
        self.start(&self.headers_until, self.header_limit);
    }

    /// Notes that the client has accepted data, which may belong to the response of an HTTP/2 stream whose process has ended.
    pub(super) fn data_accepted(&self) {
        if self.headers_until.load(Ordering::Relaxed) == NONE {
            return;
        }
        let streams = self.streams();
        if streams.have_begun && streams.n_open == 0 {
            self.restart_header_limit();
        }
    }

    /// Notes that the client has sent data. In HTTP/1, more of them may be on their way. When the server stops, this shows that an
    /// HTTP/2 client is still there.
    pub(super) fn data_received(&self) {
        if self.input.load(Ordering::Relaxed) == Input::None as u8 {
            self.set_input(Input::Possible);
        }
        if self.is_stopping.load(Ordering::Relaxed) {
            self.data_accepted();
        }
    }

    /// Shortens the limit on headers that have not arrived. To be followed by a new call of
    /// [`exceeded`](ClientLimits::exceeded).
    ///
    /// An HTTP/2 client may still be receiving a response: it has the whole limit again once it sends something, such as the
    /// answer to the ping with which a graceful shutdown begins. If it is idle, that answer ends the connection.
    pub(super) fn shorten_header_limit(&self, limit: Duration) {
        let streams = self.streams();
        self.is_stopping.store(true, Ordering::Relaxed);
        if streams.have_begun && self.write_until.load(Ordering::Relaxed) != NONE {
            // The ping waits behind the response.
            return;
        }
        let until = self.headers_until.load(Ordering::Relaxed);
        if until != NONE {
            let earlier = nanoseconds(self.started.elapsed().saturating_add(limit));
            self.headers_until.store(until.min(earlier), Ordering::Relaxed);
        }
    }

    /// Starts the limit on writes, because the client does not accept data.
    pub(super) fn write_is_blocked(&self) {
        self.start(&self.write_until, self.write_limit);
    }

    /// Clears the deadline for writes, because the client has accepted data.
    pub(super) fn write_succeeded(&self) {
        self.write_until.store(NONE, Ordering::Relaxed);
    }

    /// Waits until the client exceeds a limit.
    pub(super) async fn exceeded(&self) -> ExceededLimit {
        let shortest = self.header_limit.min(self.write_limit);
        loop {
            let now = nanoseconds(self.started.elapsed());
            let (headers, write) =
                (self.headers_until.load(Ordering::Relaxed), self.write_until.load(Ordering::Relaxed));
            if headers <= now {
                return if self.streams().have_begun { ExceededLimit::Idle } else { ExceededLimit::Header };
            } else if write <= now {
                return ExceededLimit::Write;
            }
            let next = headers.min(write).min(now.saturating_add(nanoseconds(shortest)));
            match self.started.checked_add(Duration::from_nanos(next)) {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let OpenStream(limits) = self;
        let mut streams = limits.streams();
        streams.n_open -= 1;
        if streams.n_open == 0 {
            limits.start(&limits.headers_until, limits.header_limit);
        }
    }
}

/// Never returns `NONE` for a limit that can pass: 2^64 ns are 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NONE)
}

/// The timer that hyper uses for the headers of HTTP/1: it sets the deadline and never fires, because
/// [`ClientLimits::exceeded`] ends the connection first.
#[derive(Debug)]
pub(super) struct HeaderTimer(pub(super) Arc<ClientLimits>);

impl Timer for HeaderTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.waits_for_headers();
        Box::pin(NeverFires)
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::MAX)
    }

    fn now(&self) -> std::time::Instant {
        // hyper only adds the limit to this time.
        self.0.started.into_std()
    }
}

#[derive(Debug)]
struct NeverFires;

impl Future for NeverFires {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for NeverFires {}
