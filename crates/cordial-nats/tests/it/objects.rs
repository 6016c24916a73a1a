//! Objects: written, read by another program, replaced and deleted.

use cordial_nats::{Cluster, ConnectError};

use crate::harness::{Server, Store, run, with_server};

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
