//! Boxes and headers for tasks to come.
//!
//! ```text
//!  take ◄── stock of the thread ◄── 32 at a time ── shelf ◄── new headers
//!  give ──► stock of the thread ── 32, when it has 64 ──► shelf
//! ```
//!
//! A box keeps what was allocated for the future of its last task. When nothing runs any more, that is given back of those
//! that nobody has needed for long (`stock/shelf.rs`).
//!
//! Simulations have a shelf of their own, so that no stranger ever wakes a task of theirs: what a seed decides must not
//! depend on what else the program does.

use std::cell::RefCell;
use std::sync::LazyLock;

use self::depot::Depot;
use crate::sync::Mutex;
use crate::task::header::Header;
use crate::task::runnable::Runnable;

mod depot;

/// How many change between a stock and the shelf, and how many headers are made at once.
const BATCH: usize = 32;

type Boxes = Vec<Runnable>;

static DEPOT: LazyLock<Mutex<Depot<Runnable>>> = LazyLock::new(|| Mutex::new(Depot::new()));
static DEPOT_OF_SIMULATIONS: LazyLock<Mutex<Boxes>> = LazyLock::new(Mutex::default);

thread_local!(static MAGAZINE: RefCell<Magazine> = const { RefCell::new(Magazine(Vec::new())) });

/// What only one thread uses.
struct Magazine(Boxes);

impl Drop for Magazine {
    fn drop(&mut self) {
        DEPOT.lock().put(self.0.drain(..));
    }
}

pub(crate) fn take(is_simulated: bool) -> Runnable {
    if is_simulated {
        let on_shelf = DEPOT_OF_SIMULATIONS.lock().pop();
        let mut task = on_shelf.unwrap_or_else(|| new_task(Box::leak(Box::new(Header::new()))));
        task.set_waker(task.header().generation_waker());
        return task;
    }
    let from_stock = MAGAZINE.try_with(|stock| {
        let Magazine(boxes) = &mut *stock.borrow_mut();
        if boxes.is_empty() {
            *boxes = take_batch();
        }
        boxes.pop()
    });
    // Where the thread ends, its stock is gone before its last tasks are.
    from_stock
        .ok()
        .flatten()
        .or_else(|| DEPOT.lock().take(1).pop())
        .unwrap_or_else(|| new_task(Box::leak(Box::new(Header::new()))))
}

pub(crate) fn give(task: Runnable, is_simulated: bool) {
    if is_simulated {
        task.header().bump_generation();
        return DEPOT_OF_SIMULATIONS.lock().push(task);
    }
    let mut task = Some(task);
    let _ = MAGAZINE.try_with(|stock| {
        let Magazine(boxes) = &mut *stock.borrow_mut();
        boxes.extend(task.take());
        if boxes.len() >= 2 * BATCH {
            DEPOT.lock().put(boxes.drain(..BATCH));
        }
    });
    if let Some(task) = task {
        DEPOT.lock().put([task]);
    }
}

/// Nothing runs any more: gives back what is kept for futures and was not needed for long. For as long as it is quiet: what
/// is left over has to wait for the next time.
pub(crate) fn fall_quiet(is_quiet: impl Fn() -> bool) {
    DEPOT.lock().fall_quiet();
    while is_quiet() {
        let (n_stripped, spares): (usize, Vec<_>) = {
            let mut shelf = DEPOT.lock();
            let idle = shelf.strip(BATCH);
            (idle.len(), idle.iter_mut().filter_map(|task| task.take_spare()).collect())
        };
        drop(spares);
        if n_stripped == 0 {
            return;
        }
    }
}

fn take_batch() -> Boxes {
    let from_shelf = DEPOT.lock().take(BATCH);
    if !from_shelf.is_empty() {
        return from_shelf;
    }
    let headers: Box<[Header]> = std::iter::repeat_with(Header::new).take(BATCH).collect();
    Box::leak(headers).iter().map(new_task).collect()
}

fn new_task(header: &'static Header) -> Runnable {
    Runnable::empty(header, header.waker())
}
