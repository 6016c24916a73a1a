//! The connection to a fleet.

use std::fmt::Display;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial_nats::{Cluster, ConnectError, Options};
use tokio::time::{Instant, sleep};

use crate::args::ServerOptions;
use crate::text::{io_error, shell_quote};

/// The connection to a fleet, the group whose workers run the commands, and how many commands wait for a reply.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) cluster: Cluster,
    /// The address of the server of the fleet, as the user wrote it.
    pub(crate) url: String,
    pub(crate) group: String,
    pub(crate) sent: SentCommands,
}

/// The number of commands that were sent and have no reply yet. Clones share the number.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentCommands(Arc<AtomicUsize>);

/// Counts one sent command while this value exists. The value is dropped when the command has a reply, or when the reply is no longer awaited.
#[derive(Debug)]
pub(crate) struct SentCommand(SentCommands);

impl SentCommands {
    pub(crate) fn add(&self) -> SentCommand {
        self.0.fetch_add(1, Ordering::SeqCst);
        SentCommand(self.clone())
    }

    pub(super) fn number(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for SentCommand {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The workers of a group that have answered a question about their state.
#[derive(Debug, Default)]
pub(super) struct AnsweringWorkers {
    /// The name of a worker that takes commands.
    pub(super) serving: Option<String>,
    /// The names of the workers that have a problem with the server, and their problems.
    pub(super) problems: Vec<(String, String)>,
    /// How many workers are stopping: they finish their commands and take no others.
    pub(super) n_stopping: usize,
    /// How many commands run on the stopping workers, including those of other runs.
    pub(super) n_ending: usize,
}

/// How long a run waits at its start until a worker serves its group.
const WORKER_WAIT: Duration = Duration::from_millis(1500);

/// How long `connect` waits for a server that does not listen yet.
const SERVER_WAIT: Duration = Duration::from_millis(1500);

/// How long `connect` waits between two tries.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Checks the address of a NATS server, or several addresses that are separated by commas.
///
/// # Errors
///
/// A message, if an address is invalid, or if it contains an `@`: the part before the `@` would be credentials.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    if url.contains('@') {
        return Err(
            "--nats takes no password, because every user sees the words of a command: use --creds FILE".to_owned()
        );
    }
    for address in url.split(',').map(str::trim) {
        check_address(address).map_err(|reason| {
            format!(
                "--nats: {address:?} is not the address of a NATS server, because {reason}; write nats://HOST:PORT or tls://HOST:PORT"
            )
        })?;
    }
    Ok(())
}

/// Checks one address. The error says what is wrong with it.
fn check_address(address: &str) -> Result<(), String> {
    let (scheme, rest) = address.split_once("://").unwrap_or(("nats", address));
    if !["nats", "tls"].contains(&scheme) {
        return Err(format!("it begins with {scheme}://"));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, port))) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
        Some(_) => return Err("there is no address of IPv6 between [ and ]".to_owned()),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let is_in_host = |c: char| c.is_alphanumeric() || "-._:".contains(c);
    match port.strip_prefix(':').map(str::parse::<u16>) {
        _ if host.is_empty() => Err("it has no host".to_owned()),
        _ if !host.chars().all(is_in_host) => Err(format!("{host:?} is not the name of a host")),
        Some(Ok(1..)) => Ok(()),
        None if port.is_empty() => Ok(()),
        _ => Err(format!("{:?} is not a port", port.trim_start_matches(':'))),
    }
}

/// Checks that the file of `--creds` can be opened.
fn check_creds(server: &ServerOptions) -> Result<(), String> {
    let Some(creds) = &server.creds else { return Ok(()) };
    std::fs::File::open(creds).map(|_| ()).map_err(|error| {
        format!(
            "cannot read --creds {}: {}",
            creds.display(),
            io_error::describe_or(
                &error,
                "name the .creds file that was made for your user of the NATS server (nsc generate creds makes one)"
            )
        )
    })
}

/// Connects to the server. `name` is the name of this program in the fleet; by default, the name of the machine and a random number.
///
/// # Errors
///
/// A message that says what is wrong, and what to do.
pub(crate) async fn connect(url: &str, server: &ServerOptions, name: Option<&str>) -> Result<Cluster, String> {
    check_url(url)?;
    check_creds(server)?;
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
            // A script may have started the server in the background just before, so that the server does not listen yet.
            Err(ConnectError::NoServer { .. }) if started.elapsed() < SERVER_WAIT => sleep(RETRY_DELAY).await,
            connected => break connected,
        }
    };
    connected.map_err(|error| with_option_names(&error))
}

/// Returns the text of an error, in which the options of the command replace those of the library.
pub(crate) fn with_option_names(error: &impl Display) -> String {
    let text = error.to_string();
    text.replace("`credentials_file`, `token` or `user_and_password`", "--creds")
        .replace("`root_certificates`", "--tls-ca")
        .replace("`client_certificate`", "--tls-cert and --tls-key")
        .replace("`insecure`", "--insecure")
        // The command has no option for the prefix.
        .replace("set another `prefix`, or ", "")
}

impl Fleet {
    /// Waits until a worker serves the group.
    ///
    /// # Errors
    ///
    /// A message, if no worker serves the group within `WORKER_WAIT`, or the server does not answer.
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

    /// Asks the workers of the group, and returns those that answer. Returns none if they cannot be asked, for example because the connection has
    /// ended.
    pub(super) async fn answering_workers(&self) -> AnsweringWorkers {
        let mut workers = AnsweringWorkers::default();
        let nodes = self.cluster.nodes().await.unwrap_or_default();
        for mut node in nodes.into_iter().filter(|node| node.group == self.group) {
            if let Some(problem) = node.problem.take() {
                workers.problems.push((node.name.clone(), problem));
            }
            if node.is_draining {
                workers.n_stopping += 1;
                workers.n_ending += node.running;
            } else {
                workers.serving.get_or_insert(node.name);
            }
        }
        workers
    }

    /// Returns advice on how to start a worker.
    pub(super) fn how_to_start(&self) -> String {
        format!(
            "start one with cordial worker --nats {} --group {} --allow-commands",
            String::from_utf8_lossy(&shell_quote::quote(self.url.as_bytes())),
            self.group
        )
    }
}
