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
