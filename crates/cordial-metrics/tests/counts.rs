//! What happens in a simulated program is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, TaskSupervisor, process, testing};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn what_happens_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let subscriber = tracing_subscriber::registry().with(cordial_metrics::layer());
    metrics::with_local_recorder(&recorder, || tracing::subscriber::with_default(subscriber, program));
    let counts: BTreeMap<String, u64> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let key = key.key();
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let DebugValue::Counter(n) = value else { panic!("{key:?} is no counter") };
            (format!("{} {}", key.name(), labels.join(",")), n)
        })
        .collect();
    let of = |name: &str| counts.get(name).copied();
    assert_eq!(of("cordial_restarts_total supervisor=tree"), Some(1), "{counts:?}");
    assert_eq!(of("cordial_give_ups_total supervisor=tree"), Some(1), "{counts:?}");
    assert_eq!(of("cordial_crashes_total "), Some(2), "{counts:?}");
    assert_eq!(of("cordial_refusals_total "), Some(1), "{counts:?}");
    // The root, the tree, its child twice, the task supervisor.
    assert_eq!(of("cordial_starts_total "), Some(5), "{counts:?}");
    assert_eq!(of("cordial_stops_total "), Some(3), "{counts:?}");
}

fn program() {
    testing::run(async {
        let child = ChildSpec::task("child", std::future::pending::<()>).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne)
            .label("tree")
            .max_restarts(1, Duration::from_secs(5))
            .child(child)
            .unlinked()
            .start()
            .await
            .expect("it starts");
        for _ in 0..2 {
            let child = tree.which_children().await[0].pid.expect("it runs");
            process::exit(child, Exit::Killed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let full = TaskSupervisor::builder().max_children(0).start();
        full.start_child(async {}).expect_err("it is full");
    });
}
