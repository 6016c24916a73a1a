//! `cordial::run` and `cordial::main`: what a whole program ends with, and what the first and the second signal do.
#![cfg(unix)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{Exit, Runtime, Task, process};
use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::program::{self, Program};

/// What `fn main` does with the status that it returns.
fn end(status: ExitCode) -> ! {
    let number = (0..=255).find(|&number| ExitCode::from(number) == status);
    std::process::exit(number.unwrap().into())
}

/// Tells when it is dropped.
struct TellsItsDrop(&'static str);

impl Drop for TellsItsDrop {
    fn drop(&mut self) {
        program::tell(format_args!("{} dropped", self.0));
    }
}

/// Polled once, so that from here on the process is told.
async fn ask_to_be_told() -> std::pin::Pin<Box<impl Future<Output = ()>>> {
    let mut request = Box::pin(cordial::shutdown_requested());
    assert!(futures::poll!(&mut request).is_pending());
    request
}

/// A child that has asked to be told by the time this returns.
async fn start_told<F: Future<Output = ()> + Send>(then: impl FnOnce() -> F + Send + 'static) {
    let (is_ready, ready) = oneshot::channel();
    Task::start(async move {
        let request = ask_to_be_told().await;
        let _ = is_ready.send(());
        request.await;
        then().await;
    });
    ready.await.unwrap();
}

#[test]
fn the_status_of_a_program_tells_how_its_root_ended() {
    const NAME: &str = "main_and_run::the_status_of_a_program_tells_how_its_root_ended";
    // The part, the status, and the last line on standard error, or what is in it.
    let cases = [
        ("value", 0, ""),
        ("normal exit", 0, ""),
        ("orderly exit", 0, ""),
        ("orderly exit as an error", 0, ""),
        ("error", 1, "Error: no luck"),
        ("exit as an error", 1, "Error: there is no such process"),
        ("exit with an error", 1, "Error: no disk"),
        ("panic", 1, "no luck (process <"),
        ("kill", 1, "Error: was killed"),
        ("timeout", 1, "Error: took longer than its limit of 1ms"),
    ];
    let Some(part) = program::part() else {
        for (part, status, complaint) in cases {
            let ran = program::run(NAME, part);
            assert_eq!(ran.status.code(), Some(status), "{part}: {}", ran.stderr);
            let last = ran.stderr.lines().last().unwrap_or_default();
            assert!(last.contains(complaint), "{part}: {}", ran.stderr);
            let n_errors = ran.stderr.matches("Error: ").count();
            assert_eq!(n_errors, usize::from(status == 1), "{part}: {}", ran.stderr);
            assert_eq!(last.is_empty(), status == 0, "{part}: {}", ran.stderr);
        }
        return;
    };
    end(match &*part {
        "value" => cordial::main(async {}),
        "normal exit" => cordial::main(async { cordial::exit(Exit::Normal).await }),
        "orderly exit" => cordial::main(async { cordial::exit(Exit::Shutdown(Some("enough".into()))).await }),
        "orderly exit as an error" => cordial::main(async { Err::<(), _>(Exit::Shutdown(None)) }),
        "error" => cordial::main(async { Err::<(), _>("no luck") }),
        "exit as an error" => cordial::main(async { Err::<(), _>(Exit::NoProcess) }),
        "exit with an error" => {
            cordial::main(async { cordial::exit(Exit::from(std::io::Error::other("no disk"))).await })
        }
        "panic" => cordial::main(async { panic!("no luck") }),
        "kill" => cordial::main(async {
            process::exit(process::current().unwrap(), Exit::Killed);
            std::future::pending::<()>().await
        }),
        "timeout" => {
            cordial::main(async { Task::spawn(std::future::pending::<()>()).timeout(Duration::from_millis(1)).await })
        }
        other => panic!("there is no part {other:?}"),
    })
}

#[test]
fn run_gives_the_value_or_the_exit_and_the_runtime_stays_usable() {
    let (tell, told) = std::sync::mpsc::channel();
    assert_eq!(cordial::run(async { 6 * 7 }), Ok(42));
    assert_eq!(cordial::run(async { Err::<(), _>("a value") }), Ok(Err("a value")));
    assert!(matches!(cordial::run(async { panic!("no luck") }), Err::<(), _>(Exit::Panic(_))));
    assert_eq!(
        cordial::run(async move {
            tell.send(Task::start(std::future::pending::<()>())).unwrap();
            process::exit(process::current().unwrap(), Exit::Killed);
            std::future::pending::<()>().await
        }),
        Err(Exit::Killed)
    );
    assert!(process::info(told.recv().unwrap()).is_none(), "what the root had started has ended");
    assert_eq!(Task::spawn(async { 1 }).wait(), Ok(1));
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_eq!(runtime.run(async { 2 }), Ok(2));
    assert_eq!(runtime.run(async { Task::spawn(async { 3 }).await }), Ok(Ok(3)));
    assert!(runtime.snapshot().processes.is_empty());
}

/// Children and grandchildren end with the root, with their grace; what others have started is left alone.
#[test]
fn what_descends_from_the_root_is_shut_down_when_it_has_ended() {
    let elsewhere = Task::spawn(std::future::pending::<()>());
    let (told, tell) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (has_finished, root_is_gone) = (told.clone(), tell.clone());
    struct Sets(Arc<AtomicBool>);
    impl Drop for Sets {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let descendants = cordial::run(async move {
        let root_ends = Sets(root_is_gone.clone());
        let (hand_up, grandchild) = oneshot::channel();
        let child = Task::start(async move {
            let _ = hand_up.send(Task::start(std::future::pending::<()>()));
        });
        let grandchild = grandchild.await.unwrap();
        process::monitor(child).await;
        start_told(move || async move {
            assert!(root_is_gone.load(Ordering::SeqCst), "the root ends first");
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            has_finished.store(true, Ordering::SeqCst);
        })
        .await;
        drop(root_ends);
        vec![grandchild, Task::start(std::future::pending::<()>())]
    })
    .unwrap();
    assert!(told.load(Ordering::SeqCst), "the one that was told has finished before `run` returned");
    assert!(descendants.into_iter().all(|pid| process::info(pid).is_none()));
    assert!(process::info(elsewhere.pid()).is_some());
}

const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::INT];

/// The first signal is a request to the root. What it does with that is its own affair, and so is the status.
#[test]
fn the_first_signal_asks_the_root_to_end() {
    const NAME: &str = "main_and_run::the_first_signal_asks_the_root_to_end";
    let cases: [(&str, i32, &[&str]); 5] = [
        ("told", 0, &["asked", "closed the books"]),
        ("told and failing", 1, &["asked"]),
        ("not told", 0, &["root dropped"]),
        ("not told, with descendants", 0, &["root dropped", "child has finished"]),
        ("not told, in a runtime of its own", 0, &["root dropped", "Err(was shut down)"]),
    ];
    let Some(part) = program::part() else {
        for signal in SIGNALS {
            for (part, status, told) in cases {
                let mut program = program::start(NAME, part);
                program.wait_for("ready");
                program.send(signal);
                let ran = program.finish();
                assert_eq!(
                    (ran.status.code(), &ran.told[..]),
                    (Some(status), &told.map_owned()[..]),
                    "{part}: {}",
                    ran.stderr
                );
            }
        }
        return;
    };
    let not_told = async {
        let _tells = TellsItsDrop("root");
        program::tell("ready");
        std::future::pending::<()>().await
    };
    end(match &*part {
        "told" => cordial::main(async {
            let request = ask_to_be_told().await;
            program::tell("ready");
            request.await;
            program::tell("asked");
            // It takes the time that it wants, and can still use everything.
            Task::spawn(tokio::time::sleep(Duration::from_millis(1))).await.unwrap();
            program::tell("closed the books");
        }),
        "told and failing" => cordial::main(async {
            let request = ask_to_be_told().await;
            program::tell("ready");
            request.await;
            program::tell("asked");
            Err::<(), _>("the books are lost")
        }),
        "not told" => cordial::main(not_told),
        "not told, with descendants" => cordial::main(async {
            start_told(async || {
                tokio::time::sleep(Duration::from_millis(1)).await;
                program::tell("child has finished");
            })
            .await;
            not_told.await
        }),
        "not told, in a runtime of its own" => {
            let result = Runtime::builder().workers(1).build().unwrap().run(not_told);
            program::tell(format_args!("{result:?}"));
            ExitCode::SUCCESS
        }
        other => panic!("there is no part {other:?}"),
    })
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|&text| text.to_owned()).collect()
    }
}

/// From the second signal to the end of the program. Below the 5 s of grace that it cuts short, with room for a slow
/// machine.
fn finish_soon(program: Program, part: &str) -> program::Ran {
    #[expect(clippy::disallowed_methods, reason = "it is real time that the second signal saves")]
    let signaled = std::time::Instant::now();
    let ran = program.finish();
    assert!(signaled.elapsed() < Duration::from_secs(4), "{part}: the second signal waited for the grace time");
    ran
}

#[test]
fn the_second_signal_ends_everything_at_once() {
    const NAME: &str = "main_and_run::the_second_signal_ends_everything_at_once";
    // Each tells `ready` when the first signal may come, and `asked` when the second may.
    let parts =
        ["the root ignores it", "the root is in a poll", "a descendant ignores it", "a descendant is in a poll"];
    let signals = [
        (Signal::INT, Signal::INT, 130),
        (Signal::TERM, Signal::TERM, 143),
        (Signal::INT, Signal::TERM, 143),
        (Signal::TERM, Signal::INT, 130),
    ];
    let Some(part) = program::part() else {
        for (part, (first, second, status)) in parts.into_iter().cycle().zip(signals.into_iter().flat_map(|s| [s; 4])) {
            let mut program = program::start(NAME, part);
            program.wait_for("ready");
            program.send(first);
            program.wait_for("asked");
            program.send(second);
            let ran = finish_soon(program, part);
            assert_eq!(ran.status.code(), Some(status), "{part}");
            let (n_told, n_stuck) = (ran.stderr.lines().count(), ran.stderr.matches("is stuck in a poll").count());
            let expected = if part.ends_with("is in a poll") { (1, 1) } else { (0, 0) };
            assert_eq!((n_told, n_stuck), expected, "{part}: {}", ran.stderr);
        }
        return;
    };
    /// Blocks its thread for good.
    fn spin() -> ! {
        loop {
            std::thread::yield_now();
        }
    }
    async fn ignore() {
        program::tell("asked");
        std::future::pending().await
    }
    end(match &*part {
        "the root ignores it" => cordial::main(async {
            let request = ask_to_be_told().await;
            program::tell("ready");
            request.await;
            ignore().await;
        }),
        "the root is in a poll" => cordial::main(async {
            program::tell("ready");
            while !cordial::is_shutdown_requested() {
                std::thread::yield_now();
            }
            program::tell("asked");
            spin()
        }),
        "a descendant ignores it" => cordial::main(async {
            start_told(ignore).await;
            program::tell("ready");
            std::future::pending::<()>().await
        }),
        "a descendant is in a poll" => cordial::main(async {
            start_told(async || {
                program::tell("asked");
                spin()
            })
            .await;
            program::tell("ready");
            std::future::pending::<()>().await
        }),
        other => panic!("there is no part {other:?}"),
    })
}

#[test]
fn after_a_second_signal_run_says_killed_and_the_runtime_stays_usable() {
    const NAME: &str = "main_and_run::after_a_second_signal_run_says_killed_and_the_runtime_stays_usable";
    if program::part().is_none() {
        let mut program = program::start(NAME, "");
        for _ in 0..2 {
            program.wait_for("ready");
            program.send(Signal::TERM);
            program.wait_for("asked");
            program.send(Signal::TERM);
            program.wait_for("root dropped");
            program.wait_for("Err(was killed)");
            program.wait_for("Ok(1)");
        }
        assert_eq!(finish_soon(program, "").told(), ["Ok(2)"]);
        return;
    }
    for _ in 0..2 {
        let result = cordial::run(async {
            let _tells = TellsItsDrop("root");
            let request = ask_to_be_told().await;
            program::tell("ready");
            request.await;
            program::tell("asked");
            std::future::pending::<()>().await
        });
        program::tell(format_args!("{result:?}"));
        program::tell(format_args!("{:?}", Task::spawn(async { 1 }).wait()));
    }
    program::tell(format_args!("{:?}", cordial::run(async { 2 })));
}

/// `block_on` is for one process among others: signals of the system are not its affair.
#[test]
fn block_on_leaves_signals_alone() {
    const NAME: &str = "main_and_run::block_on_leaves_signals_alone";
    if program::part().is_none() {
        use std::os::unix::process::ExitStatusExt;
        let mut program = program::start(NAME, "");
        program.wait_for("ready");
        program.send(Signal::TERM);
        let ran = program.finish();
        assert_eq!((ran.status.signal(), ran.told.len()), (Some(Signal::TERM.as_raw()), 0));
        return;
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let _ = runtime.block_on(async {
        let request = ask_to_be_told().await;
        program::tell("ready");
        request.await;
        program::tell("asked");
    });
}
