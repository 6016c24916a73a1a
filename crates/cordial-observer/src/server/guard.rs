//! The rules for requests, and the headers that each answer has. A request that breaks a rule becomes an entry of the audit log.
//!
//! | rule | against |
//! |---|---|
//! | `Host` is an IP address, `localhost`, or a name that the program has given | a foreign site that makes its own name resolve to this machine (DNS rebinding) |
//! | `Origin` of every request but GET and HEAD has the host and port of `Host`, or a name that the program has given; it may be missing if there is a bearer token | forged requests of foreign sites |
//! | `Sec-Fetch-Site`, if the browser sends it, is `same-origin` or `none`, except when the browser navigates with GET | reads by foreign sites |
//!
//! | headers of each answer | against |
//! |---|---|
//! | a content security policy without inline scripts, no frames, no referrer, no caching | scripts in labels, clickjacking, leaks |

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode};

use super::reply::Refusal;
use super::session::{address, bearer};
use crate::collector::Refused;
use crate::shared::ObserverShared;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Checks the rules, and adds the headers to each answer.
pub(super) async fn guard(State(shared): State<Arc<ObserverShared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(sentence) = shared.forked() {
        return with_headers(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into_response());
    }
    let response = match check(&parts, &shared.options.hosts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => {
            shared.audit_refusal(address(&parts), Refused::Request(refusal.sentence().to_owned()));
            refusal.into_response()
        }
    };
    with_headers(response)
}

fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn check(parts: &Parts, hosts: &[String]) -> Result<(), Refusal> {
    let host = host_of(parts)?;
    if !is_known(host.host(), hosts) {
        let name = host.host();
        let error = format!(
            "this observer is not reached by the name {name}: use its address or localhost, or give the name with `Builder::host`"
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        check_origin(parts, &host, hosts)?;
    }
    let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_navigation = parts.headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let is_own = matches!(site, None | Some(b"same-origin" | b"none"));
    if !is_own && (!is_navigation || parts.method != Method::GET) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the request comes from another site"));
    }
    Ok(())
}

/// Returns the host and port that the client has asked for. The `Host` header and the target of the request must not differ.
fn host_of(parts: &Parts) -> Result<Authority, Refusal> {
    let bad = |error: &str| Refusal::new(StatusCode::BAD_REQUEST, error);
    let mut values = parts.headers.get_all(header::HOST).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(bad("the request has more than one Host header"));
    }
    let header = match header {
        Some(value) => Some(valid_host(value.as_bytes()).ok_or_else(|| bad("the Host header is not valid"))?),
        None => None,
    };
    let target = match parts.uri.authority() {
        Some(target) => {
            Some(valid_host(target.as_str().as_bytes()).ok_or_else(|| bad("the host of the target is not valid"))?)
        }
        None => None,
    };
    match (target, header) {
        (Some(target), Some(header)) if target != header => Err(bad("the Host header and the target differ")),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(bad("the request has no Host header")),
    }
}

/// Parses the host of a request. Returns `None` if it contains a user, or a port that is not a number.
fn valid_host(text: &[u8]) -> Option<Authority> {
    let host = Authority::try_from(text).ok()?;
    let port = host.as_str().strip_prefix(host.host())?;
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host)
}

/// Returns whether a client may reach the server by this name. The owner of a foreign site can let the name of the site resolve to this machine, so
/// names are checked. An IP address needs no check.
fn is_known(host: &str, hosts: &[String]) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| host.eq_ignore_ascii_case(known))
}

/// Browsers send `Origin` with each POST. A request with a bearer token in a header needs none: no foreign site can make a browser send that header.
fn check_origin(parts: &Parts, host: &Authority, hosts: &[String]) -> Result<(), Refusal> {
    let forbidden = |error: String| Err(Refusal::new(StatusCode::FORBIDDEN, error));
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        // A browser may send a password (`Authorization: Basic`) by itself, but never a bearer token.
        if bearer(&parts.headers).is_some() {
            return Ok(());
        }
        return forbidden(
            "the request has no Origin header; a program authorizes itself by `Authorization: Bearer`".to_owned(),
        );
    };
    if origins.next().is_some() {
        return forbidden("the request has more than one Origin header".to_owned());
    }
    let origin = String::from_utf8_lossy(origin.as_bytes());
    if is_own(&origin, host, hosts) {
        Ok(())
    } else {
        forbidden(format!("the request comes from {origin}, and not from this observer"))
    }
}

/// Returns whether an origin has the host and port that the client has asked for, or a name that the program has given. The names are for a
/// proxy in front of the observer: it may ask for the observer by its address, and the origin still has the name of the proxy.
fn is_own(origin: &str, host: &Authority, hosts: &[String]) -> bool {
    let default_port = match origin.split_once("://") {
        Some(("http", _)) => 80,
        Some(("https", _)) => 443,
        _ => return false,
    };
    let Some(origin) = origin.split_once("://").and_then(|(_, authority)| valid_host(authority.as_bytes())) else {
        return false;
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    let is_same = origin.host().eq_ignore_ascii_case(host.host()) && port(&origin) == port(host);
    is_same || hosts.iter().any(|known| origin.host().eq_ignore_ascii_case(known))
}
