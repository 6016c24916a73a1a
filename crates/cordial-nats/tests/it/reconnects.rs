//! Calls whose caller or worker connects to the server again.

use std::future::IntoFuture;
use std::time::Duration;

use cordial::Task;
use cordial_nats::Cluster;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::functions::SLEEP;
use crate::harness::with_server;
use crate::jobs::start_worker;
use crate::processes::{BLOCK, Process, options};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_call_goes_on_while_its_caller_connects_again() {
    with_server(|server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut sent = client.subscribe("cordial.call.>").await.unwrap();
        client.flush().await.unwrap();
        let tree = start_worker(&cluster, "g", 2).await;
        let first = Task::spawn(cluster.call(SLEEP, 4000).timeout(LIMIT).into_future()).timeout(LIMIT);
        // The same call by a client that does not answer.
        let call = sent.next().await.unwrap();
        drop(sent);
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.unwrap();
        let headers = call.headers.unwrap();
        client.publish_with_reply_and_headers(call.subject, inbox.clone(), headers, call.payload).await.unwrap();
        let accepted = answers.next().await.unwrap();
        assert!(accepted.payload.is_empty() && accepted.reply.is_some(), "{accepted:?}");
        drop(answers);
        client.flush().await.unwrap();
        // Two heartbeats find no subscription.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let mut answers = client.subscribe(inbox).await.unwrap();
        let outcome = async {
            loop {
                let message = answers.next().await.unwrap();
                if message.payload != "beat" {
                    return message.payload;
                }
            }
        };
        assert!(!timeout(LIMIT, outcome).await.expect("the call has an outcome").is_empty());
        assert_eq!(first.await, Ok(Ok(4000)));
        tree.stop().await;
    });
}

#[test]
fn a_call_after_a_restart_of_the_server_waits_for_the_workers() {
    with_server(|mut server| async move {
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let worker = Process::worker(&server.url(), "worker", 1);
        assert_eq!(cluster.call(BLOCK, 1).timeout(LIMIT).await, Ok(1));
        // On a busy machine, the worker may need longer than a caller waits.
        let mut tries = 0;
        loop {
            worker.signal("STOP");
            server.kill();
            server.restart();
            while cluster.nodes().await.is_err() {}
            let call = Task::spawn(cluster.call(BLOCK, 2).timeout(LIMIT).into_future()).timeout(LIMIT);
            tokio::time::sleep(Duration::from_millis(200)).await;
            worker.signal("CONT");
            let answer = call.await.unwrap();
            tries += 1;
            if answer == Ok(2) {
                break;
            }
            assert!(tries < 3, "{answer:?}");
        }
    });
}
