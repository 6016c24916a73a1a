//! Answers that follow after the handler has returned.

use cordial::{Exit, Restart, testing};
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, settle};
use crate::work::{Crash, SECOND, Say, SlowReply, Worker};

#[test]
fn the_next_message_is_handled_before_a_late_answer() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        let begun = Instant::now();
        let (later, at_once) = tokio::join!(server.call(SlowReply(2)), async {
            settle().await;
            let answer = server.call(Say("meanwhile")).await;
            assert!(begun.elapsed() < SECOND);
            answer
        });
        assert_eq!((later, at_once), (Ok(2), Ok(9)));
        assert_eq!(begun.elapsed(), 2 * SECOND);
    });
}

#[test]
fn the_caller_gets_the_exit_of_the_task_and_the_server_goes_on() {
    testing::run(async {
        let server = Worker::start(&Log::default());
        let exit = server.call(SlowReply(13)).timeout(20 * SECOND).await.unwrap_err();
        assert!(exit.to_string().contains("unlucky"), "{exit}");
        assert_eq!(server.call(Say("fine")).await, Ok(4));
    });
}

#[test]
fn a_caller_that_gives_up_ends_the_task() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        assert!(server.call(SlowReply(60)).timeout(SECOND).await.unwrap_err().is_timeout());
        settle().await;
        assert_eq!(log.take(), "started +later -later");
    });
}

#[test]
fn the_end_of_the_server_ends_its_tasks_and_their_callers_get_its_exit() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::builder(&log).restart(Restart::Permanent).start();
        let (later, crash) = tokio::join!(server.call(SlowReply(60)).timeout(90 * SECOND), async {
            settle().await;
            server.call(Crash("boom")).await
        });
        assert_eq!(later, crash.map(|()| 0));
        assert!(later.unwrap_err().is_panic());
        settle().await;
        assert_eq!(log.take(), "started +later stopping: boom started -later");
    });
}

#[test]
fn a_late_answer_to_a_cast_runs_to_its_end() {
    testing::run(async {
        let log = Log::default();
        let server = Worker::start(&log);
        server.cast(SlowReply(2)).await.unwrap();
        sleep(SECOND).await;
        assert_eq!(log.take(), "started +later");
        sleep(2 * SECOND).await;
        assert_eq!(log.take(), "-later");
        assert_eq!(server.stop().await.to_string(), cordial::StopReport::default().to_string());
        assert_eq!(server.ended().await, Exit::Normal);
    });
}
