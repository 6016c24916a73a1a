//! The programs whose output `docs/diagnostics.md` shows. Each is the `main` of a program that fails.

use std::fmt;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::process::ExitCode;
use std::time::Duration;

use cordial::process::Panics;
use cordial::{
    ChildSpec, Exit, Lost, LostCause, Restart, Runtime, Strategy, Supervisor, Task, TaskSupervisor, process,
};
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

/// The `main` of a program.
type Main = fn() -> ExitCode;

/// The programs by name.
pub(crate) const PROGRAMS: &[(&str, Main)] = &[
    ("panic", panics),
    ("chain", returns_a_chain_of_errors),
    ("timeout", times_out),
    ("kill", is_killed),
    ("crash-loop", crashes_again_and_again),
    ("long-poll", blocks),
    ("refused", is_refused),
    ("lost", is_lost),
];

fn panics() -> ExitCode {
    cordial::main(async {
        let import = Task::builder().label("import").spawn(async { panic!("no luck") });
        import.await.map(|never: ()| never)
    })
}

/// An error with a source, as libraries have them.
#[derive(Debug)]
struct NoConfiguration(std::io::Error);

impl fmt::Display for NoConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no configuration")
    }
}

impl std::error::Error for NoConfiguration {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn returns_a_chain_of_errors() -> ExitCode {
    cordial::main(async {
        let read = async { Err::<(), _>(NoConfiguration(std::io::Error::other("app.toml: permission denied"))) };
        let import = Task::builder().label("import").start(read);
        Err::<(), Exit>(process::monitor(import).await)
    })
}

fn times_out() -> ExitCode {
    cordial::main(async {
        let import = Task::builder().label("import").spawn(std::future::pending::<()>());
        import.timeout(Duration::from_millis(50)).await
    })
}

fn is_killed() -> ExitCode {
    cordial::main(async {
        let import = Task::builder().label("import").spawn(std::future::pending::<()>());
        process::exit(import.pid(), Exit::Killed);
        import.await
    })
}

fn crashes_again_and_again() -> ExitCode {
    cordial::main(async {
        let import = ChildSpec::task("import", || async { Err::<(), _>("no connection") });
        let app = Supervisor::builder(Strategy::OneForOne).label("app").max_restarts(1, Duration::from_secs(5));
        let app = app.child(import.restart(Restart::Permanent)).start().await?;
        Err::<(), Exit>(app.ended().await)
    })
}

fn blocks() -> ExitCode {
    cordial::main(async {
        let request = tracing::info_span!("request", id = 7);
        let block = async {
            std::thread::sleep(Duration::from_millis(500));
        };
        Task::builder().label("import").span(request).spawn(block).await
    })
}

fn is_refused() -> ExitCode {
    cordial::main(async {
        let imports = TaskSupervisor::builder().label("imports").max_children(1).start();
        imports.start_child(std::future::pending::<()>())?;
        imports.start_child(async {})?;
        Ok::<(), Exit>(())
    })
}

/// The exit of a call whose OS process was killed, as `cordial-isolate` makes it.
fn is_lost() -> ExitCode {
    cordial::main(async {
        let import = Task::builder().label("import").spawn(async {
            let lost = Lost::builder(LostCause::signal(11)).function("pictures.resize").place("OS process 4711");
            let lost = lost.spawned_at(std::panic::Location::caller()).ran_for(Duration::from_millis(30));
            let exit: Exit = lost.stderr(vec!["decoding a.png".to_owned()]).build().into();
            cordial::exit(exit).await
        });
        import.await.map(|never: ()| never)
    })
}

/// Runs a program: its name, and what the program has set up before.
pub(crate) fn run(case: &str) -> ExitCode {
    let (name, setup) = case.split_once(' ').unwrap_or((case, ""));
    let (_, program) = PROGRAMS.iter().find(|(known, _)| *known == name).unwrap();
    if setup.contains("subscriber") {
        // In a program: `tracing_subscriber::fmt().init()`.
        let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).without_time();
        // On a busy machine, polls of the other programs are long as well, and their events would interrupt the text of a backtrace.
        let shows_long_polls = name == "long-poll";
        let filter = filter_fn(move |event| {
            *event.level() <= Level::INFO && (shows_long_polls || !event.name().starts_with("long_poll"))
        });
        tracing_subscriber::registry().with(layer.with_filter(filter)).init();
    }
    if setup.contains("events-only") {
        Runtime::builder().panics(Panics::EventOnly).install().unwrap();
    }
    if setup.contains("hook-before") {
        collect_errors();
    }
    if setup.contains("hook-after") {
        Task::spawn(async {}).wait().unwrap();
        collect_errors();
    }
    program()
}

/// Sets a hook as a service that collects errors does: it sends the panic, and calls the hook before it.
#[expect(clippy::print_stderr, reason = "standard error is the service")]
fn collect_errors() {
    let before = take_hook();
    set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let message = panic.payload().downcast_ref::<&str>().copied().unwrap_or_default();
        eprintln!("sent to the service: {message}");
        before(panic);
    }));
}
