//! A server that needs TLS, with certificates that `openssl` makes. Without `openssl`, the test prints that it is skipped.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::fleet::Fleet;
use crate::harness::{run, skip, temporary_directory};

/// Makes a certificate that signs others, one for the server, and one for its clients. `None` without `openssl`.
fn certificates(dir: &Path) -> Option<()> {
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().ok().filter(std::process::ExitStatus::success).map(drop)
    };
    std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=fleet -days 2")?;
    for name in ["server", "client"] {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"))?;
        let sign = "x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names";
        openssl(&format!("{sign} -in {name}.csr -out {name}.pem"))?;
    }
    Some(())
}

#[test]
fn a_worker_and_a_run_connect_with_certificates_and_name_the_options_that_are_missing() {
    let dir = temporary_directory();
    if certificates(dir.path()).is_none() {
        skip("a test of TLS: openssl is not installed");
        return;
    }
    let path = |name: &str| dir.path().join(name).display().to_string();
    let [ca, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(path);
    let config = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}");
    let Some(mut fleet) = Fleet::start_with(&config) else { return };
    fleet.url = fleet.url.replace("nats://", "tls://");
    let [certificate, key] = ["client.pem", "client.key"].map(path);
    let options = ["--tls-ca", &ca, "--tls-cert", &certificate, "--tls-key", &key];
    fleet.worker_with("one", &options, Stdio::inherit());
    let output = fleet.map(&[&options[..], &["echo {}", ":::", "1"]].concat(), b"");
    assert_eq!((output.status, &*output.stdout), (0, &b"1\n"[..]), "{}", output.stderr);
    for (given, missing) in [(&[][..], "with --tls-ca"), (&options[..2], "name one with --tls-cert and --tls-key")] {
        for command in [&["worker", "--allow-commands"][..], &["map", "true", ":::", "1"]] {
            let (name, rest) = command.split_first().unwrap();
            let output = run(&[&[*name, "--nats", &fleet.url], given, rest].concat(), b"");
            assert_eq!(output.status, 255);
            assert!(output.stderr.contains(missing), "{command:?} {given:?}: {}", output.stderr);
        }
    }
}
