//! Where requests may come from, and the headers that keep a browser safe.

use crate::harness::{Client, LIMIT, Program};

#[test]
fn the_host_is_an_address_or_a_known_name() {
    let program = Program::with(|builder| builder.host("ops.example.com"));
    let client = &program.client;
    let status = |host: &str| client.request("GET", "/", &[&format!("Host: {host}")]).status;
    let port = client.address.port();
    for host in
        ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:4000", "192.0.2.7", "ops.example.com", "Ops.Example.Com:443"]
    {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in [
        "evil.example.com",
        &format!("evil.example.com:{port}"),
        "localhost.evil.example",
        "ops.example.com.evil",
        "127.0.0.1.evil.example",
    ] {
        let response = client.request("GET", "/api/tasks", &[&format!("Host: {host}"), &client.bearer()]);
        assert_eq!(response.status, 403, "{host}");
        assert!(response.error().contains("not reached by the name"), "{response:?}");
    }
    let audit = client.json("/api/audit");
    let named = "not reached by the name 127.0.0.1.evil.example";
    assert!(audit["rows"][0]["result"].as_str().unwrap().contains(named), "the audit log has it: {audit}");
    for host in [
        "",
        "a b",
        "user@localhost:1@2",
        "user@localhost",
        "evil.example.com@localhost",
        "localhost:http",
        "localhost:99999",
    ] {
        assert!([400, 403].contains(&status(host)), "{host:?}");
    }
}

#[test]
fn a_request_names_one_host() {
    let program = Program::new();
    let client = &program.client;
    assert_eq!(client.send(b"GET / HTTP/1.1\r\n\r\n").status, 400, "no Host header");
    assert_eq!(client.send(b"GET / HTTP/1.0\r\n\r\n").status, 400, "no Host header");
    let two = client.request("GET", "/", &["Host: localhost", "Host: evil.example.com"]);
    assert_eq!(two.status, 400);
    let differ = client.request("GET", "http://evil.example.com/", &["Host: localhost"]);
    assert_eq!(differ.status, 400);
    let absolute = client.request("GET", "http://evil.example.com/", &["Host: evil.example.com"]);
    assert_eq!(absolute.status, 403);
    assert_eq!(client.request("GET", "http://localhost/", &["Host: localhost"]).status, 200);
    assert_eq!(client.send(b"GET http://user@localhost/ HTTP/1.0\r\n\r\n").status, 400, "a host has no user");
}

/// Sends an action with a cookie, as a browser does.
fn action(client: &Client, headers: &[&str]) -> u16 {
    let cookie = client.cookie();
    let headers: Vec<&str> = std::iter::once(&*cookie).chain(headers.iter().copied()).collect();
    client.post("/api/actions", &headers, r#"{"kind":"kill","pid":"<9.9.9>"}"#).status
}

#[test]
fn an_action_comes_from_the_page() {
    let program = Program::with(|builder| builder.allow_actions(cordial_observer::ActionKind::ALL));
    let client = &program.client;
    let csrf = client.json("/api/overview?history=none")["csrf"].as_str().unwrap().to_owned();
    let csrf = format!("X-Cordial-Csrf: {csrf}");
    let own = format!("Origin: http://{}", client.address);
    assert_eq!(action(client, &[&own, &csrf]), 200);
    let foreign = format!("Origin: http://127.0.0.1:{}", client.address.port() ^ 1);
    let other_scheme = format!("Origin: ftp://{}", client.address);
    for origin in
        ["Origin: http://evil.example.com", "Origin: null", "Origin: file://", "Origin:", &foreign, &other_scheme]
    {
        assert_eq!(action(client, &[origin, &csrf]), 403, "{origin}");
    }
    assert_eq!(action(client, &[&csrf]), 403, "no Origin");
    assert_eq!(action(client, &[&csrf, "Authorization: Basic eDp5"]), 403, "a browser sends this by itself");
    assert_eq!(action(client, &[&own, "Origin: http://evil.example.com", &csrf]), 403, "two of them");
    assert_eq!(action(client, &[&own]), 403, "no header against forged requests");
    assert_eq!(action(client, &[&own, "X-Cordial-Csrf: wrong"]), 403);
    assert_eq!(action(client, &[&own, &csrf, "Sec-Fetch-Site: cross-site"]), 403);
    assert_eq!(action(client, &[&own, &csrf, "Sec-Fetch-Site: same-origin"]), 200);
    let audit = client.json("/api/audit");
    let refused = audit["rows"].as_array().unwrap().iter().find(|row| row["action"] == "request").unwrap();
    assert_eq!((refused["who"].as_str(), refused["allowed"].as_bool()), (Some("127.0.0.1"), Some(false)));
    assert_eq!(refused["result"], "12 requests were refused, the last one: the request comes from another site");
}

/// A proxy may ask for the observer by its address, and the browser says by which name it has asked for the proxy.
#[test]
fn an_action_may_come_through_a_proxy_with_a_known_name() {
    let program =
        Program::with(|builder| builder.allow_actions(cordial_observer::ActionKind::ALL).host("ops.example.com"));
    let client = &program.client;
    let csrf = client.json("/api/overview?history=none")["csrf"].as_str().unwrap().to_owned();
    let csrf = format!("X-Cordial-Csrf: {csrf}");
    for origin in ["https://ops.example.com", "https://Ops.Example.Com:8443", "http://ops.example.com"] {
        assert_eq!(action(client, &[&format!("Origin: {origin}"), &csrf]), 200, "{origin}");
    }
    for origin in [
        "https://ops.example.com.evil.example",
        "https://evil.example/ops.example.com",
        "https://evil.example@ops.example.com",
        "https://ops.example.com@evil.example",
        "https://ops.example.com:x",
        "file://ops.example.com",
        "ops.example.com",
    ] {
        assert_eq!(action(client, &[&format!("Origin: {origin}"), &csrf]), 403, "{origin}");
    }
    // Some proxies add the port that browsers leave out.
    let post = |host: &str, origin: &str| {
        let body = r#"{"token":"wrong"}"#;
        let length = body.len();
        let request = format!(
            "POST /session HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        client.send(request.as_bytes()).status
    };
    assert_eq!(post("localhost:443", "https://localhost"), 401);
    assert_eq!(post("localhost", "http://localhost:80"), 401);
    assert_eq!(post("localhost:443", "http://localhost"), 403);
    assert_eq!(post("localhost", "http://localhost:443"), 403);
}

#[test]
fn a_client_cannot_send_commands_for_the_terminal_of_who_prints_the_audit_log() {
    let (sender, entries) = std::sync::mpsc::channel();
    let program = Program::with(|builder| builder.on_action(move |entry| sender.send(entry.result.clone()).unwrap()));
    // A byte that begins a command as ESC [ does, encoded as UTF-8, and the one that reverses the text after it.
    let origin = "Origin: http://\u{9b}31m\u{202e}";
    assert_eq!(program.client.post("/session", &[origin], "{}").status, 403);
    let result = entries.recv_timeout(LIMIT).unwrap();
    let shown = r"refused: the request comes from http://\u{9b}31m\u{202e}, and not from this observer";
    assert_eq!(result, shown);
    assert_eq!(program.client.json("/api/audit")["rows"][0]["result"], shown);
}

#[test]
fn another_site_reads_nothing() {
    let program = Program::new();
    let client = &program.client;
    let cookie = client.cookie();
    for site in ["cross-site", "same-site"] {
        let site = format!("Sec-Fetch-Site: {site}");
        assert_eq!(client.request("GET", "/api/tasks", &[&cookie, &site]).status, 403);
        assert_eq!(client.request("GET", "/", &[&site, "Sec-Fetch-Mode: navigate"]).status, 200, "a link to the page");
    }
    let response = client.request("GET", "/api/tasks", &[&cookie, "Origin: http://evil.example.com"]);
    assert_eq!(response.header("access-control-allow-origin"), "");
    let preflight = client.request(
        "OPTIONS",
        "/api/actions",
        &["Origin: http://evil.example.com", "Access-Control-Request-Method: POST"],
    );
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (403, ""));
}

#[test]
fn every_answer_has_the_headers_of_safety() {
    let program = Program::new();
    let client = &program.client;
    let answers = [
        (client.request("GET", "/", &[]), 200),
        (client.get("/api/tasks"), 200),
        (client.get("/metrics"), 200),
        (client.request("GET", "/api/tasks", &[]), 401),
        (client.request("GET", "/", &["Host: evil.example.com"]), 403),
        (client.get("/no/such/thing"), 404),
        (client.request("PUT", "/api/tasks", &[&client.bearer()]), 405),
        (client.request("GET", &format!("/?token={}", client.token), &[]), 303),
    ];
    for (response, status) in answers {
        assert_eq!(response.status, status, "{response:?}");
        let policy = response.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
            "{response:?}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{response:?}");
        assert_eq!(response.header("x-frame-options"), "DENY");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(response.header("referrer-policy"), "no-referrer");
        assert_eq!(response.header("cache-control"), "no-store");
        if status >= 400 {
            assert_eq!(response.header("content-type"), "application/json");
            assert!(response.error().len() > 20, "a sentence: {response:?}");
        }
    }
}

#[test]
fn a_body_is_small_and_json() {
    let program = Program::new();
    let client = &program.client;
    let (bearer, host) = (client.bearer(), client.address);
    let head = format!("POST /api/actions HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n");
    let form = client.send(format!("{head}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes());
    assert_eq!(form.status, 415, "a form of another site can send text/plain");
    let announced = format!("{head}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{{");
    assert_eq!(client.send(announced.as_bytes()).status, 413, "the observer does not wait for it");
    let large = "x".repeat(5000);
    assert_eq!(client.post("/api/actions", &[&bearer], &large).status, 413);
    for body in ["", "{", "[]", r#"{"kind":"explode","pid":"<1.2.3>"}"#, r#"{"kind":"kill"}"#] {
        let response = client.post("/api/actions", &[&bearer], body);
        assert_eq!(response.status, 400, "{body}");
        assert!(response.error().contains("not what is expected"), "{response:?}");
    }
}
