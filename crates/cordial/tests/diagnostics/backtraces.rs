//! Backtraces: which events have one, if `RUST_BACKTRACE` enables them.

use std::process::Command;

use cordial::{ChildSpec, Exit, Strategy, Supervisor, Task, testing};

use crate::harness::events::{self, Emitted};
use crate::harness::subprocess;

#[inline(never)]
fn panics_here() {
    panic!("no luck")
}

/// A value whose destructor panics.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panics_here();
    }
}

/// A crash by a panic and by an error, a start that fails by a panic, and a destructor that panics.
fn program() {
    testing::run(async {
        assert!(Task::spawn(async { panics_here() }).await.unwrap_err().is_panic());
        cordial::process::monitor(Task::start(async { Err::<(), _>("no disk") })).await;
        let init = ChildSpec::init("init", || async {
            panics_here();
            Ok::<_, Exit>(async {})
        });
        Supervisor::builder(Strategy::OneForOne).child(init).start().await.unwrap_err();
        let finished = Task::spawn(async { PanicsOnDrop });
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        drop(finished);
    });
}

#[test]
fn the_events_of_a_panic_have_its_backtrace_if_it_is_enabled() {
    let Some(case) = subprocess::case() else {
        for (variable, case) in [("0", "none"), ("1", "enabled")] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env("RUST_BACKTRACE", variable).env_remove("RUST_LIB_BACKTRACE");
            let ran = subprocess::run_by(command, test_name!(), case);
            assert!(ran.status.success(), "{}", ran.stderr);
        }
        return;
    };
    let emitted = events::capture(program);
    let has_frames = |event: &&Emitted| event.field("backtrace").contains("panics_here");
    let of = |name| events::named(&emitted, name).iter().map(has_frames).collect::<Vec<bool>>();
    let is_enabled = case == "enabled";
    // The task that panics, the task with an error, and the child.
    assert_eq!(of("crash"), [is_enabled, false, is_enabled], "{emitted:?}");
    assert_eq!((of("start_failed"), of("lost_panic")), (vec![is_enabled], vec![is_enabled]), "{emitted:?}");
    assert!(emitted.iter().all(|event| !event.field("backtrace").ends_with('\n')));
}
