//! Whatever the system lacks or refuses, a program does not hang or abort. `system_limits.rs` tests the limits for threads and files.
//!
//! Each case runs in an OS process of its own, and most of them call `use_everything`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use cordial::process::ThreadLimit;
use cordial::{BuildError, Exit, Runtime, Task, TaskSupervisor, process};
use rustix::process::{Resource, Rlimit, Signal, getpid, getpriority_process, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::harness::records::Records;
use crate::harness::{other_user, subprocess};

const MIB: u64 = 1 << 20;

/// Uses a runtime with tasks, timers, blocking tasks, limits, a supervisor and a stream, and shuts it down.
fn use_everything(runtime: &Runtime) {
    let used = runtime.block_on(async {
        let tasks = TaskSupervisor::builder().unlinked().start();
        let blocking = (0..4).map(|n| {
            Task::spawn(async move {
                std::thread::sleep(Duration::from_millis(10));
                n
            })
        });
        let blocking = Task::await_many(blocking).timeout(Duration::from_secs(60)).await?;
        let stream = tasks.async_stream(0..20, |n| async move { n }).collect().await;
        let late = Task::spawn(std::future::pending::<()>()).timeout(Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop((process::snapshot(), process::statistics()));
        assert!(matches!(late, Err(Exit::Timeout(_))), "{late:?}");
        Ok::<_, Exit>((blocking, stream.into_iter().collect::<Result<Vec<_>, _>>()?))
    });
    assert_eq!(used.unwrap().unwrap(), ((0..4).collect(), (0..20).collect()));
    assert!(runtime.shutdown(Duration::from_secs(60)).is_clean());
}

/// Builds a runtime with two workers, and uses it.
fn build_and_use() {
    use_everything(&Runtime::builder().workers(2).build().unwrap());
    subprocess::report("used");
}

/// Writes to standard error directly, because libtest hides what a successful test prints.
fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: this test needs {what}");
}

/// Returns a shell that runs the script, in which `exec "$0" "$@"` starts this program.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    command
}

/// The address space that this program uses, in bytes.
fn address_space() -> u64 {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

fn limit_address_space(bytes: u64) {
    let maximum = getrlimit(Resource::As).maximum;
    setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum }).unwrap();
}

#[test]
fn every_size_of_the_address_space_gives_a_runtime_or_an_error() {
    let Some(spare) = subprocess::case() else {
        let mut outcomes = Vec::new();
        // From each multiple of 64 MiB on, the heaps of some threads take nearly all of the room.
        for spare in (0..=48).chain(64..80).chain((80..400).step_by(4)).chain([1000]) {
            let reports = subprocess::run(test_name!(), &spare.to_string()).reports();
            assert_eq!(reports.len(), 2, "{spare} MiB: {reports:?}");
            // Twice what the threads need. Before the second attempt, a thread that ends may have taken a heap, which is never given back.
            assert!(spare < 48 || reports[0] == "used", "{spare} MiB: {reports:?}");
            outcomes.extend(reports);
        }
        assert_eq!((&*outcomes[0], &**outcomes.last().unwrap()), ("refused", "used"));
        return;
    };
    limit_address_space(address_space() + spare.parse::<u64>().unwrap() * MIB);
    // The second attempt sees whether the first one has left anything.
    for _ in 0..2 {
        match Runtime::builder().workers(2).build() {
            Ok(runtime) => {
                use_everything(&runtime);
                subprocess::report("used");
            }
            Err(BuildError::ThreadsRefused {
                limit: Some(ThreadLimit::AddressSpace { .. }), needed, granted, ..
            }) => {
                assert!(granted < needed, "{granted} of {needed}");
                subprocess::report("refused");
            }
            Err(error) => panic!("{spare} MiB: {error}"),
        }
    }
}

/// Each stand-in takes a stack and a heap. The last of the address space is left for the tasks.
#[test]
fn stand_ins_leave_a_part_of_the_address_space() {
    const BLOCKING: usize = 100;
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["room is left", "all are done"]);
        return;
    }
    let records = Records::install("warn".parse().unwrap());
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let limit = address_space() + 512 * MIB;
    limit_address_space(limit);
    let released = Arc::new((Mutex::new(false), Condvar::new()));
    let tasks = {
        let released = released.clone();
        let start = async move {
            let block = |_| {
                let released = released.clone();
                Task::spawn(async move {
                    let on_heap = vec![1_u8; 1000];
                    let (is_released, changed) = &*released;
                    drop(changed.wait_while(is_released.lock().unwrap(), |is_released| !*is_released).unwrap());
                    on_heap.len()
                })
            };
            (0..BLOCKING).map(block).collect::<Vec<_>>()
        };
        runtime.block_on(start).unwrap()
    };
    // The first stand-in can be refused too, while the threads of the runtime are starting. Its start is tried again.
    let n_stand_ins = || runtime.statistics().stand_ins;
    while n_stand_ins() == 0 || records.of("threads_refused").is_empty() {
        std::thread::yield_now();
    }
    assert!(n_stand_ins() < BLOCKING);
    Vec::<u8>::new().try_reserve_exact((limit / 10) as usize).unwrap();
    subprocess::report("room is left");
    *released.0.lock().unwrap() = true;
    released.1.notify_all();
    for task in tasks {
        assert_eq!(task.timeout(Duration::from_secs(60)).wait(), Ok(1000));
    }
    subprocess::report("all are done");
}

/// Runtimes that start at the same time do not take threads that the others have reserved.
#[test]
fn runtimes_that_start_at_once_get_all_threads_or_none() {
    const AT_ONCE: usize = 4;
    /// How many threads a runtime with two workers needs.
    const NEEDED: u64 = 6;
    if subprocess::case().is_none() {
        let Some(command) = other_user::command() else { return };
        let reports = subprocess::run_by(command, test_name!(), "").reports();
        assert_eq!(reports, ["all or none", "nothing is left"]);
        return;
    }
    let n_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let n_threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    // The first runtime of a program opens two files for signals, which stay open.
    use_everything(&Runtime::builder().workers(2).build().unwrap());
    let (threads, files) = (n_threads(), n_files());
    let maximum = getrlimit(Resource::Nproc).maximum;
    let max = (threads + AT_ONCE) as u64 + 2 * NEEDED + 1;
    setrlimit(Resource::Nproc, Rlimit { current: Some(max), maximum }).unwrap();
    let n_built = AtomicUsize::new(0);
    for _ in 0..20 {
        // The threads of the last round end a moment after its scope. The limit has room for four more.
        while n_threads() > threads {
            std::thread::yield_now();
        }
        let all_have_started = Barrier::new(AT_ONCE);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    all_have_started.wait();
                    match Runtime::builder().workers(2).build() {
                        Ok(runtime) => {
                            use_everything(&runtime);
                            n_built.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(BuildError::ThreadsRefused { needed, granted, .. }) if granted < needed => {}
                        Err(error) => panic!("{error}"),
                    }
                });
            }
        });
    }
    assert_ne!(n_built.load(Ordering::SeqCst), 0, "the limit has room for two runtimes");
    subprocess::report("all or none");
    // tokio closes its files a moment after the shutdown.
    while n_threads() > threads || n_files() > files {
        std::thread::yield_now();
    }
    subprocess::report("nothing is left");
}

/// Returns a command that runs this program in new namespaces.
fn unshare(args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(args).arg(std::env::current_exe().unwrap());
    command
}

fn is_permitted(mut probe: Command) -> bool {
    let status = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A container may have the `/proc` of its host, where its threads have other numbers than in the container.
#[test]
fn a_runtime_deprioritizes_its_own_threads_where_proc_numbers_them_otherwise() {
    if subprocess::case().is_none() {
        let inner = || unshare(&["--pid", "--fork"]);
        let mut probe = inner();
        probe.arg("--list");
        if !is_permitted(probe) {
            return skip("unshare, and the right to a pid namespace");
        }
        assert_eq!(subprocess::run_by(inner(), test_name!(), "").reports(), ["used", "deprioritized"]);
        return;
    }
    assert_ne!(std::fs::read_link("/proc/self").unwrap().to_str(), Some(&*std::process::id().to_string()));
    build_and_use();
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let n_processors = std::thread::available_parallelism().unwrap().get();
    let n_deprioritized = Arc::new(AtomicUsize::new(0));
    let own_nice = || getpriority_process(None).unwrap();
    let compute = async move {
        // Two of the threads are active at the end: no task waits for them.
        let tasks = (0..n_processors + 4).map(|_| {
            let (n_deprioritized, before) = (n_deprioritized.clone(), own_nice());
            Task::spawn(async move {
                let is_enough = || n_deprioritized.load(Ordering::SeqCst) > n_processors;
                while own_nice() == before && !is_enough() {}
                n_deprioritized.fetch_add(1, Ordering::SeqCst);
                while !is_enough() {}
            })
        });
        Task::await_many(tasks).timeout(subprocess::LIMIT).await
    };
    runtime.block_on(compute).unwrap().unwrap();
    subprocess::report("deprioritized");
}

#[test]
fn a_runtime_needs_nothing_of_proc() {
    if subprocess::case().is_some() {
        assert!(std::fs::read_dir("/proc").unwrap().next().is_none());
        build_and_use();
        limit_address_space(MIB);
        let refused = Runtime::builder().workers(2).build().unwrap_err();
        let limit = ThreadLimit::AddressSpace { max_bytes: MIB };
        assert!(matches!(&refused, BuildError::ThreadsRefused { limit: Some(of), .. } if *of == limit), "{refused}");
        subprocess::report("refused");
        return;
    }
    let hidden = |script: &str| unshare(&["--mount", "sh", "-c", &format!("mount -t tmpfs none /proc && {script}")]);
    if !is_permitted(hidden("true")) {
        return skip("unshare, and the right to mount");
    }
    let ran = subprocess::run_by(hidden(r#"exec "$0" "$@""#), test_name!(), "");
    assert_eq!(ran.reports(), ["used", "refused"]);
}

#[test]
fn a_runtime_needs_one_processor() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["used", "used"]);
        return;
    }
    let available = sched_getaffinity(None).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|cpu| available.is_set(*cpu)).unwrap());
    sched_setaffinity(None, &one).unwrap();
    assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
    build_and_use();
    use_everything(&Runtime::builder().build().unwrap());
    subprocess::report("used");
}

/// Standard error is closed, or full.
#[test]
fn a_program_needs_no_standard_error() {
    if let Some(case) = subprocess::case() {
        if case == "refused" {
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: Some(5), maximum }).unwrap();
        }
        subprocess::exit_with(cordial::main(async {
            let crashed = Task::spawn(async { panic!("planned panic") }).await;
            // A failed assertion would end the program with status 1, as the planned error does.
            if !matches!(crashed, Err::<(), _>(Exit::Panic(_))) {
                std::process::exit(2);
            }
            Task::start(std::future::pending::<()>());
            Err::<(), _>("planned error")
        }));
    }
    for case in ["fails", "refused"] {
        for how in ["2>&-", "2>/dev/full"] {
            let ran = subprocess::run_by(shell(&format!(r#"exec "$0" "$@" {how}"#)), test_name!(), case);
            assert_eq!(ran.status.code(), Some(1), "{case} {how}: {}", ran.status);
        }
    }
}

/// Handlers that the program has set before those of the library, or sets after them, and signals that the parent ignores.
#[test]
fn a_program_shares_signals_with_other_handlers() {
    if let Some(case) = subprocess::case() {
        let handled = Arc::new(AtomicBool::new(false));
        let register = |handled: &Arc<AtomicBool>| {
            for signal in [Signal::INT, Signal::TERM] {
                signal_hook::flag::register(signal.as_raw(), handled.clone()).unwrap();
            }
        };
        if case == "before" {
            register(&handled);
        }
        let is_handled = handled.clone();
        let is_ignored = case == "ignored";
        let ended = cordial::run(async move {
            let requested = process::shutdown_requested();
            if case == "after" {
                register(&handled);
            }
            kill_process(getpid(), Signal::TERM).unwrap();
            requested.await;
            7
        });
        assert_eq!(ended, Ok(7));
        // A handler that was set later is called later, perhaps after the end of the run.
        while !is_ignored && !is_handled.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        build_and_use();
        return;
    }
    for case in ["before", "after"] {
        assert_eq!(subprocess::run(test_name!(), case).reports(), ["used"], "{case}");
    }
    let ignored = shell(r#"trap '' INT TERM HUP CHLD PIPE; exec "$0" "$@""#);
    assert_eq!(subprocess::run_by(ignored, test_name!(), "ignored").reports(), ["used"]);
}
