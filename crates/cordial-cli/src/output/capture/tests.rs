use std::env;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use super::super::budget::MAX_FILES;
use super::*;

fn read(capture: &mut Capture) -> Vec<u8> {
    let mut bytes = Vec::new();
    capture.reader().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn is_available(budget: &Budget) -> bool {
    budget.poll_available(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
}

#[test]
fn captured_bytes_can_be_read_more_than_once() {
    for length in [0, 1, MAX_CAPTURE_IN_MEMORY, MAX_CAPTURE_IN_MEMORY + 1, 5 * MAX_CAPTURE_IN_MEMORY] {
        let mut capture = Capture::new(&Budget::default());
        let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
        for part in bytes.chunks(10_000) {
            capture.append(part).unwrap();
        }
        assert!(read(&mut capture) == bytes && read(&mut capture) == bytes);
        assert_eq!(capture.file.is_rolled(), length > MAX_CAPTURE_IN_MEMORY);
    }
}

/// In a process of its own, because the limit of the size of files is one of the process.
#[cfg(unix)]
#[test]
fn an_append_overwrites_what_a_failed_one_has_written() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    const IS_LIMITED: &str = "CORDIAL_TEST_IS_LIMITED";
    if env::var_os(IS_LIMITED).is_none() {
        let name = "output::capture::tests::an_append_overwrites_what_a_failed_one_has_written";
        let mut command = std::process::Command::new(env::current_exe().unwrap());
        let output = command.args(["--exact", name]).env(IS_LIMITED, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    crate::system::survive_file_size_limit();
    let unlimited = getrlimit(Resource::Fsize);
    let mut capture = Capture::new(&Budget::default());
    let mut expected = vec![b'a'; MAX_CAPTURE_IN_MEMORY + 1];
    capture.append(&expected).unwrap();
    for n in 0..2 {
        let limit = capture.length() + 100;
        setrlimit(Resource::Fsize, Rlimit { current: Some(limit), ..unlimited }).unwrap();
        assert!(capture.append(&[b'b'; 1000]).is_err());
        assert_eq!(capture.file.seek(io::SeekFrom::End(0)).unwrap(), limit);
        setrlimit(Resource::Fsize, unlimited).unwrap();
        // Shorter than the part that was written.
        capture.append(&[b'c'; 10]).unwrap();
        expected.extend([b'c'; 10]);
        // Also a reader moves the position.
        assert!(n == 0 || read(&mut capture) == expected);
    }
    capture.append(b"d").unwrap();
    expected.push(b'd');
    assert!(read(&mut capture) == expected);
}

#[test]
fn a_small_capture_moves_to_a_file_when_all_captures_hold_too_much() {
    let budget = Budget::default();
    let number = MAX_BYTES_IN_MEMORY / MAX_CAPTURE_IN_MEMORY + 1;
    let mut captures: Vec<Capture> = (0..number).map(|_| Capture::new(&budget)).collect();
    for capture in &mut captures {
        capture.append(&[b'x'; MAX_CAPTURE_IN_MEMORY]).unwrap();
    }
    assert!(captures.pop().unwrap().file.is_rolled());
    assert!(!captures[0].file.is_rolled());
}

#[test]
fn too_many_files_block_further_items_until_one_is_dropped() {
    let budget = Budget::default();
    let mut captures: Vec<Capture> = (0..MAX_FILES).map(|_| Capture::new(&budget)).collect();
    assert!(is_available(&budget));
    for capture in &mut captures {
        capture.append(&[0; MAX_CAPTURE_IN_MEMORY + 1]).unwrap();
    }
    assert!(!is_available(&budget));
    let mut waiting = probe(poll_fn(|cx| budget.poll_available(cx)));
    assert!(waiting.is_pending());
    captures.pop();
    assert!(waiting.is_woken() && is_available(&budget));
}

/// A future that records whether it was woken.
struct Probe<F> {
    future: std::pin::Pin<Box<F>>,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn probe<F: Future>(future: F) -> Probe<F> {
    Probe { future: Box::pin(future), woken: Arc::default() }
}

impl<F: Future> Probe<F> {
    fn is_pending(&mut self) -> bool {
        let waker = Arc::clone(&self.woken).into();
        self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }
}
