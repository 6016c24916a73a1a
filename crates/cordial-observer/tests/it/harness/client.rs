//! A client that sends exactly the bytes of a test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for an answer before it fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// How long a process may take to shut down, on a loaded machine.
const GRACE: Duration = Duration::from_secs(60);

/// Sends requests to one observer, each over a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// Returns the value of a header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Returns the sentence of a failure.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }

    /// Returns `name=value` of the cookie that the answer sets.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Sends bytes, and reads until the server closes the connection or the answer is complete.
    pub(crate) fn send(&self, bytes: &[u8]) -> Response {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_response(&mut stream)
    }

    /// Sends a request without a body. `headers` are lines without line ends.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[&str]) -> Response {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let host = if headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        self.send(format!("{method} {path} HTTP/1.1\r\n{host}{lines}\r\n").as_bytes())
    }

    /// Sends a GET with the token.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[&self.bearer()])
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    /// Returns the answer of an endpoint as JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {response:?}");
        response.json()
    }

    /// Sends a POST of JSON.
    pub(crate) fn post(&self, path: &str, headers: &[&str], body: &str) -> Response {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let (address, length) = (self.address, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
        );
        self.send(request.as_bytes())
    }

    /// Requests an action with the token.
    pub(crate) fn act(&self, kind: &str, pid: impl std::fmt::Display) -> Response {
        self.act_within(GRACE, kind, pid)
    }

    /// Requests an action with this time for a shutdown.
    pub(crate) fn act_within(&self, grace: Duration, kind: &str, pid: impl std::fmt::Display) -> Response {
        let body = format!(r#"{{"kind":"{kind}","pid":"{pid}","grace_ms":{}}}"#, grace.as_millis());
        self.post("/api/actions", &[&self.bearer()], &body)
    }

    /// Exchanges the token for a cookie.
    pub(crate) fn cookie(&self) -> String {
        let token: String = self.token.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let response = self.request("GET", &format!("/?token={token}"), &[]);
        format!("Cookie: {}", response.cookie())
    }
}

/// Reads one answer.
pub(crate) fn read_response(stream: &mut TcpStream) -> Response {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(response) = complete(&bytes) {
            return response;
        }
        match stream.read(&mut buffer).unwrap() {
            0 => return closed(&bytes),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Returns the answer if all of its body is there, according to its length.
fn complete(bytes: &[u8]) -> Option<Response> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let response = parse(head, body);
    let length: usize = match response.header("content-length") {
        "" if [204, 303].contains(&response.status) => 0,
        length => length.parse().ok()?,
    };
    (body.len() >= length).then_some(response)
}

fn closed(bytes: &[u8]) -> Response {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    parse(head, body)
}

fn parse(head: &str, body: &str) -> Response {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Response { status, head: head.to_owned(), body: body.to_owned() }
}
