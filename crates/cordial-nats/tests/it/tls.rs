//! TLS with certificates of the test's own, made by `openssl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cordial_nats::{Cluster, ConnectError, Options};

use crate::functions::DOUBLE;
use crate::harness::{LIMIT, Server, Store, in_several_tries, run, skip};
use crate::jobs::start_worker;

/// Makes a certificate that signs others, and one for each of these names. `None` without `openssl`.
fn certificates(dir: &Path, names: &[&str]) -> Option<()> {
    let openssl = |line: String| {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().ok().filter(std::process::ExitStatus::success).map(drop)
    };
    fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=fleet -days 2".to_owned())?;
    for name in names {
        openssl(format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"))?;
        let sign = "x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names";
        openssl(format!("{sign} -in {name}.csr -out {name}.pem"))?;
    }
    Some(())
}

#[test]
fn programs_and_servers_with_certificates_meet_and_others_learn_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    if certificates(dir.path(), &["server", "client"]).is_none() {
        skip("openssl is not installed");
        return;
    }
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    let [certificate, key, ca] = ["server.pem", "server.key", "ca.pem"].map(path);
    let tls = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}");
    let Some(server) = Server::with_config(&tls, Store::Here) else { return };
    let url = format!("tls://127.0.0.1:{}", server.port);
    let [certificate, key, other_key] = ["client.pem", "client.key", "server.key"].map(path);
    let trusting = Options::new(&*url).root_certificates(&ca);
    let complete = trusting.clone().client_certificate(&certificate, &key);
    let wrong_key = trusting.clone().client_certificate(&certificate, &other_key);
    run(async move {
        let cluster = Cluster::connect(complete).await.unwrap();
        let tree = start_worker(&cluster, "g", 1).await;
        let job = cluster.submit(DOUBLE, 21).group("g").await.unwrap();
        assert_eq!(job.timeout(LIMIT).await, Ok(42));
        tree.stop().await;
        for (options, advice) in [
            (Options::new(&*url), "`root_certificates`"),
            (trusting, "the server asks for a certificate of this program"),
            (wrong_key, "the key that belongs to it"),
        ] {
            // A busy machine may take longer than the limit of a connection.
            let error = in_several_tries(|_| async {
                match Cluster::connect(options.clone()).await.map(drop).unwrap_err() {
                    error @ ConnectError::NoServer { .. } => Err(error.to_string()),
                    error => Ok(error),
                }
            })
            .await;
            assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
            assert!(error.to_string().contains(advice), "{error}");
        }
    });
    drop(server);
}
