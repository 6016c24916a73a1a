use std::future::poll_fn;

use super::*;

fn text(capture: &mut Capture) -> Vec<u8> {
    let mut bytes = Vec::new();
    capture.read().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn has_room(room: &Room) -> bool {
    room.poll_has_room(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
}

#[test]
fn what_was_appended_can_be_read_more_than_once() {
    for length in [0, 1, IN_MEMORY, IN_MEMORY + 1, 5 * IN_MEMORY] {
        let mut capture = Capture::new(&Room::default());
        let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
        for part in bytes.chunks(10_000) {
            capture.append(part).unwrap();
        }
        assert!(text(&mut capture) == bytes && text(&mut capture) == bytes);
        assert_eq!(capture.file.is_rolled(), length > IN_MEMORY);
    }
}

#[test]
fn many_small_ones_move_to_files_as_well() {
    let room = Room::default();
    let mut captures: Vec<Capture> = (0..ALL_IN_MEMORY / IN_MEMORY + 1).map(|_| Capture::new(&room)).collect();
    for capture in &mut captures {
        capture.append(&[b'x'; IN_MEMORY]).unwrap();
    }
    assert!(captures.pop().unwrap().file.is_rolled());
    assert!(!captures[0].file.is_rolled());
}

#[test]
fn with_many_files_there_is_no_room_until_some_are_gone() {
    let room = Room::default();
    let mut captures: Vec<Capture> = (0..FILES).map(|_| Capture::new(&room)).collect();
    assert!(has_room(&room));
    for capture in &mut captures {
        capture.append(&[0; IN_MEMORY + 1]).unwrap();
    }
    assert!(!has_room(&room));
    let mut waiting = probe(poll_fn(|cx| room.poll_has_room(cx)));
    assert!(waiting.is_pending());
    captures.pop();
    assert!(waiting.is_woken() && has_room(&room));
}

/// A future, and whether it was woken.
struct Probe<F> {
    future: std::pin::Pin<Box<F>>,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

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
