//! One machine: how it is named, and the words of the `ssh` that connects to it.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::text::display;

/// The options for each connection if the command that connects is named `ssh`. `ssh` must not ask for a password, since several
/// would ask at once, and has to notice a machine that no longer answers.
const SSH_OPTIONS: [&str; 11] = [
    "-T",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=10",
    "-o",
    "ServerAliveCountMax=3",
];

/// A machine on which commands run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// As it was given, for messages and for the joblog.
    pub(crate) name: Arc<str>,
    /// The number of slots that its entry gives before a slash.
    pub(crate) given_slots: Option<usize>,
    /// `None` for this machine, `:`.
    login: Option<Login>,
}

/// How to connect to another machine: the words of the command, and the argument that names the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    ssh: Vec<String>,
    destination: String,
}

impl Host {
    /// Parses one entry of `-S`: `[N/][USER@]HOST[:PORT]`, `[N/]:`, or `[N/]ssh OPTIONS HOST`. The program of the last form may have an
    /// absolute path. As for GNU parallel, the number may be missing before its slash, as in `//usr/bin/ssh HOST`.
    ///
    /// # Errors
    ///
    /// A message, when the entry has another form.
    pub(super) fn parse(entry: &str, ssh: &str) -> Result<Host, String> {
        let entry = entry.trim();
        let wrong = |what: &str| {
            format!(
                "{} {what} in -S: write [N/][USER@]HOST[:PORT], or : for this machine",
                display::quoted(entry.as_bytes())
            )
        };
        if entry.starts_with('@') {
            return Err(wrong("is in a group of hosts, which is not supported"));
        }
        let (given_slots, name) = match entry.split_once('/') {
            Some(("", rest)) if rest.contains(char::is_whitespace) && !rest.starts_with('/') => (None, entry),
            Some(("", rest)) => (None, rest.trim()),
            Some((number, name)) if !number.contains(char::is_whitespace) => match number.parse::<usize>() {
                Ok(slots @ 1..) => (Some(slots), name.trim()),
                _ => return Err(wrong("has no number of slots before its slash")),
            },
            _ => (None, entry),
        };
        if name.is_empty() {
            return Err(wrong("names no machine"));
        }
        if name == ":" {
            return Ok(Host { name: name.into(), given_slots, login: None });
        }
        // A whole command, such as `ssh -p 2222 host`.
        let mut words: Vec<String> = name.split_whitespace().map(str::to_owned).collect();
        let mut destination = words.pop().unwrap_or_default();
        if destination.starts_with('-') {
            return Err(wrong("names no machine"));
        }
        if words.is_empty() {
            words = ssh.split_whitespace().map(str::to_owned).collect();
            if words.is_empty() {
                return Err("--ssh names no program: write --ssh PROGRAM, or leave it out for ssh".to_owned());
            }
            let (machine, port) = split_port(&destination);
            // An entry that begins with a slash is the path of a program, which needs a machine.
            if machine.is_empty() || machine.ends_with('@') || (entry.starts_with('/') && machine.contains('/')) {
                return Err(wrong("names no machine"));
            }
            words.extend(port.into_iter().flat_map(|port| ["-p".to_owned(), port.to_owned()]));
            destination = machine;
        }
        Ok(Host { name: name.into(), given_slots, login: Some(Login { ssh: words, destination }) })
    }

    /// Returns whether this is the machine on which `cordial` runs.
    pub(crate) fn is_local(&self) -> bool {
        self.login.is_none()
    }

    /// Returns the command that passes a line to the login shell on the machine; `None` for this machine. A command that is named
    /// `ssh` writes its messages about the connection to the file `log`.
    ///
    /// # Errors
    ///
    /// When the line is not Unicode, and the system accepts only text as arguments.
    pub(super) fn connect(&self, log: &Path, line: &[u8]) -> Option<Result<Vec<OsString>, crate::system::NotUnicode>> {
        let Login { ssh, destination } = self.login.as_ref()?;
        let mut words: Vec<OsString> = ssh.iter().map(OsString::from).collect();
        if ssh.first().is_some_and(|program| Path::new(program).file_name().is_some_and(|name| name == "ssh")) {
            words.extend(SSH_OPTIONS.iter().map(OsString::from));
            words.extend(["-E".into(), log.into(), "--".into()]);
        }
        words.push(destination.into());
        Some(crate::system::os_string(line.to_vec()).map(|line| {
            words.push(line);
            words
        }))
    }
}

/// Splits `[USER@]HOST[:PORT]` at the port. An address of IPv6 has more than one colon, so it has a port only if it is in brackets, which
/// `ssh` does not expect.
fn split_port(destination: &str) -> (String, Option<&str>) {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((user, (address, rest))) =
        destination.split_once('[').and_then(|(user, rest)| Some((user, rest.split_once(']')?)))
        && (user.is_empty() || user.ends_with('@'))
        && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
    {
        return (format!("{user}{address}"), rest.strip_prefix(':'));
    }
    match destination.split_once(':').filter(|(_, port)| is_port(port)) {
        Some((machine, port)) => (machine.to_owned(), Some(port)),
        None => (destination.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(entry: &str) -> String {
        let host = Host::parse(entry, "ssh").unwrap();
        let words = host.connect(Path::new("LOG"), b"LINE").unwrap().unwrap_or_default();
        let shown = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        shown.replace(&SSH_OPTIONS.join(" "), "…")
    }

    #[test]
    fn an_entry_becomes_a_command() {
        assert_eq!(words("a"), "ssh … -E LOG -- a LINE");
        assert_eq!(words("4/u@a:2222"), "ssh -p 2222 … -E LOG -- u@a LINE");
        assert_eq!(words("::1"), "ssh … -E LOG -- ::1 LINE");
        assert_eq!(words("2/ssh -i key u@a"), "ssh -i key … -E LOG -- u@a LINE");
        assert_eq!(words("other -x a"), "other -x a LINE");
        for (entry, line) in [
            ("[::1]:22", "ssh -p 22 … -E LOG -- ::1 LINE"),
            ("u@[::1]", "ssh … -E LOG -- u@::1 LINE"),
            ("/usr/bin/ssh -p 22 a", "/usr/bin/ssh -p 22 … -E LOG -- a LINE"),
            ("//usr/bin/ssh a", "/usr/bin/ssh … -E LOG -- a LINE"),
            ("6//opt/other -x a", "/opt/other -x a LINE"),
            ("/a", "ssh … -E LOG -- a LINE"),
            ("1/vsock/42", "ssh … -E LOG -- vsock/42 LINE"),
            ("ssh -i\tdir/key a", "ssh -i dir/key … -E LOG -- a LINE"),
        ] {
            assert_eq!(words(entry), line, "{entry}");
        }
        assert_eq!(Host::parse("//usr/bin/ssh a", "ssh").unwrap().given_slots, None);
        assert_eq!(Host::parse("4/u@a", "ssh").unwrap().given_slots, Some(4));
        assert!(Host::parse(":", "ssh").unwrap().is_local());
    }

    #[test]
    fn wrong_entries_are_refused() {
        for entry in
            ["", "0/a", "x/a", "2/", "@g/a", "-oProxyCommand=x", "ssh -p 22 -x", ":22", "u@:22", "/usr/bin/ssh"]
        {
            assert!(Host::parse(entry, "ssh").is_err(), "{entry}");
        }
    }
}
