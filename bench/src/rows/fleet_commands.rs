//! What does it cost to let the worker of a fleet run a program that does nothing, once for each of many items? Everything runs on this machine.
//!
//! `cordial map --nats`, with one `cordial worker` of two slots, is compared with peers that also run two commands at once: HyperQueue and
//! HyperShell, both from PyPI, and GNU parallel over an sshd of this machine. The worker, the cluster of HyperQueue and the sshd are started
//! before the clock. HyperShell has no part that can be started before, so the time that it takes for one item is subtracted. A peer that is
//! not installed has no number.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::fleet::NatsServer;
use super::map::{feed, program};
use crate::measure::{Bench, Pair, now};

const ITEMS: u32 = 5000;

/// The number of items for `parallel -S`: fewer, because a connection of `ssh` takes long.
const SSH_ITEMS: u32 = 100;

/// The program for HyperQueue, in Python. Its first argument is the number of items.
const HYPERQUEUE: &str = "
import sys, tempfile, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
with tempfile.TemporaryDirectory() as folder, LocalCluster(folder, WorkerConfig(cores=2)) as cluster:
    client = cluster.client()
    def run(n):
        job = Job(default_workdir=folder)
        for item in range(n): job.program(['true', str(item)])
        client.wait_for_jobs([client.submit(job)])
    run(10)
    started = time.perf_counter()
    run(int(sys.argv[1]))
    print('seconds', (time.perf_counter() - started) / int(sys.argv[1]))
";

/// Seconds for each item of `cordial` and of HyperQueue, whose workers keep the outputs in files.
pub(crate) fn to_hyperqueue(_: &Bench) -> Pair {
    let output = Command::new("python3").args(["-c", HYPERQUEUE, &ITEMS.to_string()]).stderr(Stdio::null()).output();
    let printed = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let seconds = printed.lines().find_map(|line| line.trim().strip_prefix("seconds ")?.parse().ok());
    Pair { ours: ours(ITEMS), peer: seconds.unwrap_or(f64::NAN) }
}

/// Seconds for each item of `cordial` and of HyperShell.
pub(crate) fn to_hypershell(_: &Bench) -> Pair {
    let run = |items: u32| {
        let mut command = Command::new("hsx");
        // Without a database, and with larger bundles, it is faster.
        command.args(["-t", "true {}", "-N", "2", "--no-db", "--no-confirm", "-b", "100", "-w", "1"]);
        time(&mut command, items)
    };
    Pair { ours: ours(ITEMS), peer: (run(ITEMS) - run(1)) / f64::from(ITEMS - 1) }
}

/// Seconds for each item: of 5000 items with `cordial`, and of 100 with `parallel -S`.
pub(crate) fn to_parallel(_: &Bench) -> Pair {
    let peer = Sshd::start().map(|server| {
        let mut command = Command::new("parallel");
        command.args(["-j", "2", "--ssh", &server.client(), "-S", &format!("2/127.0.0.1:{}", server.port), "true"]);
        time(&mut command, SSH_ITEMS) / f64::from(SSH_ITEMS)
    });
    Pair { ours: ours(ITEMS), peer: peer.unwrap_or(f64::NAN) }
}

/// Seconds for each item with a worker of two slots.
fn ours(items: u32) -> f64 {
    let Some(server) = NatsServer::start() else { return f64::NAN };
    let mut worker = program();
    worker.args(["worker", "--nats", &server.url, "--slots", "2", "--allow-commands"]);
    let Ok(mut worker) = worker.stderr(Stdio::null()).spawn() else { return f64::NAN };
    let mut map = program();
    map.args(["map", "--nats", &server.url, "true"]);
    // Not measured: this run waits until the worker is there.
    time(&mut map, 10);
    let seconds = time(&mut map, items);
    let _ = worker.kill();
    let _ = worker.wait();
    seconds / f64::from(items)
}

/// Returns how many seconds a command takes for all items, or NaN if it cannot be started.
fn time(command: &mut Command, items: u32) -> f64 {
    let started = now();
    feed(command, items, |_| {}).map_or(f64::NAN, |()| started.elapsed().as_secs_f64())
}

/// An sshd with keys of its own. Killed when it is dropped.
struct Sshd {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Sshd {
    fn start() -> Option<Sshd> {
        let dir = tempfile::tempdir().ok()?;
        let path = dir.path().display();
        for key in ["key", "host_key"] {
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.path().join(key));
            make.status().ok().filter(std::process::ExitStatus::success)?;
        }
        let config = format!(
            "Host *\n IdentityFile {path}/key\n UserKnownHostsFile {path}/known_hosts\n StrictHostKeyChecking accept-new\n IdentitiesOnly yes\n"
        );
        fs::write(dir.path().join("config"), config).ok()?;
        if rustix::process::geteuid().is_root() {
            // The directory to which sshd changes its root.
            fs::create_dir_all("/run/sshd").ok()?;
        }
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut command = Command::new(["/usr/sbin/sshd"].into_iter().find(|path| Path::new(path).exists())?);
        command.args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string()]);
        for option in [
            format!("HostKey={path}/host_key"),
            format!("AuthorizedKeysFile={path}/key.pub"),
            "ListenAddress=127.0.0.1".to_owned(),
            "StrictModes=no".to_owned(),
            "UsePAM=no".to_owned(),
            "PidFile=none".to_owned(),
            "PermitRootLogin=yes".to_owned(),
            "MaxStartups=100".to_owned(),
            // With this level, the bash of Debian does not read `.bashrc`, which may last longer than the connection.
            "SetEnv=SHLVL=2".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Sshd { child, port, dir };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(server)
    }

    /// Returns the command that connects to this server.
    fn client(&self) -> String {
        format!("ssh -F {}/config", self.dir.path().display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
