//! Ports for the servers of tests. The tests of the command include this file.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns a free port below those that the system gives to programs that ask for any port. Such a program could take the port
/// before the test uses it, or while the server of the test is down.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const N_PORTS: u32 = 20_000;
    loop {
        // The processes of several test programs begin at different ports.
        let number = std::process::id().wrapping_mul(97).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % N_PORTS).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
