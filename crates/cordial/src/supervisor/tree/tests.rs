use std::time::Duration;

use tokio::time::sleep;

use crate::supervisor::restart::Restart;
use crate::supervisor::spec::ChildSpec;
use crate::supervisor::strategy::Strategy;
use crate::supervisor::tree::Supervisor;
use crate::{exit::Exit, process, testing};

/// The second call is handled at once after the first, without a wait for input between them.
#[test]
fn an_exit_during_the_second_of_two_calls_leads_to_a_restart() {
    const SECOND: Duration = Duration::from_secs(1);
    let slow_to_stop = |id| {
        ChildSpec::task(id, move || async move {
            crate::process::shutdown_requested().await;
            sleep(SECOND).await;
        })
    };
    testing::run(async move {
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(ChildSpec::task("worker", std::future::pending::<()>).restart(Restart::Permanent))
            .child(slow_to_stop("first"))
            .child(slow_to_stop("second"))
            .start()
            .await
            .unwrap();
        let worker = tree.which_children().await[0].pid.unwrap();
        let crash = async {
            sleep(SECOND * 3 / 2).await;
            process::exit(worker, Exit::Killed);
        };
        let (first, second, ()) =
            futures_util::future::join3(tree.terminate_child("first"), tree.terminate_child("second"), crash).await;
        assert_eq!((first, second), (Ok(()), Ok(())));
        sleep(SECOND).await;
        assert_eq!(tree.which_children().await[0].incarnation, 2);
        tree.stop().await;
    });
}
