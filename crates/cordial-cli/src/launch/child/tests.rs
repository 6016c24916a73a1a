use std::ffi::OsString;
use std::future::pending;

use super::*;

/// Waits for a script that has exited when the wait begins. Returns the result, and what the script has printed.
#[expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
async fn wait_after_exit(
    config: &LaunchConfig,
    script: &str,
    deadline: Option<Instant>,
) -> (Result<ExitStatus, ItemFailure>, String) {
    let words = ["sh", "-c", script].map(OsString::from);
    let mut group = ProcessGroup::start(&config.spawner, &words, &[], &config.groups).await.unwrap();
    let outputs = UnreadOutputs::new(&mut group);
    assert!(group.wait_exit_timeout(Duration::from_secs(60), WaitMode::Blocking).await.unwrap());
    let sink = || Sink::Capture(Capture::new(&config.budget));
    let mut readers = outputs.into_readers(sink(), sink()).unwrap();
    let result = wait_or_stop(config, group, &mut readers, deadline, pending()).await;
    let Sink::Capture(mut stdout) = readers.0.into_sink() else { panic!("the outputs are captured") };
    (result, std::io::read_to_string(stdout.reader().unwrap()).unwrap())
}

#[tokio::test]
async fn an_exit_counts_although_the_timeout_is_over() {
    let config = LaunchConfig::of_words(&["sh"]);
    let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    for (script, code) in [("echo a", 0), ("echo a; exit 3", 3)] {
        let (result, printed) = wait_after_exit(&config, script, Some(past)).await;
        assert_eq!((result.unwrap().code(), printed.as_str()), (Some(code), "a\n"));
    }
}

#[tokio::test]
async fn a_process_that_has_succeeded_counts_as_finished_although_its_run_is_stopped() {
    for level in [StopLevel::Terminate, StopLevel::Kill] {
        let config = LaunchConfig::of_words(&["sh"]);
        config.stop.raise(level);
        let (result, printed) = wait_after_exit(&config, "echo a", None).await;
        assert_eq!((result.unwrap().code(), printed.as_str()), (Some(0), "a\n"));
        // The signal that has stopped the run may have reached this process as well.
        let (result, _) = wait_after_exit(&config, "kill -TERM $$", None).await;
        assert!(result.unwrap_err().is_unfinished());
    }
}
