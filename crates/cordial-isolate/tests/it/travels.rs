//! What travels with a call beside its argument.

use cordial::Exit;
use cordial_isolate::Pool;
use cordial_isolate::dispatch::Carried;

use crate::functions::{
    BAD_TRACE, CARRIED_SEEN, STAYS, TENANT, TENANT_SEEN, TRACE, TRACE_SEEN, UNREADABLE, UNWRITABLE, Unreadable,
    Unwritable, functions,
};
use crate::waits::{LONG, run};

#[test]
fn values_of_keys_that_travel_are_seen_by_the_function() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(TENANT_SEEN, ()).timeout(LONG).await, Ok(None));
        let call =
            async { STAYS.scope("x".to_owned(), async { pool.call(TENANT_SEEN, ()).timeout(LONG).await }).await };
        assert_eq!(TENANT.scope("acme".to_owned(), call).await, Ok(Some("acme".to_owned())));
        assert_eq!(pool.call(TENANT_SEEN, ()).timeout(LONG).await, Ok(None), "only that call");
    })
    .unwrap();
}

#[test]
fn the_trace_context_of_the_caller_is_that_of_the_span_in_which_the_function_runs() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(TRACE_SEEN, ()).timeout(LONG).await, Ok(None));
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
        let seen = TRACE.scope(traceparent.clone(), async { pool.call(TRACE_SEEN, ()).timeout(LONG).await });
        assert_eq!(seen.await, Ok(Some(("call_of_a_trace".to_owned(), traceparent.clone()))));
        // The items of a stream carry it as well.
        let seen = TRACE.scope(traceparent.clone(), async {
            pool.async_stream(TRACE_SEEN, [(), ()]).timeout(LONG).collect().await
        });
        for seen in seen.await {
            assert_eq!(seen, Ok(Some(("call_of_a_trace".to_owned(), traceparent.clone()))));
        }
        assert_eq!(pool.call(TRACE_SEEN, ()).timeout(LONG).await, Ok(None), "only those calls");
    })
    .unwrap();
}

#[test]
fn bytes_of_a_crate_that_carries_calls_are_seen_by_the_function() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let call = |carried| pool.call_encoded_with(CARRIED_SEEN.signature(), Vec::new(), carried);
        let seen = |result| CARRIED_SEEN.decode_output(result).unwrap();
        let carried = Carried::default().with("test.node", vec![1]).with("test.node", vec![7]);
        assert_eq!(seen(call(carried).await.unwrap()), Some(vec![7]));
        assert_eq!(seen(call(Carried::default()).await.unwrap()), None);
    })
    .unwrap();
}

#[test]
fn a_value_that_panics_when_it_is_decoded_is_a_panic_of_its_call() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let seen = UNREADABLE.scope(Unreadable, async { pool.call(TENANT_SEEN, ()).timeout(LONG).await }).await;
        let Err(Exit::Panic(report)) = seen else { panic!("expected a panic, not {seen:?}") };
        assert_eq!(report.message(), "the bytes of a value");
        assert_eq!(pool.call(TENANT_SEEN, ()).timeout(LONG).await, Ok(None));
        assert_eq!(pool.statistics().started, 1, "the worker lives on");
    })
    .unwrap();
}

#[test]
fn a_value_that_cannot_be_encoded_or_decoded_is_an_error_of_its_call() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for (value, why) in [(0, "its `Serialize` has returned an error"), (1, "bytes are left over")] {
            let call = UNWRITABLE.scope(Unwritable(value), async { pool.call(TENANT_SEEN, ()).timeout(LONG).await });
            let text = call.await.unwrap_err().to_string();
            let what = "what travels with the call as \"unwritable\" is missing: ";
            assert!(text.starts_with(what) && text.contains(why), "{text}");
        }
        assert_eq!(pool.call(TENANT_SEEN, ()).timeout(LONG).await, Ok(None));
        assert_eq!(pool.statistics().started, 1, "the worker lives on");
    })
    .unwrap();
}

#[test]
fn a_function_whose_span_cannot_be_made_runs_in_none() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let call = async { pool.call(TRACE_SEEN, ()).timeout(LONG).await };
        assert_eq!(TRACE.scope(BAD_TRACE.to_owned(), call).await, Ok(None));
        assert_eq!(pool.statistics().started, 1, "the worker lives on");
    })
    .unwrap();
}
