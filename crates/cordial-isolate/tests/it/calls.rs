//! Calls that return, and calls that are refused.

use std::time::Duration;

use cordial::Exit;
use cordial_isolate::dispatch::Unserved;
use cordial_isolate::{Function, Pool, PoolError};

use crate::functions::{DEPTH, ECHO, Level, NEST, OS_PID, PANIC, PARSE, RESULT, SQUARE, UNPRINTABLE, functions};
use crate::waits::{LONG, run};

#[test]
fn a_call_returns_what_the_function_returns() {
    cordial_isolate::test_main(functions());
    let answer = run(async {
        let pool = Pool::builder().workers(2).start()?;
        assert_ne!(pool.call(OS_PID, ()).timeout(LONG).await?, std::process::id());
        assert_eq!(pool.call(PARSE, "12".to_owned()).timeout(LONG).await?, 12);
        assert_eq!(pool.call(ECHO, vec![1, 2, 3]).timeout(LONG).await?, [1, 2, 3]);
        Ok::<u64, Box<dyn std::error::Error + Send + Sync>>(pool.call(SQUARE, 12).timeout(LONG).await?)
    });
    assert_eq!(answer.unwrap().unwrap(), 144);
}

#[test]
fn an_error_and_a_panic_are_exits_at_the_caller() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let error = pool.call(PARSE, "x".to_owned()).timeout(LONG).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid digit found in string");
        let line = line!() + 1;
        let task = pool.call(PANIC, "no luck".to_owned());
        let pid = task.pid();
        let Err(Exit::Panic(report)) = task.timeout(LONG).await else { panic!("expected a panic") };
        assert_eq!((report.message(), report.label(), report.pid()), ("no luck", Some("panic"), pid));
        assert!(report.location().file().ends_with("functions.rs"), "{}", report.location());
        assert!(report.spawned_at().file().ends_with("calls.rs"), "{}", report.spawned_at());
        assert_eq!(report.spawned_at().line(), line);
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9), "the worker lives on");
        assert_eq!(pool.statistics().started, 1);
    })
    .unwrap();
}

#[test]
fn an_error_whose_text_panics_is_an_error_that_says_so() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let error = pool.call(UNPRINTABLE, ()).timeout(LONG).await.unwrap_err();
        assert_eq!(error.to_string(), "an error whose `Display` panicked");
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9), "the worker lives on");
        assert_eq!(pool.statistics().started, 1);
    })
    .unwrap();
}

#[test]
fn a_function_that_the_worker_lacks_or_has_otherwise_is_an_error_with_both_sides() {
    cordial_isolate::test_main(functions());
    const MISSING: Function<u64, u64> = Function::new("missing");
    const OTHER_TYPE: Function<u64, String> = Function::new("square");
    const OTHER_VERSION: Function<u64, u64> = Function::new("square").version(2);
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let exits = [
            pool.call(MISSING, 1).timeout(LONG).await.unwrap_err(),
            pool.call(OTHER_TYPE, 1).timeout(LONG).await.unwrap_err(),
            pool.call(OTHER_VERSION, 1).timeout(LONG).await.unwrap_err(),
        ];
        for (exit, words) in exits.iter().zip([
            ["no function \"missing\"", "square"],
            ["u64 to alloc::string::String", "u64 to u64"],
            ["version 2", "version 1"],
        ]) {
            assert!(exit.downcast_ref::<Unserved>().is_some(), "{exit}");
            assert!(words.iter().all(|word| exit.to_string().contains(word)), "{exit}");
        }
    })
    .unwrap();
}

#[test]
fn large_payloads_pass_and_larger_ones_are_errors() {
    cordial_isolate::test_main(functions());
    run(async {
        let limit = 20 << 20;
        let pool = Pool::builder().workers(1).max_payload(limit).start().unwrap();
        let bytes = vec![5u8; limit];
        assert!(pool.call(ECHO, bytes.clone()).timeout(LONG).await.unwrap() == bytes);
        for exit in [
            pool.call(ECHO, vec![5u8; limit + 1]).timeout(LONG).await.unwrap_err(),
            pool.call(RESULT, limit + 1).timeout(LONG).await.unwrap_err(),
        ] {
            assert!(exit.to_string().contains("raise `max_payload`"), "{exit}");
        }
        assert_eq!(pool.call(RESULT, 3).timeout(LONG).await.unwrap(), [7, 7, 7]);
    })
    .unwrap();
}

#[test]
fn values_that_are_nested_too_deeply_are_errors_and_no_overflow_of_a_stack() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let error = |exit: Exit, which: &str| {
            let text = exit.to_string();
            let begin = format!("the {which} cannot be encoded or decoded: it is nested so deeply that this would take more than 1024 KiB");
            assert!(matches!(exit, Exit::Error(_)) && text.starts_with(&begin), "{text}");
        };
        // Shallow; too deep for its decoding here; and for its encoding in the worker as well.
        assert_eq!(pool.call(NEST, 1000).timeout(LONG).await, Ok(Level::nested(1000)));
        for depth in [5000, 1_000_000] {
            error(pool.call(NEST, depth).timeout(LONG).await.unwrap_err(), "result of the function \"nest\"");
        }
        assert_eq!(pool.call(DEPTH, Level::nested(1000)).timeout(LONG).await, Ok(1000));
        for depth in [5000, 1_000_000] {
            error(pool.call(DEPTH, Level::nested(depth)).timeout(LONG).await.unwrap_err(), "argument of the function \"depth\"");
        }
        let (ok, failed) = pool.async_stream(NEST, [1000, 5000, 1000]).timeout(LONG).partition().await;
        assert_eq!((ok.len(), failed.len()), (2, 1));
        assert_eq!(pool.statistics().started, 1, "the worker lives on");
    })
    .unwrap();
}

#[test]
fn a_stream_has_all_of_its_options() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(2).start().unwrap();
        let inputs = ["1", "x", "3"].map(str::to_owned);
        let stream = pool.async_stream(PARSE, inputs).timeout(LONG).unordered().zip_input_on_exit();
        let (mut good, bad) = stream.partition().await;
        good.sort_unstable();
        assert_eq!(good, [1, 3]);
        assert_eq!((bad.len(), bad[0].input.as_str()), (1, "x"));
    })
    .unwrap();
}

#[test]
fn options_of_zero_and_too_many_workers_are_refused_with_a_reason() {
    cordial_isolate::test_main(functions());
    assert_eq!(Pool::builder().workers(0).start().unwrap_err(), PoolError::Zero { option: "workers" });
    assert_eq!(Pool::builder().memory(0).start().unwrap_err(), PoolError::Zero { option: "memory" });
    assert_eq!(Pool::builder().cpu_time(Duration::ZERO).start().unwrap_err(), PoolError::Zero { option: "cpu_time" });
    assert_eq!(Pool::builder().recycle_after(0).start().unwrap_err(), PoolError::Zero { option: "recycle_after" });
    let error = Pool::builder().workers(100_000_000).start().unwrap_err();
    assert!(error.to_string().contains("leaves room for"), "{error}");
    let error = Pool::builder().program("/no/such/program").start().unwrap_err();
    assert!(error.to_string().contains("/no/such/program") && error.to_string().contains("No such file"), "{error}");
    let error = Pool::builder().program("/bin/true").start().unwrap_err();
    assert!(error.to_string().contains("has to begin with `cordial_isolate::main`"), "{error}");
}
