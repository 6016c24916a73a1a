//! An HTTP server whose connections are children of a task supervisor, and a layer that runs each request as a task.
//!
//! `axum::serve`, tonic and most programs on hyper start connections with `tokio::spawn`, and so run handlers on the threads of
//! tokio: a handler that computes for 2 s delays every connection of its thread by 2 s. [`serve`](serve()) starts connections
//! as processes of `cordial` instead, so that a handler may compute or block. It takes any service of `tower`, such as a
//! router of axum or a service of tonic, and any service of hyper.
//!
//! ```
//! use axum::{Router, routing::get};
//! use cordial::{Exit, Shutdown, Task, TaskSupervisor};
//! use cordial_http::TaskLayer;
//! use tokio::net::TcpListener;
//!
//! fn main() -> std::process::ExitCode {
//!     cordial::main(async {
//!         let requests = TaskSupervisor::builder().label("requests").max_children(1000).start();
//!         let app = Router::new().route("/", get(async || "hello")).layer(TaskLayer::new(requests));
//!         let listener = TcpListener::bind("127.0.0.1:0").await?;
//!         let address = listener.local_addr()?;
//!         let server = Task::spawn(async { cordial_http::serve(listener, app.into_make_service()).await });
//!         # fn fetch(url: String) -> Task<Result<String, std::io::Error>> {
//!         #     use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!         #     Task::spawn(async move {
//!         #         let address = url.trim_start_matches("http://");
//!         #         let mut stream = tokio::net::TcpStream::connect(address).await?;
//!         #         stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
//!         #         let mut answer = String::new();
//!         #         stream.read_to_string(&mut answer).await?;
//!         #         Ok(answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned())
//!         #     })
//!         # }
//!
//!         assert_eq!(fetch(format!("http://{address}")).or_exit().await?, "hello"); // a client
//!         server.shutdown(Shutdown::default()).await;
//!         Ok::<(), Exit>(())
//!     })
//! }
//! ```
//!
//! | service | as the second argument of [`serve`](serve()) |
//! |---|---|
//! | axum's `Router` | `app.into_make_service()`, or `app.into_make_service_with_connect_info::<SocketAddr>()` |
//! | any other service of `tower` that can be cloned, such as one of tonic (or several, in its `Routes`) | [`shared`]`(service)` |
//! | a service of hyper | [`shared`]`(`[`hyper_service`]`(service))` |
//! | a service for each connection | your own make-service: a `tower` service of the address of the client |
//!
//! # What runs where
//!
//! ```text
//!  process that awaits `serve`          accepts connections
//!    └─ task supervisor                 yours (`under`), or one that belongs to that process
//!         └─ process of a connection    HTTP/1: runs the handlers of its requests, one after another
//!              └─ process of a stream   HTTP/2: runs the handler of one request
//!  task supervisor of `TaskLayer`
//!    └─ task of a request               the handler, if it is below the layer; with a limit
//! ```
//!
//! | handler | without [`TaskLayer`] | with [`TaskLayer`] |
//! |---|---|---|
//! | computes or blocks | delays no other connection | the same |
//! | panics | event `crash`; the connection is closed (in HTTP/2, the stream is reset) | event `crash`; status 500 |
//! | takes too long | runs on | status 504 after the limit of 30 s; the task is shut down |
//! | runs while the client disconnects | is dropped | its task is shut down |
//! | is called while many others run | runs as well | status 503 if the supervisor is full |
//!
//! The body of a response is polled by the process of the connection or stream, not by the task.
//!
//! A client of HTTP/1 that closes its sending side before it has the whole response, as `nc -N` does, counts as a client that
//! disconnects, as under `axum::serve`: it gets no response.
//!
//! # Shutdown
//!
//! `.await`, by its call of `into_future`, opts the calling process in to graceful shutdown (see
//! [`cordial::shutdown_requested`]). When that process is asked to shut down, by Ctrl-C or SIGTERM through
//! [`cordial::main`], or by its owner or supervisor, the server
//!
//! 1. closes its listener, so that further clients are refused;
//! 2. closes the connections that have no request in flight, and gives a client that has begun to send headers 500 ms for the
//!    rest of them;
//! 3. answers what is in flight, in HTTP/1 with `connection: close`, for up to the [grace time](Serve::grace) of 4 s. A handler that
//!    runs in the process of a connection or of an HTTP/2 stream is notified, and may answer early;
//! 4. closes the other connections, and returns `Ok(())`.
//!
//! A request that has arrived on an accepted connection is in flight, even if the process of the connection has not run yet. A
//! connection is closed if it is still in the queue of the operating system, waits for other connections to end
//! (`max_connections`), or has not finished its handshake.
//!
//! As a child of a [`cordial::Supervisor`], the server is `ChildSpec::task("http", …)` with a
//! [`shutdown`](cordial::ChildSpec::shutdown) that is longer than its grace time. Under a `TaskSupervisor` that outlives the
//! server ([`under`](Serve::under)), connections answer what is in flight even if the process that accepts them crashes,
//! within the grace time.
//!
//! # Responses without an end
//!
//! A stream of events (SSE), or a streaming response of tonic, has to end by itself when the server stops. Otherwise it is cut off
//! after the grace time. Let its body call `shutdown_requested` when it is polled:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use axum::body::Body;
//! use futures::{Stream, StreamExt};
//!
//! fn until_shutdown(events: impl Stream<Item = Result<String, Infallible>> + Send + 'static) -> Body {
//!     Body::from_stream(events.take_until(async { cordial::shutdown_requested().await }))
//! }
//! ```
//!
//! The `async` block matters: it makes the call in the process that polls the body, which is that of the connection or of the HTTP/2
//! stream. A call in the handler belongs to the task of the request if there is a [`TaskLayer`]. That task ends with the headers of the
//! response. The future that the call has returned is then ready, so the body would end at once.
//!
//! # Clients that misbehave
//!
//! | a client that | limit | default |
//! |---|---|---|
//! | sends its headers slowly, nothing at all, or no further request on an open connection | [`header_limit`](Serve::header_limit): the connection is closed (in HTTP/2, even if the client answers pings) | 30 s |
//! | sends large headers or a long request line | [`max_header_bytes`](Serve::max_header_bytes): status 431, or 414 for the target of a request | 64 KiB |
//! | does not read | [`write_limit`](Serve::write_limit): the connection is closed; until then at most about 64 KiB and one piece of the body wait for it | 30 s |
//! | opens many connections | [`max_connections`](Serve::max_connections): further ones wait in the queue of the operating system | 10 000 |
//! | sends its body slowly | [`TaskLayer::limit`]: status 504 | 30 s |
//! | goes on sending a body (HTTP/1) that was refused, as with status 413 or 504 | the rest of the body is discarded for a moment, so that the client gets the response; then the connection is closed | 500 ms |
//! | sends a large body | the limits of your service, such as `axum::extract::DefaultBodyLimit` | 2 MB in axum |
//! | disappears without closing its connection, in HTTP/2 | a ping after 30 s, which it has 20 s to answer | |
//! | disappears without closing its connection, on TCP | `SO_KEEPALIVE`: after 30 s without data, the system sends a probe every 10 s; by default, Linux closes the connection after 9 probes without an answer | |
//!
//! HTTP/2 has a flow control for each stream: if a client answers pings, but does not enlarge the window of a stream, that stream
//! stays open until its connection ends. A connection has at most 200 streams, and for each of them at most about 64 KiB and one piece of the
//! body wait for the client.
//!
//! # What stays on the threads of tokio
//!
//! What a library starts with `tokio::spawn` does not run in a process, and must neither compute nor block. In axum that is
//! the callback of `WebSocketUpgrade::on_upgrade`: start a process there with [`cordial::Task::start`] and await its end.
//! Code that blocks a thread of tokio is reported as the event `io_threads_stuck`, after 100 ms, with the number of
//! threads (see the [events of `cordial`](cordial#events)).
//!
//! # Upgrades
//!
//! If code takes over the stream of a connection, with `hyper::upgrade::on` or a library for WebSockets, start a process of its
//! own for it, with [`cordial::TaskSupervisor::start_child`] or [`cordial::Task::start`]: the task of a request ends with its
//! response, and then asks the tasks that it owns to shut down. The stream counts as a connection until it is
//! dropped. The limits do not apply to it, and a server that stops does not wait for it.
//!
//! In HTTP/2 a single stream is upgraded (extended CONNECT), and the connection goes on. So the upgraded stream is one of the
//! 200 of its connection until it is dropped, and ends with the connection. While that stream is open, the limit on idle
//! connections does not apply, and a server that stops waits for the stream as for any other, up to the grace time.
//!
//! # Events
//!
//! Events of `tracing`, with targets that begin with `cordial_http`:
//!
//! | event | level | fields |
//! |---|---|---|
//! | `accept_failed`: the listener returned an error, such as too many open files; the server waits up to 500 ms and tries again | warn, at most one a second | error, left_out (errors since the last event) |
//! | `connection_cut_off`: the grace time was over before a request was answered | warn | |
//! | `client_too_slow`: a connection is closed because its client exceeded a limit, or sent no request for as long as `header_limit` | debug | limit (`header_limit` or `write_limit`) |
//! | `connection_failed`: a connection ended with an error: the client closed it in the middle of a request, sent something other than HTTP, or did not answer a ping; or the handshake or the make-service failed | debug | error |
//!
//! A panic is the event `crash` of `cordial`. The label of that event is the address of the client, for streams of HTTP/2 as well,
//! or with [`TaskLayer`] the method and the path of the request.

mod hyper_service;
mod listener;
mod make;
mod serve;
mod task_layer;

pub use hyper_service::{HyperService, hyper_service};
pub use listener::Listener;
pub use make::{Shared, shared};
pub use serve::{Direct, Serve, Serving, serve};
pub use task_layer::{TaskFuture, TaskLayer, TaskService};

/// The programs in the README, as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Page;
