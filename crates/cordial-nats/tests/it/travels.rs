//! What travels with calls and jobs beside their arguments.

use std::sync::Mutex;

use cordial::{Inherited, Strategy, Supervisor};
use cordial_isolate::{Function, Functions};
use cordial_nats::{Cluster, Options, SubmitError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::harness::{LIMIT, next_message, with_server};

const TENANT_OF: Function<(), Option<String>> = Function::new("tenant_of");
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

static TENANT: Inherited<String> = Inherited::new();
static SPANS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A value that cannot be encoded.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("no"))
    }
}

impl<'de> Deserialize<'de> for Unwritable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Unwritable, D::Error> {
        Ok(Unwritable)
    }
}

static UNWRITABLE: Inherited<Unwritable> = Inherited::new();

fn functions() -> Functions {
    Functions::new()
        .travels("unwritable", &UNWRITABLE)
        .add(TENANT_OF, |()| async move { TENANT.get().map(|tenant| tenant.to_string()) })
        .travels("tenant", &TENANT)
        .trace_context(
            || Some(TRACE.to_owned()),
            |traceparent| {
                SPANS.lock().unwrap().push(traceparent.to_owned());
                tracing::Span::none()
            },
        )
}

#[test]
fn inherited_values_and_the_trace_context_travel_with_calls_and_jobs() {
    with_server(|server| async move {
        let cluster = Cluster::connect(Options::new(server.url()).travels(&functions())).await.unwrap();
        let worker = cluster.worker(functions()).group("g");
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start().await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut jobs = client.subscribe("cordial.job.>").await.unwrap();
        client.flush().await.unwrap();
        let acme = async {
            let called = cluster.call(TENANT_OF, ()).await;
            let job = cluster.submit(TENANT_OF, ()).group("g").await.unwrap();
            (called, job.timeout(LIMIT).await)
        };
        let (called, job) = TENANT.scope("acme".to_owned(), acme).await;
        assert_eq!(called, Ok(Some("acme".to_owned())));
        assert_eq!(job, Ok(Some("acme".to_owned())));
        assert_eq!(*SPANS.lock().unwrap(), [TRACE, TRACE]);
        // Other programs find the trace in the header of the W3C.
        let message = next_message(&mut jobs, "the job is sent").await;
        assert_eq!(message.headers.unwrap().get("traceparent").unwrap().as_str(), TRACE);

        // Without a value in the scope of the caller, the function sees none.
        assert_eq!(cluster.call(TENANT_OF, ()).await, Ok(None));
        let large = async { cluster.submit(TENANT_OF, ()).group("g").await.unwrap_err() };
        let error = TENANT.scope("x".repeat(20_000), large).await;
        assert!(matches!(error, SubmitError::Carried { .. }), "{error}");
        assert!(error.to_string().contains("Functions::travels"), "{error}");
        // A cluster that names no functions carries nothing.
        let plain = Cluster::connect(server.url()).await.unwrap();
        let none = TENANT.scope("acme".to_owned(), async { plain.call(TENANT_OF, ()).await }).await;
        assert_eq!(none, Ok(None));
        tree.stop().await;
    });
}

#[test]
fn a_value_that_cannot_be_encoded_is_one_error_of_its_call_or_submit_at_once() {
    with_server(|server| async move {
        let cluster = Cluster::connect(Options::new(server.url()).travels(&functions())).await.unwrap();
        let what = "what travels with the call as \"unwritable\" is missing: ";
        // No worker is needed for that.
        let call = UNWRITABLE.scope(Unwritable, async { cluster.call(TENANT_OF, ()).await });
        let text = call.await.unwrap_err().to_string();
        assert!(text.starts_with(what), "{text}");
        let submit =
            UNWRITABLE.scope(Unwritable, async { cluster.submit(TENANT_OF, ()).group("g").await.unwrap_err() });
        let error = submit.await;
        assert!(matches!(error, SubmitError::Missing { .. }) && error.to_string().starts_with(what), "{error}");
    });
}
