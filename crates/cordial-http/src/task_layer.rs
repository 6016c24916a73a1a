//! `TaskLayer`: each request as a task.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cordial::{Exit, Task, TaskSupervisor, Timeout, process};
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

/// The default limit of a request.
const DEFAULT_LIMIT: Duration = Duration::from_secs(30);

/// The longest path and the longest method in a label, in bytes.
const LONGEST_PATH: usize = 100;
const LONGEST_METHOD: usize = 20;

/// A layer of `tower` that runs each request as a task of `cordial`, under a task supervisor and with a limit.
///
/// | the handler | status of the response | the task |
/// |---|---|---|
/// | returns | what it returns; an `Err` is passed on | |
/// | panics | 500 | emits `crash` |
/// | exceeds the [`limit`](TaskLayer::limit) | 504 | is asked to shut down |
/// | does not run, because the supervisor is full, stopping or ended | 503 | is not started; emits `refused` |
/// | is killed or asked to shut down by others | 503 | |
/// | ends with [`cordial::exit`] | 504 for `Timeout`, 503 for `Refused`, `Shutdown` and `Killed`, 500 otherwise | |
///
/// Responses for failures have an empty body, which has to be the [`Default`] of the type of the body, as it is for the bodies
/// of axum, tonic and `http_body_util`. They carry the [`Exit`] as an extension, for an outer layer that makes a body of its own.
///
/// A task that is asked to shut down ends at its next await, unless it has opted in to graceful shutdown; a handler
/// that computes for long without an await can call [`cordial::checkpoint`]. The task is also asked when its response is not needed any more: the
/// client is gone, or an outer layer has dropped the future.
///
/// The label of a task is the method and the path of the request, at most 20 bytes of the method and 100 of the path, and without
/// the query, so that crashes and snapshots show which request it is. The task polls the handler and all that is below the layer; the process of the
/// connection, or of the HTTP/2 stream, polls the body of the response. A body without an end must not use a `shutdown_requested()` of the
/// handler: see [the crate page](crate#responses-without-an-end).
///
/// Put the layer around the handlers that compute, and inside the layers that have to see its responses, such as a trace layer. The service
/// below the layer has to be [`Clone`]. To give one route another limit, give it a layer of its own.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use axum::{Router, http::StatusCode, response::{IntoResponse, Response}, routing::get};
/// use cordial::{Exit, TaskSupervisor};
/// use cordial_http::TaskLayer;
///
/// /// Gives the responses of failures a body.
/// async fn explain(response: Response) -> Response {
///     match response.extensions().get() {
///         Some(Exit::Timeout(_)) => (StatusCode::GATEWAY_TIMEOUT, "this took too long").into_response(),
///         _ => response,
///     }
/// }
///
/// fn app(requests: TaskSupervisor) -> Router {
///     Router::new()
///         .route("/", get(|| async { "hello" }))
///         .layer(TaskLayer::new(requests).limit(Duration::from_secs(10)))
///         .layer(axum::middleware::map_response(explain))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TaskLayer {
    tasks: TaskSupervisor,
    limit: Timeout,
}

impl TaskLayer {
    /// Returns a layer whose tasks run under this supervisor. Set its
    /// [`max_children`](cordial::TaskSupervisorBuilder::max_children) to limit how many requests run at once.
    ///
    /// The supervisor has to live as long as the server. Start it in the process that awaits the server: when that process is
    /// asked to shut down, the server answers what is in flight before the supervisor ends with that process. If the supervisor belongs to
    /// another process, such as the parent, it ends with that process, and the requests in flight are answered with 503.
    pub fn new(tasks: TaskSupervisor) -> TaskLayer {
        TaskLayer { tasks, limit: Timeout::After(DEFAULT_LIMIT) }
    }

    /// Sets how long a request may take, from its headers to the headers of its response. Default: 30 s. To have no limit, pass
    /// [`Timeout::Infinity`].
    pub fn limit(self, limit: impl Into<Timeout>) -> TaskLayer {
        TaskLayer { limit: limit.into(), ..self }
    }
}

impl<S> Layer<S> for TaskLayer {
    type Service = TaskService<S>;

    fn layer(&self, inner: S) -> TaskService<S> {
        TaskService { inner, layer: self.clone() }
    }
}

/// The service that [`TaskLayer`] makes of another one.
#[derive(Clone, Debug)]
pub struct TaskService<S> {
    inner: S,
    layer: TaskLayer,
}

impl<S, B, R> Service<Request<B>> for TaskService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = TaskFuture<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> TaskFuture<R, S::Error> {
        // The service that was ready is the one that must be called; its clone may not be ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let task = self.layer.tasks.spawn(async move {
            process::set_label(label(&request));
            inner.call(request).await
        });
        TaskFuture { task: task.timeout(self.layer.limit) }
    }
}

/// Returns the label of a request: its method and its path, without the query, which may hold secrets.
fn label<B>(request: &Request<B>) -> String {
    [cut(request.method().as_str(), LONGEST_METHOD), " ", cut(request.uri().path(), LONGEST_PATH)].concat()
}

/// Returns the beginning of a text, at most this many bytes.
fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The response of a request that runs as a task. Dropping it asks the task to shut down.
#[must_use = "dropping the future shuts the task down"]
pub struct TaskFuture<R, E> {
    task: Task<Result<Response<R>, E>>,
}

impl<R: Default + Send, E: Send> Future for TaskFuture<R, E> {
    type Output = Result<Response<R>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.task).poll(cx));
        Poll::Ready(result.unwrap_or_else(|exit| Ok(failed(exit))))
    }
}

impl<R, E> fmt::Debug for TaskFuture<R, E>
where
    R: Send,
    E: Send,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskFuture").field("task", &self.task.pid()).finish()
    }
}

/// Returns the response of a request whose task has no value.
fn failed<R: Default>(exit: Exit) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = status(&exit);
    response.extensions_mut().insert(exit);
    response
}

fn status(exit: &Exit) -> StatusCode {
    match exit {
        Exit::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        // Nothing is wrong with the request: its task was not started, or was ended from outside.
        Exit::Refused(_) | Exit::Shutdown(_) | Exit::Killed => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
