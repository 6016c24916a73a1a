//! Processes that were forked from the one that has started the pool, or from a worker.

use cordial_isolate::Pool;
use futures_util::FutureExt;

use crate::bad_input::alone;
use crate::functions::{FORK, OS_PID, SQUARE, functions};
use crate::waits::{LONG, limit_time_of_process, run};

#[test]
fn a_forked_process_leaves_the_workers_alone() {
    cordial_isolate::test_main(functions());
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let pool = Pool::builder().workers(1).start().unwrap();
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            // The fork has none of the threads of its parent.
            limit_time_of_process();
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
    run(async move {
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        assert_eq!(pool.statistics().started, 1);
    })
    .unwrap();
}

#[test]
fn a_process_that_a_function_has_forked_does_not_answer_its_call() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let worker = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        for _ in 0..5 {
            assert_eq!(pool.call(FORK, ()).timeout(LONG).await, Ok(2));
        }
        assert_eq!(pool.call(OS_PID, ()).timeout(LONG).await, Ok(worker));
    })
    .unwrap();
}
