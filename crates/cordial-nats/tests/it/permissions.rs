//! The permissions in docs/fleet.md: each role works with exactly those of its row.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cordial_isolate::Function;
use cordial_nats::{Cluster, Options};

use crate::functions::{ATTEMPT, DOUBLE, SLEEP};
use crate::harness::{LIMIT, Server, Store, run, wait_for, wait_until, within};
use crate::jobs::start_worker;

/// Returns the texts in backquotes of one cell of the table of the page.
fn permissions(page: &str, role: &str, column: usize) -> Vec<String> {
    let row =
        page.lines().find(|line| line.starts_with(&format!("| {role}"))).unwrap_or_else(|| panic!("no row {role}"));
    let cell = row.split(" | ").nth(column).unwrap_or_default();
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn user(name: &str, publish: &[String], subscribe: &[String]) -> String {
    let list =
        |subjects: &[String]| subjects.iter().map(|subject| format!("{subject:?}")).collect::<Vec<_>>().join(", ");
    format!(
        "{{ user: {name}, password: p, permissions: {{ publish: [{}], subscribe: [{}] }} }}",
        list(publish),
        list(subscribe)
    )
}

#[test]
fn each_role_works_with_exactly_the_permissions_of_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fleet.md");
    let page = fs::read_to_string(page).unwrap();
    let submit = permissions(&page, "submitter to `g`", 1);
    let listen = permissions(&page, "submitter to `g`", 2);
    let cancel = [submit.clone(), permissions(&page, "submitter that may cancel", 1)].concat();
    let files = [submit.clone(), permissions(&page, "both, for files", 1)].concat();
    let lines = [listen.clone(), permissions(&page, "submitter that prints lines", 2)].concat();
    let users = [
        user("files", &files, &listen),
        user("lines", &submit, &lines),
        user("operator", &[">".to_owned()], &[">".to_owned()]),
        user("worker", &permissions(&page, "worker of `g`", 1), &permissions(&page, "worker of `g`", 2)),
        user("submitter", &submit, &listen),
        user("canceler", &cancel, &listen),
    ];
    let Some(server) = Server::with_config(&format!("authorization {{ users: [{}] }}", users.join(", ")), Store::Here)
    else {
        return;
    };
    run(async move {
        let connect = |user: &str| Cluster::connect(Options::new(server.url()).user_and_password(user, "p"));
        let operator = connect("operator").await.unwrap();
        start_worker(&operator, "g", 1).await.stop().await;
        let worker = connect("worker").await.unwrap();
        let tree = start_worker(&worker, "g", 2).await;
        let submitter = connect("submitter").await.unwrap();
        assert_eq!(submitter.submit(DOUBLE, 4).group("g").await.unwrap().timeout(LIMIT).await, Ok(8));
        assert_eq!(submitter.submit(DOUBLE, 5).group("g").key("k").await.unwrap().timeout(LIMIT).await, Ok(10));
        assert_eq!(submitter.submit(ATTEMPT, 2).group("g").await.unwrap().timeout(LIMIT).await, Ok(2));
        assert!(submitter.submit(ATTEMPT, 9).group("g").attempts(1).await.unwrap().timeout(LIMIT).await.is_err());
        assert_eq!(submitter.call(DOUBLE, 6).await, Ok(12));
        let nodes = || async { Some(submitter.nodes().await.unwrap()).filter(|nodes| !nodes.is_empty()) };
        assert_eq!(wait_for("the node answers", nodes).await.len(), 1);
        wait_until("the group is served", || async { submitter.is_served("g").await.unwrap() }).await;
        // An operation that the role must not do returns a permission error at once.
        let job = submitter.submit(SLEEP, 60_000).group("g").await.unwrap();
        let error = within(Duration::from_secs(3), || submitter.cancel(job.id())).await.unwrap_err().to_string();
        assert!(error.to_lowercase().contains("permission") && error.contains("docs/fleet.md"), "{error}");
        let error = submitter.submit(DOUBLE, 4).group("other").await.unwrap_err().to_string();
        assert!(error.to_lowercase().contains("permission"), "{error}");
        let canceler = connect("canceler").await.unwrap();
        assert!(canceler.cancel(job.id()).await.unwrap());
        let job_id = &job.id().clone();
        assert!(job.timeout(LIMIT).await.is_err());
        assert_eq!(operator.dead_letters("g").await.unwrap().len(), 1);
        // Without a store, this role cannot make one.
        let files = connect("files").await.unwrap();
        assert!(files.create_object("o").await.is_err());
        operator.create_object("o").await.unwrap().finish().await.unwrap();
        let mut writer = files.create_object("o").await.unwrap();
        writer.write(b"bytes").await.unwrap();
        writer.finish().await.unwrap();
        let mut reader = files.open_object("o").await.unwrap().unwrap();
        assert_eq!(reader.next().await.unwrap().as_deref(), Some(&b"bytes"[..]));
        files.delete_object("o").await.unwrap();
        let lines = connect("lines").await.unwrap();
        let mut watch = lines.watch_pieces(job_id).await.unwrap();
        // The server handles the messages of one connection in order, so it has the subscription when it answers this.
        lines.is_served("g").await.unwrap();
        worker.keep_piece(job_id, 1, 4, "piece".into()).await.unwrap();
        let piece = tokio::time::timeout(LIMIT, watch.next()).await.expect("the piece arrives").unwrap();
        assert_eq!((piece.attempt, piece.number, &*piece.bytes), (1, 4, &b"piece"[..]));
        tree.stop().await;
    });
}

/// The server may refuse a call before the caller waits for its outcome, and several calls before any of their callers runs.
#[test]
fn calls_that_are_refused_while_they_are_sent_or_together_say_so_at_once() {
    let user = user("caller", &["x".to_owned()], &[">".to_owned()]);
    let Some(server) = Server::with_config(&format!("authorization {{ users: [{user}] }}"), Store::Here) else {
        return;
    };
    run(async move {
        let options = Options::new(server.url()).user_and_password("caller", "p");
        let cluster = Cluster::connect(options).await.unwrap();
        for n in 0..20 {
            let exit = cluster.call(DOUBLE, n).await.unwrap_err().to_string();
            assert!(exit.to_lowercase().contains("permission"), "call {n}: {exit}");
        }
        let functions = (0..64).map(|n| Function::<u64, u64>::new(Box::leak(format!("function-{n}").into_boxed_str())));
        let calls: Vec<_> = functions.map(|function| cluster.call(function, 1)).collect();
        for call in calls {
            let exit = call.await.unwrap_err().to_string();
            assert!(exit.to_lowercase().contains("permission"), "one of many: {exit}");
        }
    });
}
