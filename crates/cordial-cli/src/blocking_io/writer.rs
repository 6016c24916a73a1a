//! Writes to a standard stream on a thread of its own.

use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::thread::start_thread;
use crate::system::{self, Descriptor};

/// The maximum number of bytes in a request.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Writes to a standard stream on a thread of its own, so that a slow reader of the stream blocks no task.
///
/// The first write starts the thread. If the system refuses the thread, each write blocks its caller instead, so that a program that
/// can start no more threads still prints its last messages.
pub(crate) struct Writer<W> {
    /// Returns the stream. Called once: by the thread that writes, or if the system refuses this thread, by the first write.
    stream: fn() -> W,
    state: WriterState<W>,
}

enum WriterState<W> {
    New,
    OnThread(WriterThread),
    /// The system has refused the thread.
    Direct(W),
}

/// The channels to the thread that writes.
struct WriterThread {
    requests: Sender<Vec<u8>>,
    /// One reply for each request. If the write succeeded, the reply returns the buffer of the request, emptied.
    replies: UnboundedReceiver<io::Result<Vec<u8>>>,
    in_flight: InFlight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InFlight {
    None,
    One,
}

impl<W: Write + Descriptor + 'static> Writer<W> {
    pub(crate) fn new(stream: fn() -> W) -> Writer<W> {
        Writer { stream, state: WriterState::New }
    }

    fn start(&mut self) {
        if matches!(self.state, WriterState::New) {
            self.state = match WriterThread::start(self.stream) {
                Ok(thread) => WriterState::OnThread(thread),
                Err(_) => WriterState::Direct((self.stream)()),
            };
        }
    }
}

impl WriterThread {
    fn start<W: Write + Descriptor + 'static>(stream: fn() -> W) -> io::Result<WriterThread> {
        let (requests, received) = channel();
        // Both channels are unbounded, but hold at most one item, because a request is sent only after the reply to the previous one.
        let (replied, replies) = unbounded_channel();
        start_thread("cordial-output", move || serve(stream(), &received, &replied))?;
        Ok(WriterThread { requests, replies, in_flight: InFlight::None })
    }

    /// Waits for the reply to the request in flight, if there is one. Returns an empty buffer for the next request: the buffer from this reply,
    /// or a new one if no request was in flight.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        if self.in_flight == InFlight::None {
            return Poll::Ready(Ok(Vec::new()));
        }
        let reply = ready!(self.replies.poll_recv(cx));
        self.in_flight = InFlight::None;
        Poll::Ready(reply.unwrap_or_else(|| Err(thread_has_ended())))
    }
}

fn thread_has_ended() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

/// Runs the thread that writes.
fn serve(
    mut stream: impl Write + Descriptor,
    requests: &Receiver<Vec<u8>>,
    replies: &UnboundedSender<io::Result<Vec<u8>>>,
) {
    while let Ok(mut bytes) = requests.recv() {
        let written = write_all(&mut stream, &bytes);
        bytes.clear();
        if replies.send(written.map(|()| bytes)).is_err() {
            return;
        }
    }
}

/// Writes all bytes and flushes the stream. Blocks while the stream has no room.
///
/// # Errors
///
/// If the stream fails or accepts no bytes.
pub(crate) fn write_all(stream: &mut (impl Write + Descriptor), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The program may have inherited a stream that is in nonblocking mode.
            Err(error) if error.kind() == ErrorKind::WouldBlock => system::wait_until_writable(stream)?,
            Err(error) => return Err(error),
        }
    }
    stream.flush()
}

impl<W: Write + Descriptor + Unpin + 'static> AsyncWrite for Writer<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.start();
        match &mut this.state {
            WriterState::OnThread(thread) => {
                let mut request = ready!(thread.poll_reply(cx))?;
                let n = bytes.len().min(MAX_REQUEST_BYTES);
                request.extend_from_slice(&bytes[..n]);
                thread.requests.send(request).map_err(|_| thread_has_ended())?;
                thread.in_flight = InFlight::One;
                Poll::Ready(Ok(n))
            }
            WriterState::Direct(stream) => Poll::Ready(write_all(stream, bytes).map(|()| bytes.len())),
            WriterState::New => unreachable!("it was started above"),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            WriterState::OnThread(thread) => thread.poll_reply(cx).map(|reply| reply.map(drop)),
            WriterState::Direct(_) | WriterState::New => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
