//! A link that can be cut: a network namespace for one process. Packets are dropped, as when a cable is pulled.

use std::process::Command;

use crate::harness::skip;

/// A network namespace with one link to this machine. Removed when it is dropped.
pub(crate) struct Namespace {
    name: String,
    number: u32,
}

impl Namespace {
    /// Makes a namespace. If this process may not make one, returns `None`, and prints that the test is skipped.
    pub(crate) fn new() -> Option<Namespace> {
        // From a range that is reserved for such networks. The process number keeps two runs of the tests apart.
        let number = std::process::id() % 64 * 4;
        let namespace = Namespace { name: format!("cordial-{}", std::process::id()), number };
        let Namespace { name, .. } = &namespace;
        let (outside, inside) = (namespace.device("o"), namespace.device("i"));
        let commands = [
            format!("netns add {name}"),
            format!("link add {outside} type veth peer name {inside} netns {name}"),
            format!("addr add {}/30 dev {outside}", namespace.address()),
            format!("-n {name} addr add 198.18.0.{}/30 dev {inside}", number + 2),
            format!("link set {outside} up"),
            format!("-n {name} link set {inside} up"),
            format!("-n {name} link set lo up"),
        ];
        if !commands.iter().all(|command| ip(command)) {
            skip("network namespaces need root, and the program `ip`");
            return None;
        }
        Some(namespace)
    }

    /// Returns the address of this machine, seen from the namespace.
    pub(crate) fn address(&self) -> String {
        format!("198.18.0.{}", self.number + 1)
    }

    /// Returns a command that runs a program in the namespace, in the OS process of the command.
    pub(crate) fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    pub(crate) fn cut(&self) {
        assert!(ip(&format!("-n {} link set {} down", self.name, self.device("i"))));
    }

    pub(crate) fn mend(&self) {
        assert!(ip(&format!("-n {} link set {} up", self.name, self.device("i"))));
    }

    /// Returns the name of a device, which has at most 15 bytes.
    fn device(&self, end: &str) -> String {
        format!("cord{end}{}", std::process::id())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.device("o")));
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}
