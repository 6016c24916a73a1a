//! Calls whose caller or worker connects to the server again.

use std::future::IntoFuture;
use std::time::Duration;

use cordial::Task;
use cordial_nats::Cluster;

use crate::functions::SLEEP;
use crate::harness::{LIMIT, in_several_tries, next_message, wait_until, with_server};
use crate::jobs::start_worker;
use crate::processes::{BLOCK, Process, options};

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
        let call = next_message(&mut sent, "the call is sent").await;
        drop(sent);
        // On a busy machine, the second subscription may be too late.
        in_several_tries(|_| async {
            let inbox = client.new_inbox();
            let mut answers = client.subscribe(inbox.clone()).await.unwrap();
            let (subject, payload, headers) =
                (call.subject.clone(), call.payload.clone(), call.headers.clone().unwrap());
            client.publish_with_reply_and_headers(subject, inbox.clone(), headers, payload).await.unwrap();
            let accepted = next_message(&mut answers, "the call is accepted").await;
            assert!(accepted.payload.is_empty() && accepted.reply.is_some(), "{accepted:?}");
            drop(answers);
            client.flush().await.unwrap();
            // Two heartbeats find no subscription.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let mut answers = client.subscribe(inbox).await.unwrap();
            let outcome = async {
                loop {
                    let message = next_message(&mut answers, "a heartbeat, or the outcome").await;
                    if message.payload != "beat" {
                        return message.payload;
                    }
                }
            };
            match tokio::time::timeout(LIMIT / 4, outcome).await {
                Ok(outcome) if outcome.is_empty() => Err("the outcome is empty".to_owned()),
                Ok(_) => Ok(()),
                Err(_) => Err("the call has no outcome".to_owned()),
            }
        })
        .await;
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
        let mut tries = 1..=5;
        loop {
            worker.signal("STOP");
            server.kill();
            server.restart();
            wait_until("the client connects again", || async { cluster.nodes().await.is_ok() }).await;
            let call = Task::spawn(cluster.call(BLOCK, 2).timeout(LIMIT).into_future()).timeout(2 * LIMIT);
            tokio::time::sleep(Duration::from_millis(200)).await;
            worker.signal("CONT");
            let answer = call.await.unwrap();
            if answer == Ok(2) {
                break;
            }
            assert!(tries.next().is_some(), "{answer:?}");
        }
    });
}
