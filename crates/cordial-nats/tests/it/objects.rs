//! Objects: written, read by another program, replaced and deleted.

use cordial::Task;
use cordial_nats::{Cluster, ConnectError};
use futures_util::FutureExt;

use crate::errors::limit_stream;
use crate::harness::{LIMIT, Server, Store, run, wait_until, with_server};
use crate::proxy::Proxy;

/// Returns how many messages the store has.
async fn n_messages(client: &async_nats::Client) -> u64 {
    let info = client.request("$JS.API.STREAM.INFO.OBJ_cordial-files", "".into()).await.unwrap();
    serde_json::from_slice::<serde_json::Value>(&info.payload).unwrap()["state"]["messages"].as_u64().unwrap()
}

/// Stores this as the description of the object `a`, as another program may do.
async fn describe(client: &async_nats::Client, description: &str) {
    client.request("$O.cordial-files.M.YQ==", description.to_owned().into()).await.unwrap();
}

async fn write(cluster: &Cluster, name: &str, bytes: &[u8]) -> Result<(), ConnectError> {
    let mut writer = cluster.create_object(name).await?;
    for part in bytes.chunks(100_000) {
        writer.write(part).await?;
    }
    writer.finish().await
}

async fn read(cluster: &Cluster, name: &str) -> Result<Option<Vec<u8>>, ConnectError> {
    let Some(mut reader) = cluster.open_object(name).await? else { return Ok(None) };
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await? {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(reader.size(), bytes.len() as u64);
    assert_eq!(reader.next().await?, None, "the end stays");
    Ok(Some(bytes))
}

#[test]
fn an_object_is_read_by_another_program_replaced_and_deleted() {
    with_server(|server| async move {
        let (here, there) =
            (Cluster::connect(server.url()).await.unwrap(), Cluster::connect(server.url()).await.unwrap());
        let large: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        let name = "a name/with * and > and ä";
        assert_eq!(read(&there, name).await.unwrap(), None, "there is no store yet");
        for bytes in [&b""[..], b"small", &large, b"replaced"] {
            write(&here, name, bytes).await.unwrap();
            assert_eq!(read(&there, name).await.unwrap().as_deref(), Some(bytes));
        }
        // An object that is not finished does not exist, and hides no other one.
        let mut writer = here.create_object(name).await.unwrap();
        writer.write(&large).await.unwrap();
        drop(writer);
        assert_eq!(read(&there, name).await.unwrap().as_deref(), Some(&b"replaced"[..]));
        there.delete_object(name).await.unwrap();
        there.delete_object(name).await.unwrap();
        assert_eq!(read(&here, name).await.unwrap(), None);
    });
}

#[test]
fn a_part_that_is_gone_or_changed_is_an_error() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let damage = async |subject: &str, payload: &str| {
            client.request(subject.to_owned(), payload.to_owned().into()).await.unwrap();
        };
        write(&cluster, "short", b"text").await.unwrap();
        damage("$JS.API.STREAM.PURGE.OBJ_cordial-files", r#"{"filter": "$O.cordial-files.C.>"}"#).await;
        let error = read(&cluster, "short").await.unwrap_err().to_string();
        assert!(error.contains("a part of it is gone or damaged"), "{error}");
        write(&cluster, "other", b"text").await.unwrap();
        let info = r#"{"name": "other", "bucket": "cordial-files", "nuid": "x", "size": 4, "chunks": 1, "digest": "SHA-256=x"}"#;
        damage("$O.cordial-files.C.x", "text").await;
        damage("$O.cordial-files.M.b3RoZXI=", info).await;
        let error = read(&cluster, "other").await.unwrap_err().to_string();
        assert!(error.contains("a part of it is gone or damaged"), "{error}");
    });
}

#[test]
fn a_store_that_is_deleted_is_empty_and_is_made_again() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        write(&cluster, "a", b"text").await.unwrap();
        assert_eq!(read(&cluster, "a").await.unwrap().as_deref(), Some(&b"text"[..]));
        let delete = || client.request("$JS.API.STREAM.DELETE.OBJ_cordial-files", "".into());
        delete().await.unwrap();
        assert_eq!(read(&cluster, "a").await.unwrap(), None);
        write(&cluster, "a", b"again").await.unwrap();
        delete().await.unwrap();
        write(&cluster, "a", b"and again").await.unwrap();
        assert_eq!(read(&cluster, "a").await.unwrap().as_deref(), Some(&b"and again"[..]));
    });
}

#[test]
fn an_object_is_larger_than_the_messages_of_a_server_that_accepts_small_ones() {
    let Some(server) = Server::with_config("max_payload: 20000", Store::Here) else { return };
    run(async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        write(&cluster, "a", &bytes).await.unwrap();
        assert_eq!(read(&cluster, "a").await.unwrap(), Some(bytes));
    });
}

#[test]
fn an_object_whose_description_is_damaged_is_replaced_and_deleted() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        for description in
            ["no JSON", "{}", r#"{"name": "a", "bucket": "cordial-files", "nuid": "", "size": 4, "chunks": 1}"#]
        {
            write(&cluster, "a", b"text").await.unwrap();
            describe(&client, description).await;
            let error = read(&cluster, "a").await.unwrap_err().to_string();
            assert!(error.contains("its description is damaged") && error.contains("`delete_object`"), "{error}");
            write(&cluster, "a", b"again").await.unwrap();
            assert_eq!(read(&cluster, "a").await.unwrap().as_deref(), Some(&b"again"[..]));
            describe(&client, description).await;
            cluster.delete_object("a").await.unwrap();
            assert_eq!(read(&cluster, "a").await.unwrap(), None);
        }
    });
}

#[test]
fn the_pieces_of_a_damaged_object_are_deleted_if_their_id_is_known_and_no_others_are() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        write(&cluster, "b", b"text").await.unwrap();
        client.request("$O.cordial-files.C.x", "text".into()).await.unwrap();
        describe(&client, r#"{"nuid": "x"}"#).await;
        assert_eq!(n_messages(&client).await, 4);
        cluster.delete_object("a").await.unwrap();
        assert_eq!(n_messages(&client).await, 2);
        // With a wildcard, it would be the id of all objects.
        for id in ["*", ">"] {
            describe(&client, &format!(r#"{{"name": "a", "bucket": "cordial-files", "nuid": "{id}"}}"#)).await;
            cluster.delete_object("a").await.unwrap();
            assert_eq!(read(&cluster, "b").await.unwrap().as_deref(), Some(&b"text"[..]));
        }
    });
}

#[test]
fn a_deletion_that_ends_in_the_middle_is_completed_by_another_call() {
    with_server(|server| async move {
        let proxy = Proxy::start(&server.url());
        let cluster = Cluster::connect(proxy.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        write(&cluster, "a", b"text").await.unwrap();
        // The server does the first half. Its answer is lost, so the second half is not asked for.
        proxy.cut_to_client_after("STREAM.PURGE");
        let deleter = cluster.clone();
        let deletion = Task::spawn(async move { deleter.delete_object("a").await });
        wait_until("the pieces are deleted", || async { n_messages(&client).await != 2 }).await;
        drop(deletion);
        proxy.mend();
        assert_eq!(n_messages(&client).await, 1, "half of the object is left");
        cluster.delete_object("a").await.unwrap();
        assert_eq!(n_messages(&client).await, 0);
    });
}

#[test]
fn a_deletion_leaves_a_version_that_is_finished_meanwhile() {
    with_server(|server| async move {
        let proxy = Proxy::start(&server.url());
        let slow = Cluster::connect(proxy.url()).await.unwrap();
        let cluster = Cluster::connect(server.url()).await.unwrap();
        write(&cluster, "a", b"text").await.unwrap();
        proxy.hold_next("PUB $JS.API.STREAM.PURGE.");
        let deletion = Task::spawn(async move { slow.delete_object("a").await });
        proxy.wait_sent("STREAM.PURGE", 1).await;
        write(&cluster, "a", b"new").await.unwrap();
        proxy.release().await;
        deletion.timeout(LIMIT).await.unwrap().unwrap();
        assert_eq!(read(&cluster, "a").await.unwrap().as_deref(), Some(&b"new"[..]));
    });
}

/// A server closes a connection that sends a subject of more than 4096 bytes. All other uses of the connection would fail as well.
#[test]
fn a_name_that_is_no_part_of_a_subject_is_refused_at_once() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let longest = "x".repeat(2000);
        write(&cluster, &longest, b"text").await.unwrap();
        assert_eq!(read(&cluster, &longest).await.unwrap().as_deref(), Some(&b"text"[..]));
        for (name, reason) in [(String::new(), "is empty"), ("x".repeat(2001), "has 2001 bytes, and the limit is 2000")]
        {
            let errors = [
                cluster.create_object(&name).await.map(drop).unwrap_err(),
                cluster.open_object(&name).await.map(drop).unwrap_err(),
                cluster.delete_object(&name).await.unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, ConnectError::Name(_)) && error.to_string().contains(reason), "{error}");
            }
        }
        cluster.delete_object(&longest).await.unwrap();
    });
}

#[test]
fn a_writer_whose_write_has_failed_or_was_dropped_writes_no_more() {
    with_server(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut failed = cluster.create_object("a").await.unwrap();
        failed.write(b"small").await.unwrap();
        limit_stream(&client, "OBJ_cordial-files", "max_msg_size", 1000).await;
        failed.write(&[7; 300_000]).await.unwrap_err();
        limit_stream(&client, "OBJ_cordial-files", "max_msg_size", -1).await;
        let mut dropped = cluster.create_object("a").await.unwrap();
        assert!(dropped.write(&vec![7; 32 << 20]).now_or_never().is_none(), "it waits for the server");
        for mut writer in [failed, dropped] {
            let error = writer.write(b"x").await.unwrap_err().to_string();
            assert!(error.contains("an earlier write of it failed or was dropped"), "{error}");
            assert!(error.ends_with("begin the object again with `create_object`"), "{error}");
            writer.finish().await.unwrap_err();
        }
        assert_eq!(read(&cluster, "a").await.unwrap(), None);
    });
}
