//! Clients that are slow, wrong, or many: none of them hurts the program.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::harness::{Client, Program, read_response, try_often, wait_until};

/// How many connections may be open at once.
const MAX_CONNECTIONS: usize = 64;

/// A generator of numbers for requests that are not HTTP (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

#[test]
fn malformed_requests_do_not_affect_other_clients() {
    let program = Program::new();
    let pid = program.start("innocent", std::future::pending());
    let (client, mut random) = (&program.client, Random(0x9e37_79b9_7f4a_7c15));
    let valid =
        format!("GET /api/tasks?text=a&sort=age HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n", client.address, client.bearer());
    for _ in 0..400 {
        let mut bytes = valid.clone().into_bytes();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next().to_le_bytes()[0],
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, b"\r\n \0%<\xff"[random.below(7)]),
                _ => {
                    let again = bytes[..at].to_vec();
                    bytes.splice(at..at, again);
                }
            }
        }
        let mut stream = client.connect();
        // The server may have closed the connection after the first part.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(client.get("/api/tasks").status, 200);
    assert!(program.runtime.inspector().info(pid).is_some());
}

#[test]
fn a_head_without_end_is_refused() {
    let program = Program::new();
    let client = &program.client;
    let endless = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = client.connect();
    let _ = stream.write_all(endless.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    assert_eq!(client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()).status, 431);
}

/// Opens a connection whose client shows the token, and keeps it open.
fn connect_with_token(client: &Client) -> TcpStream {
    let mut stream = client.connect();
    let request = format!("GET /api/tasks HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", client.bearer());
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream).status, 200);
    stream
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    // A connection that is closed with unread data is reset.
    let _ = stream.read_to_end(&mut bytes);
    bytes.is_empty()
}

#[test]
fn connections_are_limited_and_the_refused_ones_counted() {
    // An idle connection is closed after 10 s: on a busy machine, the first one may be closed before the last one is there.
    try_often(|| {
        let program = Program::new();
        let client = &program.client;
        let mut known: Vec<_> = (0..MAX_CONNECTIONS).map(|_| connect_with_token(client)).collect();
        // One more is closed at once.
        assert!(is_closed(&mut client.connect()));
        let head = format!("GET /api/overview?history=none HTTP/1.1\r\nHost: localhost\r\n{}\r\n", client.bearer());
        let (request, last) = (format!("{head}\r\n"), format!("{head}Connection: close\r\n\r\n"));
        let mut answer = String::new();
        let answered = known[0].write_all(last.as_bytes()).and_then(|()| known[0].read_to_string(&mut answer));
        answered.map_err(|error| error.to_string())?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let overview: serde_json::Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        if overview["dropped"]["connections"] != 1 {
            return Err(overview["dropped"].to_string());
        }
        drop(known);
        wait_until("a free place", || {
            let mut stream = client.connect();
            let mut answer = [0; 12];
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_exact(&mut answer));
            answer == *b"HTTP/1.1 200"
        });
        Ok(())
    });
}

/// The open pages of a person who has the token keep working, and the person can open more.
#[test]
fn clients_without_the_token_do_not_keep_out_those_that_have_it() {
    let program = Program::new();
    let client = &program.client;
    let cookie = client.cookie();
    let mut known = connect_with_token(client);
    // Silent, slow with a head, slow with a body, and done with a request that needs no token.
    let origin = format!("Origin: http://{}", client.address);
    let slow_body = format!(
        "POST /session HTTP/1.1\r\nHost: {}\r\n{origin}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{",
        client.address
    );
    let kinds = ["", "GET / HTTP/1.1\r\nHost:", &slow_body, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"];
    for kind in kinds {
        // Not many more than there are places: an idle connection, such as the known one, is closed after a while.
        let mut others: Vec<_> = (0..MAX_CONNECTIONS + 16)
            .map(|_| {
                let mut stream = client.connect();
                stream.write_all(kind.as_bytes()).unwrap();
                stream
            })
            .collect();
        assert_eq!(client.request("GET", "/api/tasks", &[&cookie]).status, 200, "{kind}");
        assert_eq!(client.get("/api/tasks").status, 200, "{kind}");
        known.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert_eq!(read_response(&mut known).status, 200, "{kind}");
        if kind.is_empty() {
            assert!(is_closed(&mut others[0]), "the oldest one is closed first");
        }
    }
    let dropped = client.json("/api/overview?history=none")["dropped"]["connections"].clone();
    assert!(dropped.as_u64() >= Some(4 * 16), "{dropped}");
}

#[test]
fn clients_with_wrong_tokens_do_not_keep_out_those_that_have_the_right_one() {
    let program = Program::new();
    let client = &program.client;
    let cookie = client.cookie();
    let mut known = connect_with_token(client);
    let wrong = b"GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n\r\n";
    let mut guesses: Vec<_> = (0..2 * MAX_CONNECTIONS)
        .map(|_| {
            let mut stream = client.connect();
            stream.write_all(wrong).unwrap();
            stream
        })
        .collect();
    assert_eq!(client.request("GET", "/api/tasks", &[&cookie]).status, 200);
    let request = format!("GET /api/tasks HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", client.bearer());
    known.write_all(request.as_bytes()).unwrap();
    assert_eq!(read_response(&mut known).status, 200);
    // Some were closed for others, some were looked at, and the rest was not.
    let mut statuses = Vec::new();
    for stream in &mut guesses {
        let mut answer = [0; 12];
        if stream.read_exact(&mut answer).is_ok() {
            statuses.push(String::from_utf8_lossy(&answer[9..]).into_owned());
        }
    }
    assert!(statuses.iter().any(|status| status == "401"), "{statuses:?}");
    assert!(statuses.iter().any(|status| status == "429"), "{statuses:?}");
    assert!(statuses.iter().all(|status| ["401", "429"].contains(&&**status)), "{statuses:?}");
    wait_until("the end of the delays", || client.get("/api/tasks").status == 200);
}

#[test]
fn a_client_that_sends_no_request_is_closed() {
    let program = Program::new();
    let mut silent = program.client.connect();
    let mut slow = program.client.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    let mut bytes = Vec::new();
    // Each read returns because the server closes the connection.
    silent.read_to_end(&mut bytes).unwrap();
    slow.read_to_end(&mut bytes).unwrap();
    assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn a_client_that_does_not_read_is_dropped() {
    let program = Program::new();
    let client = &program.client;
    let mut deaf = client.connect();
    // Large answers that cost the observer nothing, and a small buffer for them: a busy machine would take minutes to fill a large one.
    let request = "GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n";
    #[cfg(unix)]
    socket2::SockRef::from(&deaf).set_recv_buffer_size(4096).unwrap();
    deaf.set_nonblocking(true).unwrap();
    // Sends requests until the connection ends, because the answers are not read. Each write continues where the last one stopped.
    let (request, mut sent) = (request.repeat(100), 0);
    wait_until("the end of the connection", || {
        while let Ok(n) = deaf.write(&request.as_bytes()[sent..]) {
            sent = (sent + n) % request.len();
        }
        client.json("/api/overview?history=none")["dropped"]["clients"] == 1
    });
}

#[test]
fn events_come_once_a_second_to_each_page() {
    let program = Program::new();
    let client = &program.client;
    let mut stream = client.connect();
    let request = format!("GET /api/events HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", client.bearer());
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches("event: tick").count() < 3 {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    assert!(text.contains("content-type: text/event-stream") && text.contains("retry: 1000"), "{text}");
    assert!(text.contains("x-accel-buffering: no"), "a proxy does not keep the events: {text}");
    let times: Vec<u64> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line.strip_prefix("data: ")?).ok())
        .map(|tick| tick["now"]["at_ms"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted() && times.len() >= 2, "{times:?}");
    let streams: Vec<_> = (0..31)
        .map(|_| {
            let mut stream = client.connect();
            stream.write_all(request.as_bytes()).unwrap();
            let _ = stream.read(&mut buffer).unwrap();
            stream
        })
        .collect();
    let refused = client.get("/api/events");
    assert_eq!(refused.status, 503);
    assert!(refused.error().contains("32 pages of this observer are open"), "{refused:?}");
    drop((stream, streams));
    wait_until("a free stream", || {
        let mut stream = client.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let n = stream.read(&mut buffer).unwrap();
        buffer[..n].starts_with(b"HTTP/1.1 200")
    });
}
