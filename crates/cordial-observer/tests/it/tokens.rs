//! Which clients have access: tokens, cookies, and authorizers.

use std::io::{ErrorKind, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cordial_observer::{Access, ActionKind, ServeError};

use crate::harness::{LIMIT, Program, wait_until};

const ENDPOINTS: &[&str] = &[
    "/api/overview",
    "/api/events",
    "/api/tree",
    "/api/tasks",
    "/api/tasks/1.0.1",
    "/api/streams",
    "/api/servers",
    "/api/task_sets",
    "/api/connections",
    "/api/crashes",
    "/api/crashes/1",
    "/api/long_polls",
    "/api/warnings",
    "/api/audit",
    "/metrics",
    "/dump",
];

#[test]
fn without_the_token_there_is_no_data() {
    let program = Program::new();
    for path in ENDPOINTS {
        let response = program.client.request("GET", path, &[]);
        assert_eq!(response.status, 401, "{path}");
        assert!(response.error().contains("needs its token"), "{path}: {response:?}");
        let response = program.client.request("GET", path, &["Cookie: cordial_observer=1; cordial_observer_1=2"]);
        assert_eq!(response.status, 401, "{path}");
    }
    assert_eq!(program.client.post("/api/actions", &[], "{}").status, 403, "no Origin, no token");
}

#[test]
fn the_files_of_the_page_hold_no_data_and_need_no_token() {
    let program = Program::new();
    for (path, mime) in [("/", "text/html"), ("/style.css", "text/css"), ("/app.js", "text/javascript")] {
        let response = program.client.request("GET", path, &[]);
        assert_eq!(response.status, 200, "{path}");
        assert!(response.header("content-type").starts_with(mime), "{path}: {response:?}");
    }
}

#[test]
fn the_token_in_the_address_becomes_a_strict_cookie() {
    let program = Program::new();
    let client = &program.client;
    assert_eq!(program.observer.url().unwrap(), format!("http://{}/?token={}", client.address, client.token));
    let response = client.request("GET", &format!("/?token={}", client.token), &[]);
    assert_eq!((response.status, response.header("location")), (303, "./"), "the redirect has no token");
    let cookie = response.header("set-cookie");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains("Path"), "without `Path`, the browser uses the path of the page: {cookie}");
    assert!(!cookie.contains(&client.token), "the cookie is not the token");
    assert!(
        cookie.starts_with(&format!("cordial_observer_{}=", client.address.port())),
        "a browser sends the cookies of a host to all its ports: {cookie}"
    );
    let sent = format!("Cookie: other=1; {}", response.cookie());
    assert_eq!(client.request("GET", "/api/overview", &[&sent]).status, 200);
    let renamed = format!("Cookie: other={}", response.cookie().split_once('=').unwrap().1);
    assert_eq!(
        client.request("GET", "/api/overview", &[&renamed]).status,
        401,
        "a cookie with another name is ignored"
    );
    let tampered = format!("{sent}x");
    assert_eq!(client.request("GET", "/api/overview", &[&tampered]).status, 401);
}

#[test]
fn a_posted_token_becomes_a_cookie() {
    let program = Program::new();
    let client = &program.client;
    let origin = format!("Origin: http://{}", client.address);
    let response = client.post("/session", &[&origin], &format!(r#"{{"token":"{}"}}"#, client.token));
    assert_eq!(response.status, 204);
    let cookie = format!("Cookie: {}", response.cookie());
    assert_eq!(client.request("GET", "/api/tasks", &[&cookie]).status, 200);
    let response = client.post("/session", &[&origin], r#"{"token":"wrong"}"#);
    assert_eq!((response.status, response.header("set-cookie")), (401, ""));
    assert!(response.error().contains("the token is wrong"), "{response:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the observer runs in real time")]
fn the_answer_to_a_wrong_token_is_delayed_and_logged() {
    let (sender, receiver) = mpsc::channel();
    let program = Program::with(|builder| builder.on_action(move |entry| sender.send(entry.clone()).unwrap()));
    let client = program.client.clone();
    // Tried repeatedly: on a busy machine, the answer to the right token may take longer than the delay for a wrong token, one second.
    wait_until("an answer to the right token before the answer to a wrong token", || {
        let mut wrong = client.connect();
        wrong.write_all(b"GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n\r\n").unwrap();
        assert_eq!(client.get("/api/tasks").status, 200);
        wrong.set_nonblocking(true).unwrap();
        wrong.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    });
    let begun = Instant::now();
    let response = client.request("GET", "/api/tasks", &["Authorization: Bearer wrong"]);
    assert_eq!(response.status, 401);
    assert!(begun.elapsed() >= Duration::from_secs(1), "after {:?}", begun.elapsed());
    let entry = receiver.recv_timeout(LIMIT).unwrap();
    assert_eq!((&*entry.who, &*entry.action, entry.allowed), ("127.0.0.1", "session", false));
    assert!(!entry.result.contains("Bearer") && entry.result.contains("wrong token"), "{entry:?}");
    assert_eq!(client.json("/api/audit")["rows"][0]["action"], "session");
    let response = client.request("GET", "/?token=wrong", &[]);
    assert_eq!((response.status, response.header("location")), (303, "./#wrong-token"));
    assert_eq!(response.header("set-cookie"), "");
}

#[test]
fn a_wrong_token_is_logged_even_if_the_client_has_disconnected() {
    let (sender, receiver) = mpsc::channel();
    let program = Program::with(|builder| builder.on_action(move |entry| sender.send(entry.clone()).unwrap()));
    let mut stream = program.client.connect();
    stream.write_all(b"GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n\r\n").unwrap();
    drop(stream);
    let entry = receiver.recv_timeout(LIMIT).unwrap();
    assert_eq!((&*entry.who, &*entry.action), ("127.0.0.1", "session"));
}

#[test]
fn many_wrong_tokens_do_not_remove_actions_from_the_audit_log() {
    let program = Program::new();
    let pid = program.start("target", std::future::pending());
    assert_eq!(program.client.act("kill", pid).status, 403);
    for _ in 0..3 {
        assert_eq!(program.client.request("GET", "/api/tasks", &["Authorization: Bearer wrong"]).status, 401);
    }
    let audit = program.client.json("/api/audit");
    assert_eq!(audit["total"], 2, "wrong tokens of one client are one entry: {audit}");
    assert_eq!(audit["rows"][0]["result"], "3 wrong tokens");
    assert_eq!(audit["rows"][1]["action"], "kill");
}

#[test]
fn the_cookie_outlives_a_restart_with_the_same_token() {
    let token = "a-token/that+the&program=has%set";
    let before = Program::with(|builder| builder.token(token));
    let cookie = before.client.cookie().split_once('=').unwrap().1.to_owned();
    let after = Program::with(|builder| builder.token(token));
    let sent = format!("Cookie: cordial_observer_{}={cookie}", after.client.address.port());
    assert_eq!(after.client.request("GET", "/api/overview", &[&sent]).status, 200);
    assert!(before.observer.url().unwrap().ends_with("/?token=a-token%2Fthat%2Bthe%26program%3Dhas%25set"));
    let other = Program::new();
    let sent = format!("Cookie: cordial_observer_{}={cookie}", other.client.address.port());
    assert_eq!(other.client.request("GET", "/api/overview", &[&sent]).status, 401, "a different, random token");
}

#[test]
fn an_authorizer_decides_about_each_request() {
    let program = Program::with(|builder| {
        builder.allow_actions([ActionKind::Kill]).authorize(|request| {
            match request.headers.get("x-user").map(|user| user.to_str().unwrap()) {
                Some("root") => Access::full().named("root"),
                Some("reader") => Access::read_only(),
                Some("broken") => panic!("the authorizer is broken"),
                _ => Access::denied(),
            }
        })
    });
    let client = &program.client;
    assert_eq!(program.observer.token(), None);
    assert_eq!(client.request("GET", "/api/tasks", &[]).status, 403);
    assert_eq!(client.request("GET", "/api/tasks", &["X-User: broken"]).status, 403, "a panic denies access");
    assert_eq!(client.request("GET", "/api/tasks", &["X-User: reader"]).status, 200);
    let overview = client.request("GET", "/api/overview?history=none", &["X-User: root"]).json();
    assert_eq!(overview["rights"]["kill"], true);
    assert_eq!(overview["rights"]["shut_down"], false, "the program has allowed only kills");
    let overview = client.request("GET", "/api/overview?history=none", &["X-User: reader"]).json();
    assert_eq!(overview["rights"]["kill"], false);

    let pid = program.start("target", std::future::pending());
    let origin = format!("Origin: http://{}", client.address);
    let csrf = format!("X-Cordial-Csrf: {}", overview["csrf"].as_str().unwrap());
    let body = format!(r#"{{"kind":"kill","pid":"{pid}"}}"#);
    assert_eq!(client.post("/api/actions", &["X-User: reader", &origin, &csrf], &body).status, 403);
    assert_eq!(client.post("/api/actions", &["X-User: root", &origin, &csrf], &body).status, 200);
    let audit = client.request("GET", "/api/audit", &["X-User: root"]).json();
    assert_eq!(audit["rows"][0]["who"], "root (127.0.0.1)");
    assert_eq!(audit["rows"][0]["label"], "target");
    wait_until("the end of the task", || program.runtime.inspector().info(pid).is_none());
}

#[test]
fn a_long_name_of_a_client_does_not_hide_its_address() {
    let program = Program::with(|builder| builder.authorize(|_| Access::read_only().named("x".repeat(10_000))));
    let origin = format!("Origin: http://{}", program.client.address);
    // The request lacks the header `X-Cordial-Csrf`.
    assert_eq!(program.client.post("/api/actions", &[&origin], "{}").status, 403);
    let log = program.client.request("GET", "/api/audit", &[]).json();
    let who = log["rows"][0]["who"].as_str().unwrap();
    assert!(who.starts_with("xxx") && who.ends_with("(127.0.0.1)"), "{who}");
}

#[test]
fn a_token_that_is_not_needed_is_not_checked() {
    let program = Program::with(|builder| builder.authorize(|_| Access::read_only()));
    let response = program.client.request("GET", "/?token=that-of-an-earlier-start", &[]);
    assert_eq!(response.status, 200, "the page: {:?}", response.header("location"));
    let log = program.client.request("GET", "/api/audit", &[]).json();
    assert_eq!(log["total"], 0, "{log}");
}

#[test]
fn a_foreign_address_needs_a_token_or_an_authorizer() {
    let open = |builder: cordial_observer::Builder| {
        let runtime = cordial::Runtime::builder().workers(1).build().unwrap();
        builder.runtime(runtime.inspector()).serve("0.0.0.0:0")
    };
    let refused = open(cordial_observer::Observer::builder()).unwrap_err();
    assert!(matches!(refused, ServeError::Unprotected { .. }), "{refused}");
    assert!(refused.to_string().contains("which other machines can reach, without protection"), "{refused}");
    let weak = open(cordial_observer::Observer::builder().token("secret")).unwrap_err();
    assert!(weak.to_string().contains("has 6 bytes: it needs at least 16"), "{weak}");
    let invalid = open(cordial_observer::Observer::builder().token("a token with spaces")).unwrap_err();
    assert!(invalid.to_string().contains("visible ASCII"), "{invalid}");
    let observer = open(cordial_observer::Observer::builder().token("0123456789abcdef")).unwrap();
    let port = observer.address().unwrap().port();
    assert_eq!(observer.url().unwrap(), format!("http://127.0.0.1:{port}/?token=0123456789abcdef"));
    open(cordial_observer::Observer::builder().authorize(|_| Access::read_only())).unwrap();
}
