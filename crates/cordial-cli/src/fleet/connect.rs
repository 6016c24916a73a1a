//! The connection to a fleet.

use std::time::Duration;

use cordial_nats::{Cluster, ConnectError, Options};
use tokio::time::{Instant, sleep};

use crate::args::ServerOptions;
use crate::text::shell_quote;

/// A fleet, and the group of workers that runs commands.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) cluster: Cluster,
    /// The address of its server, as the user wrote it.
    pub(crate) url: String,
    pub(crate) group: String,
}

/// How long a run waits for a worker of its group.
const WORKER_WAIT: Duration = Duration::from_millis(1500);

/// How long the command waits for a server that does not listen yet, and the pause between two tries.
const SERVER_WAIT: Duration = Duration::from_millis(1500);
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Connects to the server. A name makes this program a node.
///
/// # Errors
///
/// A message that says what is wrong, and what to do.
pub(crate) async fn connect(url: &str, server: &ServerOptions, name: Option<&str>) -> Result<Cluster, String> {
    if url.contains('@') {
        return Err(
            "--nats takes no password, because every user sees the words of a command: use --creds FILE".to_owned()
        );
    }
    let mut options = Options::new(url);
    if let Some(name) = name {
        options = options.name(name);
    }
    if let Some(creds) = &server.creds {
        options = options.credentials_file(creds);
    }
    if let Some(ca) = &server.tls_ca {
        options = options.root_certificates(ca);
    }
    if let (Some(certificate), Some(key)) = (&server.tls_cert, &server.tls_key) {
        options = options.client_certificate(certificate, key);
    }
    if server.insecure {
        options = options.insecure();
    }
    let started = Instant::now();
    let connected = loop {
        match Cluster::connect(options.clone()).await {
            // A script may have started the server in the background a moment before: it does not listen yet.
            Err(ConnectError::NoServer { .. }) if started.elapsed() < SERVER_WAIT => sleep(RETRY_DELAY).await,
            connected => break connected,
        }
    };
    connected.map_err(|error| {
        let text = error.to_string();
        text.replace("`credentials_file`, `token` or `user_and_password`", "--creds")
            .replace("`root_certificates`", "--tls-ca")
            .replace("`client_certificate`", "--tls-cert and --tls-key")
            .replace("`insecure`", "--insecure")
    })
}

impl Fleet {
    /// Waits until a worker serves the group.
    ///
    /// # Errors
    ///
    /// A message, if none does.
    pub(crate) async fn wait_served(&self) -> Result<(), String> {
        let deadline = Instant::now() + WORKER_WAIT;
        loop {
            if self.cluster.is_served(&self.group).await.map_err(|error| error.to_string())? {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("no worker serves the group {:?}: {}", self.group, self.how_to_start()));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the name of a worker of the group that answers now. `None` if there is none, or if the server does not answer.
    pub(super) async fn answering_worker(&self) -> Option<String> {
        let nodes = self.cluster.nodes().await.ok()?;
        nodes.into_iter().find(|node| node.group == self.group && !node.is_draining).map(|node| node.name)
    }

    /// Returns the advice how to start a worker.
    pub(super) fn how_to_start(&self) -> String {
        format!(
            "start one with cordial worker --nats {} --group {} --allow-commands",
            String::from_utf8_lossy(&shell_quote::quote(self.url.as_bytes())),
            self.group
        )
    }
}
