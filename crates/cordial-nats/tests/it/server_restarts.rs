//! The server is killed or stopped, and comes back; and another program answers in its place.

use std::time::Duration;

use cordial::Task;
use cordial_nats::Cluster;

use crate::faults::{check, leader_of, limit_of_rounds, rounds, submit, wait_cluster, wait_runs};
use crate::functions::{DOUBLE, SLEEP};
use crate::harness::{LIMIT, Server, next_message, run, run_for, three_servers, wait_for, with_server};
use crate::jobs::start_worker;
use crate::processes::{Process, options, results};

#[test]
fn jobs_outlive_a_killed_server_and_the_submitter_gets_its_answers() {
    with_server(|mut server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 4).await;
        let mut jobs = Vec::new();
        for n in 0..20 {
            jobs.push(cluster.submit(SLEEP, n * 20).group("g").await.unwrap());
        }
        server.kill();
        // A request while the server is gone returns an error that says that the server does not answer.
        let error = cluster.submit(DOUBLE, 1).group("g").key("later").await.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
        let error = cluster.call(DOUBLE, 1).await.unwrap_err().to_string();
        assert!(error.contains("its connection is lost"), "{error}");
        server.restart();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.timeout(LIMIT).await, Ok(n as u64 * 20));
        }
        let job = cluster.submit(DOUBLE, 1).group("g").key("later").await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(2));
        tree.stop().await;
    });
}

#[test]
fn a_piece_is_kept_after_the_servers_had_no_stream_for_it_for_a_while() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let job = cluster.submit(DOUBLE, 1).group("g").await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        client.request("$JS.API.STREAM.DELETE.cordial-results", "".into()).await.unwrap();
        let (keeper, id) = (cluster.clone(), job.id().clone());
        let keeps = Task::spawn(async move { keeper.keep_piece(&id, 1, 0, "piece".into()).await });
        // As long as the servers of a cluster may need to elect a leader.
        tokio::time::sleep(Duration::from_secs(8)).await;
        let other = Cluster::connect(server.url()).await.unwrap();
        let _other = other.submit(DOUBLE, 1).group("g").await.unwrap();
        keeps.timeout(LIMIT).await.unwrap().unwrap();
        assert_eq!(cluster.piece(job.id(), 1, 0).await.unwrap().as_deref(), Some(&b"piece"[..]));
    });
}

#[test]
fn a_server_that_is_stopped_in_order_under_load_loses_no_job() {
    let Some(mut server) = Server::start() else { return };
    run_for(limit_of_rounds(), async move {
        let dir = tempfile::tempdir().unwrap();
        let cluster = Cluster::connect(options(&server.url())).await.unwrap();
        let _workers = [Process::worker(&server.url(), "one", 3), Process::worker(&server.url(), "two", 3)];
        for round in 0..rounds() {
            let log = dir.path().join(format!("runs-{round}"));
            let (submitter, submitted_log) = (cluster.clone(), log.clone());
            let submits = Task::spawn(async move { submit(&submitter, &submitted_log, 0..400, 5).await });
            let pieces = (0..8).map(|n| {
                let (cluster, job) =
                    (cluster.clone(), cordial_nats::JobId::keyed("g", &format!("{round}-{n}")).unwrap());
                Task::spawn(async move {
                    for number in 0..100 {
                        let bytes = vec![7; 10_000].into();
                        cluster.keep_piece(&job, 1, number, bytes).await.unwrap();
                        let piece = cluster.piece(&job, 1, number).await.unwrap();
                        assert_eq!(piece.map(|piece| piece.len()), Some(10_000), "piece {number}");
                    }
                })
            });
            let pieces: Vec<_> = pieces.collect();
            wait_runs(&log, 20 + 7 * round as usize).await;
            server.stop();
            server.restart();
            let jobs = submits.timeout(2 * LIMIT).await.unwrap();
            for piece in pieces {
                piece.timeout(2 * LIMIT).await.unwrap();
            }
            let counts = check(&results(jobs).await, &log, 40);
            println!("SIGTERM of the server, round {round}: {counts}");
        }
    });
}

#[test]
fn an_object_is_read_and_written_after_the_only_server_that_keeps_the_store_was_away() {
    let Some(mut servers) = three_servers() else { return };
    run(async move {
        let urls = servers.iter().map(Server::url).collect::<Vec<_>>().join(",");
        let cluster = wait_cluster(options(&urls)).await;
        let create = || async { cluster.create_object("before").await.ok() };
        let mut writer = wait_for("the store has a leader", create).await;
        writer.write(b"before").await.unwrap();
        writer.finish().await.unwrap();
        let mut writer = cluster.create_object("meanwhile").await.unwrap();
        let leader = leader_of(&urls, "OBJ_cordial-files").await;
        let server = servers.iter_mut().find(|server| server.name == leader).unwrap();
        // In order, so that the other servers know at once that no server has the stream.
        server.stop();
        let reads = cluster.clone();
        let reads = Task::spawn(async move { reads.open_object("before").await.map(|reader| reader.unwrap().size()) });
        let writes = Task::spawn(async move {
            writer.write(b"meanwhile").await?;
            writer.finish().await
        });
        tokio::time::sleep(Duration::from_secs(3)).await;
        server.restart();
        assert_eq!(reads.timeout(2 * LIMIT).await.unwrap().unwrap(), 6);
        writes.timeout(2 * LIMIT).await.unwrap().unwrap();
        assert_eq!(cluster.open_object("meanwhile").await.unwrap().unwrap().size(), 9);
    });
}

#[test]
fn an_answer_of_another_program_is_not_taken_for_that_of_the_server() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut pieces = client.subscribe("cordial.attempt.>").await.unwrap();
        client.flush().await.unwrap();
        let (keeper, id) = (cluster.clone(), cordial_nats::JobId::keyed("g", "a").unwrap());
        let keeps = Task::spawn(async move { keeper.keep_piece(&id, 1, 0, "piece".into()).await });
        // A server gives the last answer to a second try, while the message of the first try waits for other servers.
        let in_process =
            r#"{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}"#;
        for answer in ["not an answer of JetStream", "{}", in_process] {
            let piece = next_message(&mut pieces, "the piece is sent").await;
            client.publish(piece.reply.unwrap(), answer.into()).await.unwrap();
        }
        drop(pieces);
        // Makes the streams.
        let job = cluster.submit(DOUBLE, 1).group("g").key("a").await.unwrap();
        keeps.timeout(LIMIT).await.unwrap().unwrap();
        assert_eq!(cluster.piece(job.id(), 1, 0).await.unwrap().as_deref(), Some(&b"piece"[..]));
    });
}
