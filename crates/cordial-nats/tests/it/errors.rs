//! Invalid input: each case returns an error with advice, mostly within 3 s, and no job is lost.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use cordial::{Strategy, Supervisor};
use cordial_isolate::{Function, Functions};
use cordial_nats::{Cluster, JobId, Options, SubmitError};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::free_port::free_port;
use crate::functions::{BYTES, DOUBLE, PARSE, functions};
use crate::harness::{LIMIT, Server, Store, in_several_tries, run, skip, wait_for, wait_until, with_server, within};
use crate::jobs::start_worker;

/// Connects, and returns the text of the error, which a connection that cannot be made returns within three seconds.
async fn error_of(options: impl Into<Options>) -> String {
    let options = options.into();
    within(Duration::from_secs(3), || Cluster::connect(options.clone())).await.unwrap_err().to_string()
}

#[test]
fn without_a_server_the_error_names_the_address_and_the_command_that_starts_one() {
    run(async {
        let url = format!("nats://127.0.0.1:{}", free_port());
        let error = error_of(&*url).await;
        assert!(error.contains(&url) && error.contains("nats-server -js"), "{error}");
        assert!(error.to_lowercase().contains("connection refused") && !error.contains("os error"), "{error}");
        let error = error_of(format!("nats://me:secret@127.0.0.1:{}", free_port())).await;
        assert!(!error.contains("secret"), "{error}");
    });
}

#[test]
fn an_invalid_address_a_prefix_with_a_wildcard_and_a_missing_credentials_file_are_refused() {
    run(async {
        for address in ["http://127.0.0.1", "", "ws://127.0.0.1:1"] {
            let error = error_of(address).await;
            assert!(error.contains("nats://HOST:PORT"), "{error}");
        }
        let error = error_of(Options::new("nats://127.0.0.1").prefix("a.*")).await;
        assert!(error.contains("cannot be the name of a prefix"), "{error}");
        let error = error_of(Options::new("nats://127.0.0.1").credentials_file("/nonexistent.creds")).await;
        assert!(error.contains("/nonexistent.creds"), "{error}");
    });
}

#[test]
fn a_silent_server_is_given_up_within_three_seconds() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = error_of(format!("nats://{}", listener.local_addr().unwrap())).await;
        assert!(error.contains("no NATS server answers"), "{error}");
    });
}

#[test]
fn a_silent_server_of_a_list_does_not_use_up_the_time_for_the_others() {
    with_server(|server| async move {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let servers = format!("nats://{},{}", silent.local_addr().unwrap(), server.url());
        // The client tries the servers in a random order, so several clients connect at the same time.
        in_several_tries(|_| async {
            let connects = (0..6).map(|_| Cluster::connect(&*servers));
            let connected: Result<Vec<_>, _> = futures_util::future::join_all(connects).await.into_iter().collect();
            connected.map(drop).map_err(|error| error.to_string())
        })
        .await;
    });
}

#[test]
fn a_plain_connection_to_another_machine_needs_insecure() {
    // All addresses of 127.0.0.0/8 are loopback ones, so the address of an interface is needed.
    let Some(address) = address_of_this_machine() else { return };
    let Some(server) = Server::with_config("host: 0.0.0.0", Store::Here) else { return };
    run(async move {
        let url = format!("nats://{address}:{}", server.port);
        let error = error_of(&*url).await;
        assert!(error.contains("`insecure`"), "{error}");
        Cluster::connect(Options::new(url).insecure()).await.unwrap();
    });
}

#[test]
fn a_client_of_this_machine_does_not_follow_a_server_to_another_one_without_tls() {
    let Some(address) = address_of_this_machine() else { return };
    let (near, far) = (free_port(), free_port());
    let lines = |own: u16, advertised: &str| {
        let routes = format!("nats://127.0.0.1:{near}, nats://127.0.0.1:{far}");
        format!("cluster {{ name: test, listen: \"127.0.0.1:{own}\", routes: [{routes}] }}\n{advertised}")
    };
    let remote = format!("host: 0.0.0.0\nclient_advertise: \"{address}\"");
    let Some(mut here) = Server::with_name("here", &lines(near, ""), Store::Here) else { return };
    let there = Server::with_name("there", &lines(far, &remote), Store::Here).unwrap();
    run(async move {
        let options = || Options::new(here.url()).name("follower");
        // Both servers elect a leader first.
        let connect = |options: Options| async move { Cluster::connect(options).await.ok() };
        let cluster = wait_for("the servers have a leader", || connect(options())).await;
        // Both clients know the other server. The client with `insecure` connects to it.
        let insecure = wait_for("a second client", || connect(options().name("insecure").insecure())).await;
        here.kill();
        let has_followed = || async { there.connection("insecure").is_some() };
        wait_until("the client with `insecure` connects to the other server", has_followed).await;
        // Within this time, the other client would try to reconnect several times.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(there.connection("follower"), None);
        drop((cluster, insecure));
    });
}

/// Returns an address of this machine that is not a loopback one. If there is none, returns `None`, and prints that the test is skipped.
fn address_of_this_machine() -> Option<IpAddr> {
    let routed = || {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        // Sends nothing: it asks for the route.
        socket.connect("192.0.2.1:9").ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let address = routed().filter(|address| !address.is_loopback() && !address.is_unspecified());
    if address.is_none() {
        skip("this machine has no address but the loopback ones");
    }
    address
}

#[test]
fn the_error_names_wrong_credentials() {
    let Some(server) = Server::with_config("authorization { user: a, password: b }", Store::Here) else { return };
    run(async move {
        for options in [Options::new(server.url()), Options::new(server.url()).user_and_password("a", "wrong")] {
            let error = error_of(options).await;
            assert!(error.contains("refuses the login") && !error.contains("wrong"), "{error}");
        }
        Cluster::connect(Options::new(server.url()).user_and_password("a", "b")).await.unwrap();
    });
}

#[test]
fn the_error_names_a_server_without_jetstream() {
    let Some(server) = Server::with_config("", Store::None) else { return };
    run(async move {
        let error = error_of(server.url()).await;
        assert!(error.contains("nats-server -js"), "{error}");
    });
}

/// Returns the error of a connection to a server that sends this text, and nothing else.
async fn error_after(greeting: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let greet = async {
        let mut sockets = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            // The client may have given up.
            let _ = socket.write_all(greeting.as_bytes()).await;
            sockets.push(socket);
        }
    };
    tokio::select! {
        error = error_of(format!("nats://{address}")) => error,
        () = greet => unreachable!("the server never ends"),
    }
}

#[test]
fn the_error_names_a_server_that_is_too_old_and_one_that_is_not_nats() {
    run(async {
        let info = r#"INFO {"server_id":"x","version":"2.8.4","proto":1,"headers":true,"max_payload":1048576}"#;
        let error = error_after(&format!("{info}\r\nPONG\r\n")).await;
        assert!(error.contains("has version 2.8.4, and a fleet needs 2.9 or later"), "{error}");
        let error = error_after("SSH-2.0-\x1b[31mOpenSSH\r\n").await;
        assert!(error.contains("no NATS server answers") && error.contains("OpenSSH'); start one"), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    });
}

#[test]
fn a_stream_with_other_settings_is_not_used() {
    with_server(|server| async move {
        let small = Cluster::connect(Options::new(server.url()).max_jobs(5)).await.unwrap();
        let _ = small.submit(DOUBLE, 1).group("g").await.unwrap();
        let other = Cluster::connect(Options::new(server.url()).max_jobs(6)).await.unwrap();
        let error = other.submit(DOUBLE, 1).group("g").await.unwrap_err().to_string();
        assert!(error.contains("cordial-jobs-g") && error.contains("`max_msgs` is 5, and has to be 6"), "{error}");
        // A program that sets no limit uses the stream as it is.
        let _ = Cluster::connect(server.url()).await.unwrap().submit(DOUBLE, 1).group("g").await.unwrap();
        let lease = Options::new(server.url()).lease(Duration::from_secs(4));
        let tree = start_worker(&small, "g", 1).await;
        let worker = Cluster::connect(lease).await.unwrap().worker(functions()).group("g");
        let supervisor = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("w"));
        let error = supervisor.start().await.unwrap_err().to_string();
        assert!(error.contains("is 10s, and that of this program 4s"), "{error}");
        tree.stop().await;
    });
}

#[test]
fn the_error_says_what_to_do_about_another_stream_with_the_same_subjects() {
    with_server(|server| async move {
        let client = async_nats::connect(server.url()).await.unwrap();
        let other = r#"{ "name": "other", "subjects": ["cordial.result.>"] }"#;
        client.request("$JS.API.STREAM.CREATE.other", other.into()).await.unwrap();
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let error = cluster.submit(DOUBLE, 1).group("g").await.unwrap_err().to_string();
        assert!(error.contains("\"cordial-results\"") && error.contains("set another `prefix`"), "{error}");
    });
}

#[test]
fn a_full_stream_refuses_and_loses_nothing() {
    with_server(|server| async move {
        let cluster = Cluster::connect(Options::new(server.url()).max_jobs(3)).await.unwrap();
        let mut jobs = Vec::new();
        for n in 0..3 {
            jobs.push(cluster.submit(DOUBLE, n).group("g").await.unwrap());
        }
        let error = cluster.submit(DOUBLE, 9).group("g").await.unwrap_err();
        assert!(matches!(error, SubmitError::Full { .. }), "{error}");
        assert!(error.to_string().contains("start more workers"), "{error}");
        let tree = start_worker(&cluster, "g", 1).await;
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.timeout(LIMIT).await, Ok(2 * n as u64));
        }
        let _ = cluster.submit(DOUBLE, 9).group("g").await.unwrap();
        tree.stop().await;
    });
}

#[test]
fn the_error_for_a_payload_that_is_too_large_names_the_limit() {
    const SUM: Function<Vec<u8>, usize> = Function::new("sum");
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let error = cluster.submit(SUM, vec![0; 2 << 20]).group("g").await.unwrap_err();
        assert!(matches!(error, SubmitError::TooLarge { limit: 1_048_576, .. }), "{error}");
        // The payload alone is not too large, but the message with its headers is.
        let error = cluster.submit(SUM, vec![0; 1_048_576]).group("g").await.unwrap_err();
        assert!(matches!(error, SubmitError::TooLarge { size, limit } if size > limit), "{error}");
        let tree = start_worker(&cluster, "g", 1).await;
        let error = cluster.call(BYTES, 2 << 20).await.unwrap_err().to_string();
        assert!(error.contains("the result has 2097") && error.contains("max_payload"), "{error}");
        let job = cluster.submit(BYTES, 2 << 20).group("g").attempts(1).await.unwrap();
        let error = job.timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("the result has 2097"), "{error}");
        assert_eq!(cluster.call(DOUBLE, 1).await, Ok(2), "the connection is still there");
        let error = cluster.call(SUM, vec![0; 2 << 20]).await.unwrap_err().to_string();
        assert!(error.contains("max_payload"), "{error}");
        tree.stop().await;
    });
}

/// Sets a limit of a stream, as an operator does.
pub(crate) async fn limit_stream(client: &async_nats::Client, stream: &str, field: &str, limit: i64) {
    let info = client.request(format!("$JS.API.STREAM.INFO.{stream}"), "".into()).await.unwrap();
    let mut config = serde_json::from_slice::<serde_json::Value>(&info.payload).unwrap()["config"].take();
    config[field] = limit.into();
    let update = client.request(format!("$JS.API.STREAM.UPDATE.{stream}"), config.to_string().into()).await;
    assert!(!String::from_utf8_lossy(&update.unwrap().payload).contains("\"error\""));
}

#[test]
fn a_result_that_is_too_large_for_its_stream_is_an_error_of_the_job() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        let client = async_nats::connect(server.url()).await.unwrap();
        for stream in ["cordial-results", "cordial-dead"] {
            limit_stream(&client, stream, "max_msg_size", 2000).await;
        }
        let job = cluster.submit(BYTES, 10_000).group("g").await.unwrap();
        let error = job.timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("the result has 100") && error.contains("message size exceeds"), "{error}");
        // The argument of this job is too large for the stream of dead letters.
        let job = cluster.submit(PARSE, "x".repeat(10_000)).group("g").attempts(1).await.unwrap();
        let error = job.timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("invalid digit"), "{error}");
        tree.stop().await;
    });
}

#[test]
fn the_caller_and_the_dead_letter_name_another_version_and_an_unknown_function() {
    const NEWER: Function<u64, u64> = Function::new("double").version(2);
    const UNKNOWN: Function<u64, u64> = Function::new("triple");
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        let call = cluster.call(NEWER, 1).await.unwrap_err().to_string();
        let job = cluster.submit(NEWER, 1).group("g").await.unwrap();
        let job = job.timeout(LIMIT).await.unwrap_err().to_string();
        for error in [call, job] {
            assert!(error.contains("version 2") && error.contains("version 1"), "{error}");
        }
        let job = cluster.submit(UNKNOWN, 1).group("g").await.unwrap();
        let error = job.timeout(LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("\"triple\""), "{error}");
        let letters = cluster.dead_letters("g").await.unwrap();
        assert_eq!(letters.len(), 2, "nothing is lost");
        assert!(letters[0].attempts[0].reason.contains("version 1"), "{:?}", letters[0].attempts);
        tree.stop().await;
    });
}

#[test]
fn arguments_that_do_not_decode_are_an_error_of_the_job() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        // Stands for two programs whose types have the same name but different fields: the name of a type does not contain its block.
        let functions = {
            #[derive(Serialize, Deserialize)]
            struct Picture(String);
            const SERVED: Function<Picture, u64> = Function::new("size");
            Functions::new().add(SERVED, |picture: Picture| async move { picture.0.len() as u64 })
        };
        let worker = cluster.worker(functions).group("g");
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("w")).start().await.unwrap();
        #[derive(Serialize, Deserialize)]
        struct Picture(u8);
        const SENT: Function<Picture, u64> = Function::new("size");
        let call = cluster.call(SENT, Picture(9)).await.unwrap_err().to_string();
        let job = cluster.submit(SENT, Picture(9)).group("g").attempts(1).await.unwrap();
        let job = job.timeout(LIMIT).await.unwrap_err().to_string();
        for error in [call, job] {
            assert!(error.contains("the argument of the function \"size\" cannot be"), "{error}");
        }
        assert_eq!(cluster.dead_letters("g").await.unwrap().len(), 1);
        tree.stop().await;
    });
}

#[test]
fn invalid_groups_and_keys_are_refused_before_anything_is_sent() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        for group in ["", "a.b", "*", ">", "a b"] {
            let error = cluster.submit(DOUBLE, 1).group(group).await.unwrap_err();
            assert!(matches!(error, SubmitError::Name(_)), "{error}");
            assert!(cluster.dead_letters(group).await.is_err());
        }
        for key in [String::new(), "k".repeat(201)] {
            let error = cluster.submit(DOUBLE, 1).key(key).await.unwrap_err();
            assert!(matches!(error, SubmitError::Name(_)), "{error}");
        }
        assert!("a/b".parse::<JobId>().is_err());
    });
}

/// A server closes a connection that sends a subject of more than 4096 bytes. All other uses of the connection would fail as well.
#[test]
fn a_function_whose_name_is_longer_than_a_subject_may_be_is_called() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let names = ['a', 'b', 'ü'].map(|last| &*Box::leak(format!("{}{last}", "x".repeat(5000)).into_boxed_str()));
        let [first, second, third] = names.map(Function::<u64, u64>::new);
        let functions = Functions::new().add(first, |n| async move { n + 1 }).add(second, |n| async move { n + 2 });
        let worker = cluster.worker(functions).group("g");
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("w")).start().await.unwrap();
        assert_eq!(cluster.call(first, 1).timeout(LIMIT).await, Ok(2));
        assert_eq!(cluster.call(second, 1).timeout(LIMIT).await, Ok(3));
        assert!(cluster.call(third, 1).timeout(LIMIT).await.is_err());
        let job = cluster.submit(second, 2).group("g").await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(4));
        tree.stop().await;
    });
}

/// Starts a server whose only account has these limits.
fn limited_account(limits: &str) -> Option<Server> {
    let lines =
        format!("accounts {{ A {{ jetstream {{ {limits} }}, users [{{user: a, password: a}}] }} }}\nno_auth_user: a");
    Server::with_config(&lines, Store::Here)
}

#[test]
fn the_error_names_the_limit_of_an_account() {
    let Some(server) = limited_account("max_file: 100K, max_mem: 0, max_streams: 4, max_consumers: 10") else { return };
    run(async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let error = loop {
            match cluster.submit(PARSE, "7".repeat(10_000)).group("g").timeout(LIMIT).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, SubmitError::Full { .. }), "{error:?}");
        // The results have one stream, the dead letters another one, and the jobs of each group a further one.
        drop(cluster.submit(DOUBLE, 1).group("h").await);
        let error = cluster.submit(DOUBLE, 1).group("i").await.unwrap_err().to_string();
        assert!(
            error.contains("make the stream \"cordial-jobs-i\"") && error.contains("maximum number of streams"),
            "{error}"
        );
    });
}

#[test]
fn a_job_of_a_group_without_workers_waits_and_is_not_served() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let job = cluster.submit(DOUBLE, 4).group("later").await.unwrap();
        assert!(!job.is_served().await.unwrap());
        let tree = start_worker(&cluster, "later", 1).await;
        assert_eq!(job.timeout(LIMIT).await, Ok(8));
        let job = cluster.submit(DOUBLE, 4).group("later").await.unwrap();
        wait_until("the group is served", || async { job.is_served().await.unwrap() }).await;
        tree.stop().await;
    });
}
