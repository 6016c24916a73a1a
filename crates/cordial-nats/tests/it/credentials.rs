//! Logins by tokens of an operator, in `.creds` files.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cordial_nats::{Cluster, Options};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::functions::DOUBLE;
use crate::harness::{LIMIT, Server, Store, run, wait_for, wait_until};
use crate::jobs::start_worker;

/// Returns a token about `subject` that `issuer` has signed.
fn token(issuer: &KeyPair, subject: &KeyPair, expires: Option<u64>, nats: Value) -> String {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let mut claims = json!({ "jti": "x", "iat": 1, "iss": issuer.public_key(), "name": "test", "sub": subject.public_key(), "nats": nats });
    if let Some(expires) = expires {
        claims["exp"] = expires.into();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// Writes the file of a new user of the account, whose token expires after this time.
fn write_file(path: &Path, account: &KeyPair, expires_after: Duration) {
    let user = KeyPair::new_user();
    let expires = (SystemTime::now() + expires_after).duration_since(UNIX_EPOCH).unwrap().as_secs();
    let rights = json!({ "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2 });
    let token = token(account, &user, Some(expires), rights);
    let seed = user.seed().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(path, text).unwrap();
}

#[test]
fn a_program_whose_token_expires_goes_on_with_the_one_that_its_file_has_then() {
    let (operator, account, system) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let limits = |storage: i64| {
        json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": storage, "disk_storage": storage, "streams": storage, "consumer": storage,
        })
    };
    let account_token = |key: &KeyPair, storage| {
        token(&operator, key, None, json!({ "limits": limits(storage), "type": "account", "version": 2 }))
    };
    let lines = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}",
        token(&operator, &operator, None, json!({ "type": "operator", "version": 2 })),
        system.public_key(),
        system.public_key(),
        account_token(&system, 0),
        account.public_key(),
        account_token(&account, -1),
    );
    let Some(server) = Server::with_config(&lines, Store::Here) else { return };
    run(async move {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fleet.creds");
        // Long enough for a busy machine to connect.
        write_file(&file, &account, Duration::from_secs(8));
        let options = Options::new(server.url()).name("program").credentials_file(&file);
        let cluster = Cluster::connect(options).await.unwrap();
        let connection = || async { server.connection("program").map(|connection| connection["cid"].clone()) };
        let first = wait_for("the server lists the connection", connection).await;
        // As the documentation says, so that no half of the file is read. The first token may expire from here on.
        let renewed = dir.path().join("renewed");
        write_file(&renewed, &account, Duration::from_secs(3600));
        fs::rename(&renewed, &file).unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        let is_renewed = || async { connection().await.is_some_and(|id| id != first) };
        wait_until("the server closes the connection, and the program connects again", is_renewed).await;
        let job = cluster.submit(DOUBLE, 21).group("g").timeout(LIMIT).await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(42));
        tree.stop().await;
    });
}

#[test]
fn a_file_that_has_no_credentials_is_named_with_what_is_missing() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fleet.creds");
        for (text, reason) in [("", "it is not a .creds file"), ("---BEGIN A---\nx\n---BEGIN B---\nSUAI\n", "seed")] {
            fs::write(&file, text).unwrap();
            let options = Options::new("nats://127.0.0.1:1").credentials_file(&file);
            let error = Cluster::connect(options).await.unwrap_err().to_string();
            assert!(error.contains("fleet.creds") && error.contains(reason), "{error}");
            assert!(!error.contains("SUAI"), "{error}");
        }
    });
}
