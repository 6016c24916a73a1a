use std::ops::ControlFlow;

use cordial::{ChildSpec, Strategy, Supervisor, Task, process};

use crate::view::State;

use super::{Earlier, ROOT, Row, Scan, count_below};

#[test]
fn a_process_costs_few_bytes() {
    // A scan has for each process its row, its counts at the scan before, and three indices of the tree. While the next scan is made, the
    // counts of this scan are in memory too, each with its pid.
    let while_shown = size_of::<Row>() + size_of::<Earlier>() + 3 * size_of::<u32>();
    let while_replaced = while_shown + size_of::<(cordial::Pid, Earlier)>();
    assert!(while_replaced <= 256, "{while_shown} and {while_replaced} bytes");
}

#[test]
fn all_levels_below_a_process_are_counted() {
    assert_eq!(count_below(&[ROOT, 0, 1, 1, ROOT, 0]), [4, 2, 0, 0, 0, 0]);
    assert_eq!(count_below(&[3, 0, 1, ROOT]), [2, 1, 0, 3], "a pid may be smaller than that of the process above");
    assert_eq!(count_below(&[]), [0; 0]);
}

#[test]
fn a_scan_compares_with_the_one_before() {
    cordial::testing::run(async {
        let child = ChildSpec::task("child", std::future::pending::<()>);
        let _tree = Supervisor::builder(Strategy::OneForOne).label("app").child(child).start().await.unwrap();
        let inspector = process::inspector();
        let first = Scan::new(&inspector, 1000, None);
        let second = Scan::new(&inspector, 3000, Some(first.before()));
        assert_eq!((first.interval.as_secs(), second.interval.as_secs()), (0, 2));
        let mut n = 0;
        let _ = inspector.visit(None, |summary| {
            let index = second.index_of(summary.pid).unwrap();
            assert!(second.polls_per_second(index) < 0.001, "it was not polled since then");
            n += 1;
            ControlFlow::Continue(())
        });
        assert_eq!((n, second.total(), second.n_left_out()), (second.rows().len(), n, 0));
        let app = second.rows().iter().position(|row| row.label.as_deref() == Some("app")).unwrap();
        assert_eq!(second.directly_below(Some(app)).len(), 1);
        assert!(second.supervision(second.rows()[app].pid).is_some());
        assert_eq!(second.places.counts().map(|(_, n)| n).sum::<usize>(), n);
    });
}

#[test]
fn a_scan_knows_which_processes_a_new_one_would_leave_out_too() {
    cordial::testing::run(async {
        let mut tasks: Vec<Task<()>> = (0..5).map(|_| Task::spawn(std::future::pending())).collect();
        tasks.sort_by_key(Task::pid);
        let scan = Scan::with_rows(&process::inspector(), 0, None, 3);
        assert_eq!((scan.rows().len(), scan.n_left_out(), scan.total()), (3, 3, 6));
        let left_out = tasks.iter().filter(|task| scan.leaves_out(task.pid())).count();
        let kept = tasks.iter().filter(|task| scan.row(task.pid()).is_some()).count();
        assert_eq!(left_out + kept, 5);
        assert!(scan.leaves_out(tasks[4].pid()) && !scan.leaves_out(scan.rows()[0].pid));
        let whole = Scan::new(&process::inspector(), 0, None);
        assert!(!tasks.iter().any(|task| whole.leaves_out(task.pid())));
    });
}

#[test]
fn a_process_waits_for_a_worker_since_its_spawn_or_since_the_first_scan_in_which_it_waited() {
    cordial::testing::run(async {
        let (wake, woken) = tokio::sync::oneshot::channel::<()>();
        let polled = Task::spawn(woken);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        // Both wait from here on, because this task does not return from its poll.
        wake.send(()).unwrap();
        let new = Task::spawn(async {});
        let inspector = process::inspector();
        let first = Scan::new(&inspector, 1000, None);
        let second = Scan::new(&inspector, 3000, Some(first.before()));
        let in_queue = |scan: &Scan, pid| scan.in_queue_ms(scan.index_of(pid).unwrap());
        assert_eq!((in_queue(&first, polled.pid()), in_queue(&second, polled.pid())), (Some(0), Some(2000)));
        assert_eq!(in_queue(&second, new.pid()), Some(0), "its age");
        polled.await.unwrap().unwrap();
        new.await.unwrap();
    });
}

#[test]
fn a_process_that_was_asked_to_shut_down_waits_for_a_worker_like_any_other() {
    cordial::testing::run(async {
        let task = Task::spawn(async { cordial::shutdown_requested().await });
        let pid = task.pid();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        process::exit(pid, cordial::Exit::Shutdown(None));
        let scan = Scan::new(&process::inspector(), 1000, None);
        let index = scan.index_of(pid).unwrap();
        assert_eq!((scan.rows()[index].state, scan.in_queue_ms(index)), (State::ShutdownRequested, Some(0)));
        task.await.unwrap();
    });
}
