//! A process that was forked from the one that has started the pool.

use std::time::Duration;

use cordial_isolate::Pool;
use futures_util::FutureExt;

use crate::bad_input::alone;
use crate::functions::{SQUARE, functions};

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_forked_process_leaves_the_workers_alone() {
    cordial_isolate::test_main(functions());
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let pool = Pool::builder().workers(1).start().unwrap();
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
            std::thread::spawn(|| {
                std::thread::sleep(LONG);
                std::process::exit(99);
            });
            assert_eq!(pool.statistics().workers.len(), 0);
            assert_eq!(pool.stop().now_or_never(), Some(()));
            drop(pool);
            std::process::exit(0);
        }
        fork::Fork::Parent(child) => {
            let status = fork::waitpid(child).unwrap();
            assert!(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0, "{status}");
        }
    }
    cordial::run(async move {
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        assert_eq!(pool.statistics().started, 1);
    })
    .unwrap();
}
