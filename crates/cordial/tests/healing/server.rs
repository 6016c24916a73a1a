//! Servers that the test starts, stops and kills.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Postgres,
}

/// One server, on a port of its own, with its data in a folder of its own.
pub(crate) struct Server {
    kind: Kind,
    program: PathBuf,
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Kind {
    /// Returns the program of the server, if it is installed.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let (name, mut folders) = match self {
            Kind::Redis => ("redis-server", vec![]),
            Kind::Postgres => {
                let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
                ("postgres", versions.map(|version| version.path().join("bin")).collect())
            }
        };
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        folders.into_iter().map(|folder| folder.join(name)).find(|program| program.is_file())
    }
}

impl Server {
    /// Starts a server. The calling thread must outlive it: the system kills the server when that thread ends.
    pub(crate) fn start(kind: Kind) -> Server {
        let program = kind.program().unwrap();
        let mut server = Server { kind, program, port: unused_port(), folder: TempDir::new().unwrap(), process: None };
        fs::set_permissions(server.folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        if kind == Kind::Postgres {
            let initdb = server.program.with_file_name("initdb");
            let init = server
                .command(&initdb)
                .args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"])
                .arg(server.data())
                .output();
            let init = init.unwrap();
            assert!(init.status.success(), "initdb: {}", String::from_utf8_lossy(&init.stderr));
        }
        server.begin();
        server
    }

    /// Returns the address as its client takes it.
    pub(crate) fn address(&self) -> String {
        match self.kind {
            Kind::Redis => format!("redis://127.0.0.1:{}", self.port),
            Kind::Postgres => format!("host=127.0.0.1 port={} user=postgres", self.port),
        }
    }

    /// Starts the process again.
    pub(crate) fn begin(&mut self) {
        let mut command = self.command(&self.program);
        let port = self.port.to_string();
        match self.kind {
            Kind::Redis => {
                command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(self.folder.path())
            }
            Kind::Postgres => command
                .args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"])
                .arg(self.folder.path())
                .arg("-D")
                .arg(self.data()),
        };
        self.process = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    }

    /// Suspends the processes of the server until `resume`.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Shuts the server down properly, and waits until it has ended.
    pub(crate) fn shut_down(&mut self) {
        // SIGINT is the fast shutdown of PostgreSQL, which closes connections.
        let _ = kill_process(self.pid(), Signal::INT);
        self.process.take().unwrap().wait().unwrap();
    }

    pub(crate) fn kill(&mut self) {
        let children = self.children();
        self.signal(Signal::KILL);
        self.process.take().unwrap().wait().unwrap();
        // PostgreSQL does not start again before they are gone.
        while children.iter().any(|child| runs(*child)) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// PostgreSQL refuses to run as root.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if self.kind == Kind::Postgres && rustix::process::geteuid().is_root() {
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
        }
        command.arg(program).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().unwrap())
    }

    /// Sends a signal to the server and its own child processes, each of which has a session of its own.
    fn signal(&self, signal: Signal) {
        for pid in self.children().into_iter().chain([self.pid()]) {
            let _ = kill_process(pid, signal);
        }
    }

    fn children(&self) -> Vec<Pid> {
        let own = self.pid().as_raw_nonzero().to_string();
        let parent = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some(stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned())
        };
        let processes =
            fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let children = processes.filter(|pid| parent(pid).as_ref() == Some(&own));
        children.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }
}

/// Returns a port that no other server of this program has, even while that server is shut down.
fn unused_port() -> u16 {
    static USED: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut used = USED.lock().unwrap();
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if !used.contains(&port) {
            used.push(port);
            return port;
        }
    }
}

/// Returns whether a process runs. One that has ended may stay in the table of processes: in a container, often nothing reaps orphans.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, columns)| !columns.trim_start().starts_with('Z'))
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}
