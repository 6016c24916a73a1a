//! Servers of `sshd` on ports of this machine, with keys of the test's own, and a network namespace to run one in.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{RunOutput, TestDir, cordial, finish, skip, wait_until};

pub(crate) const SSHD: &str = "/usr/sbin/sshd";

/// Servers with one key for the client and one for the hosts.
pub(crate) struct Servers {
    pub(crate) dir: TestDir,
    pub(crate) servers: Vec<Server>,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) child: Child,
}

impl Servers {
    /// Starts servers. If there is no `sshd`, returns `None`, and prints that the test is skipped.
    pub(crate) fn start(n: usize) -> Option<Servers> {
        if !Path::new(SSHD).exists() {
            skip("this test needs sshd, from the package openssh-server");
            return None;
        }
        let dir = TestDir::new();
        for key in ["key", "host_key"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.path(key)).status();
            assert!(made.unwrap().success());
        }
        fs::create_dir(dir.path("home")).unwrap();
        fs::copy(dir.path("key.pub"), dir.path("authorized_keys")).unwrap();
        let client = format!(
            "Host *\n IdentityFile {0}/key\n UserKnownHostsFile {0}/known_hosts\n StrictHostKeyChecking accept-new\n IdentitiesOnly yes\n",
            dir.text()
        );
        fs::write(dir.path("config"), client).unwrap();
        if rustix::process::geteuid().is_root() {
            // The directory to which sshd changes its root.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut servers = Servers { dir, servers: Vec::new() };
        for _ in 0..n {
            let server = servers.start_server();
            servers.servers.push(server);
        }
        Some(servers)
    }

    pub(crate) fn start_server(&self) -> Server {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let log = self.dir.path(&format!("sshd-{port}.log"));
            let mut command = Command::new(SSHD);
            command.args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string()]).args(self.options("127.0.0.1"));
            // Its processes have the environment of the test, except for sessions.
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
            let child = Mutex::new(command.spawn().unwrap());
            let listens = || fs::read_to_string(&log).unwrap().contains("Server listening on");
            let has_exited = || child.lock().unwrap().try_wait().unwrap().is_some();
            wait_until("sshd listens or exits", || listens() || has_exited());
            if listens() {
                return Server { port, child: child.into_inner().unwrap() };
            }
            // Another program has taken the port.
            assert!(fs::read_to_string(&log).unwrap().contains("Address already in use"), "{log:?}");
        }
    }

    /// Returns the options of a server with this address.
    pub(crate) fn options(&self, address: &str) -> Vec<String> {
        let options = [
            format!("HostKey={}/host_key", self.dir.text()),
            format!("AuthorizedKeysFile={}/authorized_keys", self.dir.text()),
            format!("ListenAddress={address}"),
            "StrictModes=no".to_owned(),
            "UsePAM=no".to_owned(),
            "PidFile=none".to_owned(),
            "PermitRootLogin=yes".to_owned(),
            // The start-up files of this user's shell may print: an empty directory has none.
            format!("SetEnv=HOME={}/home", self.dir.text()),
        ];
        options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect()
    }

    /// Returns the value of `-S` for all servers, with this number of slots each.
    pub(crate) fn hosts(&self, slots: usize) -> String {
        let hosts = self.servers.iter().map(|server| format!("{slots}/127.0.0.1:{}", server.port));
        hosts.collect::<Vec<_>>().join(",")
    }

    /// Returns a command in the directory `here`.
    pub(crate) fn map(&self, hosts: &str, args: &[&str]) -> Command {
        let _ = fs::create_dir(self.dir.path("here"));
        let mut command = cordial();
        command.args(["map", "--ssh", &format!("ssh -F {}/config", self.dir.text()), "-S", hosts]).args(args);
        command.current_dir(self.dir.path("here")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, hosts: &str, args: &[&str]) -> RunOutput {
        finish(self.map(hosts, args).spawn().unwrap())
    }

    /// Kills a server and all its connections, as a machine that loses its power.
    pub(crate) fn kill(&mut self, n: usize) {
        let Server { child, .. } = &mut self.servers[n];
        let monitors = children(child.id());
        let workers: Vec<u32> = monitors.iter().flat_map(|pid| children(*pid)).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        for pid in monitors.into_iter().chain(workers) {
            let is_sshd = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"));
            if is_sshd {
                let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL);
            }
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.child.kill();
            let _ = server.child.wait();
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// A network namespace with a link to this one. Its other end has the address `198.18.77.2`, which is for tests.
pub(crate) struct Namespace {
    pub(crate) name: String,
    link: String,
}

impl Namespace {
    pub(crate) const HERE: &str = "198.18.77.1";
    pub(crate) const THERE: &str = "198.18.77.2";

    /// Creates a namespace. If this user may not create one, returns `None`, and prints that the test is skipped.
    pub(crate) fn create() -> Option<Namespace> {
        let pid = std::process::id();
        let namespace = Namespace { name: format!("cordial-{pid}"), link: format!("co{pid}") };
        let Namespace { name, link } = &namespace;
        let steps = format!(
            "ip netns add {name} && ip link add {link} type veth peer name {link}p && ip link set {link}p netns {name} &&
             ip addr add {0}/30 dev {link} && ip link set {link} up &&
             ip netns exec {name} ip addr add {1}/30 dev {link}p && ip netns exec {name} ip link set {link}p up",
            Self::HERE,
            Self::THERE
        );
        if !Command::new("sh").args(["-c", &steps]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        {
            skip("this test needs the right to create network namespaces");
            return None;
        }
        Some(namespace)
    }

    pub(crate) fn cut(&self) {
        assert!(Command::new("ip").args(["link", "set", &self.link, "down"]).status().unwrap().success());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The server of the connection that was cut waits for hours.
        let end = format!("ip netns pids {} | xargs -r kill -9", self.name);
        let _ = Command::new("sh").args(["-c", &end]).stderr(Stdio::null()).status();
        let _ = Command::new("ip").args(["link", "del", &self.link]).stderr(Stdio::null()).status();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}
