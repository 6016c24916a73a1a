//! Clients that are slow, wrong, or many: none of them hurts the program.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::harness::{Program, wait_until};

/// A generator of numbers for requests that are no HTTP (xorshift).
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

#[test]
fn connections_are_limited_and_the_refused_ones_counted() {
    let program = Program::new();
    let client = &program.client;
    let idle: Vec<_> = (0..64).map(|_| client.connect()).collect();
    // One more is closed at once.
    let mut refused = client.connect();
    let mut bytes = Vec::new();
    let _ = refused.read_to_end(&mut bytes);
    assert!(bytes.is_empty());
    drop(idle);
    let mut dropped = None;
    wait_until("a free place", || {
        let mut stream = client.connect();
        let request = format!(
            "GET /api/overview?history=none HTTP/1.1\r\nHost: localhost\r\n{}\r\nConnection: close\r\n\r\n",
            client.bearer()
        );
        let mut answer = String::new();
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer).map(drop));
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        dropped =
            body.map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap()["dropped"]["connections"].clone());
        dropped.is_some()
    });
    assert!(dropped.unwrap().as_u64() >= Some(1));
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
    // Requests, each continued where the system took no more, until the answers that nobody reads end the connection.
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
