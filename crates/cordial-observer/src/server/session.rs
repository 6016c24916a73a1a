//! Decides by the token, the cookie and the authorizer whether a client has access, and which actions it may request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::accept::Client;
use super::reply::Refusal;
use crate::access::Access;
use crate::collector::Refused;
use crate::shared::ObserverShared;
use crate::source::shortened;
use crate::view::Rights;

/// How long the answer to a wrong token takes.
const WRONG_TOKEN_DELAY: Duration = Duration::from_secs(1);

/// How much of the name of a client is in the audit log, in bytes. A client may have chosen it.
const MAX_NAME: usize = 200;

/// A client that has access, with the actions that it may request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) rights: Rights,
    /// The name of the client in the audit log.
    pub(super) who: String,
    /// Whether the request has no bearer token; it may have no cookie either, if clients need no token. A page of another origin may then
    /// have made a browser send the request, so an action also needs the header `x-cordial-csrf`.
    pub(super) by_cookie: bool,
}

/// Refuses the requests of clients that have no access.
pub(super) async fn authorized(State(shared): State<Arc<ObserverShared>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match caller(&shared, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => {
            // Wrong tokens are logged already. A request without a token is nothing special: the page sends one to learn whether it needs a token.
            if parts.method == Method::POST && !refusal.is_about_token() {
                shared.audit_refusal(address(&parts), Refused::Request(refusal.sentence().to_owned()));
            }
            refusal.into_response()
        }
    }
}

async fn caller(shared: &Arc<ObserverShared>, parts: &Parts) -> Result<Caller, Refusal> {
    let options = &shared.options;
    let bearer = bearer(&parts.headers);
    if options.needs_token {
        let has_cookie = cookies(&parts.headers, &options.cookie_name).any(|value| options.secret.is_cookie(value));
        match bearer {
            Some(token) => check_token(shared, parts, token).await?,
            None if has_cookie => {}
            None => {
                let error =
                    "this observer needs its token: open the address that the program has printed, or enter the token";
                return Err(Refusal::new(StatusCode::UNAUTHORIZED, error));
            }
        }
    }
    let access = access(shared, parts).await;
    let Some(rights) = access.rights else {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the program does not allow this request"));
    };
    let who = match access.name {
        // The name is cut here, because the log cuts off the end of a long text, and the address is at the end.
        Some(name) => format!("{} ({})", shortened(&name, MAX_NAME), address(parts)),
        None => address(parts),
    };
    if let Some(client) = parts.extensions.get::<Client>() {
        client.slot.set_kept(true);
    }
    Ok(Caller { rights: rights.and(options.allowed), who, by_cookie: bearer.is_none() })
}

/// Asks the authorizer, if there is one. The authorizer is code of the program, and runs in a task of its own, so that a panic denies the request.
async fn access(shared: &Arc<ObserverShared>, parts: &Parts) -> Access {
    if shared.options.authorizer.is_none() {
        return Access::full();
    }
    let (own, parts) = (shared.clone(), parts.clone());
    let asked =
        shared.thread.spawn(async move { own.options.authorizer.as_ref().map(|authorizer| authorizer(&parts)) });
    asked.await.ok().flatten().unwrap_or_else(Access::denied)
}

/// Checks a token. The refusal of a wrong one is logged, and delayed. While many refusals are delayed, no other token is checked, right or
/// wrong, so that a client with many connections cannot try tokens faster. Tokens from a connection that has sent an authorized request
/// before are checked even then; a mounted observer does not know its connections.
pub(super) async fn check_token(shared: &Arc<ObserverShared>, parts: &Parts, token: &str) -> Result<(), Refusal> {
    let client = parts.extensions.get::<Client>();
    let check = shared.token_checks.clone().try_acquire_owned().ok();
    if check.is_none() && client.is_none_or(|client| !client.slot.is_kept()) {
        let error = "clients send too many wrong tokens, so the token was not checked: try again in a few seconds";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, error));
    }
    if shared.options.secret.is_token(token) {
        return Ok(());
    }
    // The refusal is recorded before the delay, because this future is dropped if the client disconnects.
    shared.audit_refusal(address(parts), Refused::WrongToken);
    delay(shared, client.cloned(), check).await;
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "the token is wrong; each start of the program has another one unless it sets its own",
    ))
}

/// Waits on the thread of the observer: a runtime of the program may have no timers. The connection keeps its slot, and the check its permit, for all
/// of that time, so that a client that disconnects and connects again cannot try tokens faster.
async fn delay(shared: &Arc<ObserverShared>, client: Option<Client>, check: Option<OwnedSemaphorePermit>) {
    let unauthorized = client.filter(|client| !client.slot.is_kept());
    unauthorized.as_ref().inspect(|client| client.slot.set_kept(true));
    let waited = shared.thread.spawn(async move {
        sleep(WRONG_TOKEN_DELAY).await;
        unauthorized.as_ref().inspect(|client| client.slot.set_kept(false));
        drop(check);
    });
    // If the thread has ended, the observer answers no request any more.
    let _ = waited.await;
}

/// Returns the cookie for a client that has sent the token. Scripts cannot read it, and other sites cannot make a browser send it.
/// The cookie has no `Path`: the browser then takes the folder of the page, as the browser sees it, even if a proxy changes
/// paths. So observers below several prefixes of one server do not replace the cookies of each other.
pub(super) fn cookie(shared: &ObserverShared) -> HeaderValue {
    let (name, value) = (&shared.options.cookie_name, shared.options.secret.cookie());
    let cookie = format!("{name}={value}; HttpOnly; SameSite=Strict");
    HeaderValue::try_from(cookie).expect("the name and the value are ASCII")
}

/// Returns the address of a client for the audit log; a text in its place for a mounted observer.
pub(super) fn address(parts: &Parts) -> String {
    let client = parts.extensions.get::<Client>();
    client.map_or_else(|| "a client of the program's server".to_owned(), |client| client.address.to_string())
}

/// Returns the bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}
