//! The endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, OriginalUri, Path, Query, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cordial::Pid;
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::actions::act;
use super::assets::{self, ASSETS, Asset};
use super::events::events;
use super::guard::guard;
use super::reply::{Refusal, json};
use super::session::{Caller, authorized, check_token, cookie};
use crate::answer::{self, NoDetail, Pattern, TaskQuery, TreeQuery};
use crate::clock::in_ms;
use crate::collector::{Collector, Refused};
use crate::shared::{ObserverShared, Unavailable};
use crate::source::shortened;
use crate::view::List;

type RouteResult = Result<Response, Refusal>;
type Observed = State<Arc<ObserverShared>>;
type Segment = Result<Path<String>, PathRejection>;

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 4096;

/// How long a client may take for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the router of an observer.
pub(crate) fn router(shared: Arc<ObserverShared>) -> Router {
    let data = Router::new()
        .route("/api/overview", get(overview))
        .route("/api/events", get(stream_of_events))
        .route("/api/tree", get(tree))
        .route("/api/tasks", get(tasks))
        .route("/api/tasks/{pid}", get(task_detail))
        .route("/api/streams", get(streams))
        .route("/api/servers", get(servers))
        .route("/api/task_sets", get(task_sets))
        .route("/api/connections", get(connections))
        .route("/api/crashes", get(crashes))
        .route("/api/crashes/{n}", get(crash))
        .route("/api/long_polls", get(long_polls))
        .route("/api/warnings", get(warnings))
        .route("/api/audit", get(audit))
        .route("/api/actions", post(action))
        .route("/metrics", get(metrics))
        .route("/dump", get(dump))
        .layer(from_fn_with_state(shared.clone(), authorized));
    // The files of the page hold no data. The page shows a form for the token, which `/session` takes.
    let page = Router::new().route("/", get(index)).route("/session", post(session)).route("/{asset}", get(asset));
    data.merge(page)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

#[derive(Debug, Deserialize)]
struct IndexQuery {
    token: Option<String>,
}

/// Answers with the page. If clients need a token, and the address has one (`?token=`), exchanges the token for a cookie and removes the
/// token from the address.
async fn index(State(shared): Observed, OriginalUri(uri): OriginalUri, request: Request) -> RouteResult {
    // Below a prefix, the links of the page and its cookie are relative to the prefix with a slash.
    if !uri.path().ends_with('/') {
        let last = uri.path().rsplit('/').next().unwrap_or_default();
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return Ok(redirect(&format!("{last}/{query}")));
    }
    let query: IndexQuery = query(request.uri())?;
    if let Some(token) = query.token.filter(|_| shared.options.needs_token) {
        let (parts, _) = request.into_parts();
        // The page shows the failure as a sentence. The browser would show the JSON of a refusal as it is.
        match check_token(&shared, &parts, &token).await {
            Ok(()) => {}
            Err(refusal) if refusal.status() == StatusCode::UNAUTHORIZED => return Ok(redirect("./#wrong-token")),
            Err(_) => return Ok(redirect("./#unchecked-token")),
        }
        let mut response = redirect("./");
        response.headers_mut().insert(header::SET_COOKIE, cookie(&shared));
        return Ok(response);
    }
    Ok(file(&ASSETS[0]))
}

fn redirect(to: &str) -> Response {
    match HeaderValue::try_from(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn asset(name: Segment) -> RouteResult {
    let name = text_of(name)?;
    assets::find(&name).map(file).ok_or_else(|| not_found(&name))
}

fn file(asset: &'static Asset) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime))], asset.text).into_response()
}

#[derive(Deserialize)]
struct Session {
    token: String,
}

/// Exchanges a token for a cookie. If only an authorizer decides, every text is accepted as a token, and the cookie has no effect.
async fn session(State(shared): Observed, request: Request) -> RouteResult {
    let (parts, body) = request.into_parts();
    let Session { token } = read(&shared, &parts, body).await?;
    if shared.options.needs_token {
        check_token(&shared, &parts, &token).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(&shared))]).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OverviewQuery {
    history: Option<String>,
}

async fn overview(State(shared): Observed, Extension(caller): Extension<Caller>, uri: Uri) -> RouteResult {
    let query: OverviewQuery = query(&uri)?;
    let with_history = query.history.as_deref() != Some("none");
    let csrf = shared.options.secret.csrf();
    let answer = shared.ask(move |shared, collector| {
        answer::overview(collector, &shared.identity, shared.dropped(), (caller.rights, csrf), with_history)
    });
    Ok(json(StatusCode::OK, &answer.await?))
}

async fn stream_of_events(State(shared): Observed) -> RouteResult {
    events(&shared).await
}

async fn tree(State(shared): Observed, uri: Uri) -> RouteResult {
    let query: TreeQuery = query(&uri)?;
    let answer = shared.ask(move |_, collector| {
        let scan = collector.scan();
        answer::tree(&scan, &collector.inspector, &query, in_ms(collector.refresh()))
    });
    Ok(json(StatusCode::OK, &answer.await??))
}

async fn tasks(State(shared): Observed, uri: Uri) -> RouteResult {
    let query: TaskQuery = query(&uri)?;
    let answer = shared.ask(move |_, collector| {
        let scan = collector.scan();
        answer::tasks(&scan, &collector.inspector, &query, in_ms(collector.refresh()))
    });
    Ok(json(StatusCode::OK, &answer.await??))
}

async fn task_detail(State(shared): Observed, Extension(caller): Extension<Caller>, pid: Segment) -> RouteResult {
    let pid = text_of(pid)?;
    let unknown = format!("there is no process {pid}: it has ended, or there never was one");
    let Ok(pid) = pid.parse::<Pid>() else { return Err(Refusal::new(StatusCode::NOT_FOUND, unknown)) };
    let answer = shared.ask(move |shared, collector| {
        let lines = shared.options.log_lines.as_ref();
        answer::task_detail(collector, pid, caller.rights, lines)
    });
    match answer.await? {
        Ok(mut detail) => {
            (detail.details, detail.note) = described(&shared, pid).await;
            Ok(json(StatusCode::OK, &detail))
        }
        Err(NoDetail::Ended(ended)) => {
            Err(Refusal::ended(format!("the process {pid} has ended: {}", ended.exit), ended))
        }
        Err(NoDetail::Unknown) => Err(Refusal::new(StatusCode::NOT_FOUND, unknown)),
        Err(NoDetail::LeftOut) => {
            let error = format!("the process {pid} lives, but the program has more processes than the observer lists");
            Err(Refusal::new(StatusCode::NOT_FOUND, error))
        }
    }
}

/// How much of the text of the formatter is sent, in bytes.
const MAX_NOTE: usize = 16 * 1024;

/// Returns the lines that a process shows about itself, and what the formatter of the program says about it. Both come from code of the
/// program. The code runs without the lock, on a thread of its own, and the answer waits for it for a limited time.
async fn described(shared: &Arc<ObserverShared>, pid: Pid) -> (Vec<String>, Option<String>) {
    let own = shared.clone();
    // The wait is on the thread of the observer, because a runtime of the program may have no timers.
    let described = shared.thread.spawn(async move {
        let inspector = own.collector().inspector.clone();
        let info = match own.program_code.details.call(pid, move || inspector.info(pid).map(Arc::new)).await {
            Ok(Some(info)) => info,
            // The process has ended meanwhile.
            Ok(None) => return (Vec::new(), None),
            Err(unanswered) => return (vec![unanswered.sentence("the closure of set_details")], None),
        };
        let details = answer::shown_details(&info.details);
        if own.options.formatter.is_none() {
            return (details, None);
        }
        let formats = own.clone();
        let format = move || {
            let text = formats.options.formatter.as_ref().and_then(|formatter| formatter(&info));
            text.map(|text| shortened(&text, MAX_NOTE))
        };
        let note = own.program_code.notes.call(pid, format).await;
        let note = note.unwrap_or_else(|unanswered| Some(unanswered.sentence("the function of Builder::describe")));
        (details, note)
    });
    described.await.unwrap_or_default()
}

/// The parameters of the lists other than those of tasks and the tree.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PartQuery {
    text: Option<String>,
    place: Option<String>,
    offset: usize,
    limit: Option<usize>,
}

impl PartQuery {
    fn limit(&self) -> usize {
        answer::limit(self.limit)
    }
}

/// Answers with a part of a list that `all` makes.
async fn list<T: serde::Serialize + Send + 'static>(
    shared: &Arc<ObserverShared>,
    uri: &Uri,
    all: impl FnOnce(&mut Collector) -> Vec<T> + Send + 'static,
) -> RouteResult {
    let query: PartQuery = query(uri)?;
    let answer = shared.ask(move |_, collector| {
        let (rows, at_ms) = (all(collector), collector.clock.now_ms());
        List::part_of(rows, query.offset, query.limit(), at_ms, in_ms(collector.refresh()))
    });
    Ok(json(StatusCode::OK, &answer.await?))
}

async fn streams(State(shared): Observed, uri: Uri) -> RouteResult {
    list(&shared, &uri, answer::streams).await
}

async fn task_sets(State(shared): Observed, uri: Uri) -> RouteResult {
    list(&shared, &uri, |collector| answer::task_sets(collector)).await
}

async fn servers(State(shared): Observed, uri: Uri) -> RouteResult {
    let query: PartQuery = query(&uri)?;
    let answer = shared.ask(move |_, collector| {
        let scan = collector.scan();
        answer::servers(&scan, &collector.inspector, query.offset, query.limit(), in_ms(collector.refresh()))
    });
    Ok(json(StatusCode::OK, &answer.await?))
}

async fn connections(State(shared): Observed, uri: Uri) -> RouteResult {
    let query: PartQuery = query(&uri)?;
    let answer = shared.ask(move |_, collector| {
        let scan = collector.scan();
        answer::connections(&scan, &collector.inspector, query.offset, query.limit(), in_ms(collector.refresh()))
    });
    Ok(json(StatusCode::OK, &answer.await?))
}

async fn long_polls(State(shared): Observed, uri: Uri) -> RouteResult {
    list(&shared, &uri, |collector| {
        let scan = collector.seen();
        answer::long_polls(collector, &scan)
    })
    .await
}

async fn warnings(State(shared): Observed, uri: Uri) -> RouteResult {
    list(&shared, &uri, |collector| collector.warner.current().to_vec()).await
}

async fn audit(State(shared): Observed, uri: Uri) -> RouteResult {
    list(&shared, &uri, |collector| collector.audit.entries()).await
}

async fn crashes(State(shared): Observed, uri: Uri) -> RouteResult {
    let query: PartQuery = query(&uri)?;
    let pattern = Pattern::new(query.text.as_deref())?;
    let answer = shared.ask(move |_, collector| {
        collector.crashes.list(query.offset, query.limit(), &|crash| {
            let texts = [Some(&crash.message), Some(&crash.place), Some(&crash.pid), crash.label.as_ref()];
            query.place.as_ref().is_none_or(|place| crash.place.starts_with(place))
                && texts.into_iter().flatten().any(|text| pattern.matches(text))
        })
    });
    Ok(json(StatusCode::OK, &answer.await?))
}

async fn crash(State(shared): Observed, n: Segment) -> RouteResult {
    let n = text_of(n)?;
    let unknown = format!("there is no crash {n} in the log: it keeps the most recent 1000");
    let n: u64 = n.parse().map_err(|_| Refusal::new(StatusCode::NOT_FOUND, unknown.clone()))?;
    let answer = shared.ask(move |shared, collector| {
        let scan = collector.scan();
        collector.crashes.detail(n, &scan, shared.options.log_lines.as_ref(), &collector.clock)
    });
    match answer.await? {
        Some(detail) => Ok(json(StatusCode::OK, &detail)),
        None => Err(Refusal::new(StatusCode::NOT_FOUND, unknown)),
    }
}

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

async fn metrics(State(shared): Observed) -> RouteResult {
    let text = shared.ask(|shared, collector| answer::metrics(collector, shared.dropped())).await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

async fn dump(State(shared): Observed) -> RouteResult {
    let text = shared.ask_dump().await?;
    Ok(([(header::CONTENT_TYPE, PLAIN_TEXT)], text).into_response())
}

/// Carries out an action, on the thread of the observer.
async fn action(State(shared): Observed, Extension(caller): Extension<Caller>, request: Request) -> RouteResult {
    let (parts, body) = request.into_parts();
    let csrf = parts.headers.get("x-cordial-csrf").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if caller.by_cookie && !shared.options.secret.is_csrf(csrf) {
        let error = "the request has no valid x-cordial-csrf header: load the page again";
        shared.audit_refusal(caller.who, Refused::Request(error.to_owned()));
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
    let request = read(&shared, &parts, body).await?;
    let acted = shared.thread.spawn(act(shared.clone(), caller, request));
    let answer = acted.await.map_err(|_| Unavailable)??;
    Ok(json(StatusCode::OK, &answer))
}

/// Reads the last part of a path.
fn text_of(segment: Segment) -> Result<String, Refusal> {
    let invalid = |_| Refusal::new(StatusCode::BAD_REQUEST, "the path of the address is not valid UTF-8");
    segment.map(|Path(text)| text).map_err(invalid)
}

/// Reads the parameters in an address.
fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    match Query::<T>::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => {
            let text = rejection.body_text();
            let reason = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the parameters of the address are not valid: {reason}")))
        }
    }
}

/// Reads a body of JSON, on the thread of the observer: a runtime of the program may have no timers.
async fn read<T: DeserializeOwned>(
    shared: &Arc<ObserverShared>,
    parts: &http::request::Parts,
    body: Body,
) -> Result<T, Refusal> {
    let mime = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if mime.split(';').next().is_none_or(|mime| !mime.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    let too_large = || {
        let error = format!("the body is larger than {MAX_BODY} bytes, or was cut off");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    // A body that is known to be too large is not waited for.
    if http_body::Body::size_hint(&body).lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let too_late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s");
    let reading = async move { tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await };
    let bytes = shared.thread.spawn(reading).await.map_err(|_| Unavailable)?.map_err(|_| too_late())?;
    let bytes = bytes.map_err(|_| too_large())?;
    let invalid = |error| Refusal::new(StatusCode::BAD_REQUEST, format!("the body is not what is expected: {error}"));
    serde_json::from_slice(&bytes).map_err(invalid)
}

async fn unknown(uri: Uri) -> Refusal {
    not_found(uri.path().trim_start_matches('/'))
}

fn not_found(name: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("the observer has no page or file `{name}`"))
}

async fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take requests of this method")
}
