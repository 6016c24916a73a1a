//! `-S`: commands on other machines. The tests replace these machines by `sshd` servers on ports of this machine, with their own keys.
#![cfg(target_os = "linux")]

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::harness::{TestDir, at_once, cordial, finish, has_exited, send, shell, wait_until};
use crate::remote_line::without_ssh;
use crate::ssh_servers::{Namespace, SSHD, Server, Servers};

/// Returns a shell line that waits until both items of a pair run. Items 1 and 2 are a pair, and so are items 3 and 4. So two hosts with
/// one slot each both run one item of each pair.
fn meet(dir: &TestDir) -> String {
    let dir = dir.text();
    format!(
        "touch {dir}/meet{{#}}; until [ -e {dir}/meet$(( ({{#}} + 1) / 2 * 2 - 1 )) ] && [ -e {dir}/meet$(( ({{#}} + 1) / 2 * 2 )) ]; do sleep 0.05; done"
    )
}

/// Returns the hosts in a joblog, sorted.
fn recorded_hosts(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut hosts: Vec<String> = text.lines().skip(1).map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect();
    hosts.sort();
    hosts
}

#[test]
fn items_run_on_all_hosts_with_their_values_and_statuses() {
    let Some(servers) = Servers::start(2) else { return };
    let log = servers.dir.path("log");
    let items = ["a", "b c", "it's $x", "*"];
    let script = format!(r#"{}; printf "%s:%s:%s\n" {{}} {{#}} "$CORDIAL_INDEX""#, meet(&servers.dir));
    let args = ["--joblog", log.to_str().unwrap(), &script, ":::"];
    let result = servers.run(&servers.hosts(1), &[&args[..], &items].concat());
    assert_eq!(result.stderr, "");
    assert_eq!(String::from_utf8(result.stdout).unwrap(), "a:1:1\nb c:2:2\nit's $x:3:3\n*:4:4\n");
    let mut hosts: Vec<String> = servers.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    hosts = [hosts.clone(), hosts].concat();
    hosts.sort();
    assert_eq!(recorded_hosts(&log), hosts);
    // 255 is also the status of ssh for a failed connection.
    let result = servers.run(&servers.hosts(2), &["exit {}", ":::", "0", "3", "255"]);
    assert_eq!(
        (result.status, &*result.stderr),
        (
            2,
            "cordial: item 2 \"3\" failed: exit {}: exited with status 3\n\
             cordial: item 3 \"255\" failed: exit {}: exited with status 255\ncordial: 2 of 3 items failed\n"
        )
    );
    // A command without a shell, and a program that does not exist on the host.
    assert_eq!(servers.run(&servers.hosts(1), &["echo", "a  b", ":::", "c  d"]).stdout, b"a  b c  d\n");
    let missing = servers.run(&servers.hosts(1), &["no-such-program", ":::", "1"]);
    assert!(missing.stderr.ends_with("failed: no-such-program: exited with status 127\ncordial: 1 of 1 item failed\n"));
    // `:` is the local host.
    fs::remove_file(servers.dir.path("meet1")).unwrap();
    fs::remove_file(servers.dir.path("meet2")).unwrap();
    let script = format!(r#"{}; echo "${{SSH_CONNECTION:+remote}}" #"#, meet(&servers.dir));
    let hosts = format!(":,1/127.0.0.1:{}", servers.servers[0].port);
    let local = servers.run(&hosts, &["-c1", &script, ":::", "1", "2"]);
    let mut lines: Vec<&[u8]> = local.stdout.split(|&byte| byte == b'\n').collect();
    lines.sort();
    assert_eq!(lines, [&b""[..], b"", b"remote"]);
}

#[test]
fn output_options_work_as_for_local_commands() {
    let Some(servers) = Servers::start(1) else { return };
    for (options, stdout) in [
        (&["--tag"][..], "1\tout 1\n2\tout 2\n"),
        (&["--tag", "--line-buffer", "-c1"], "1\tout 1\n2\tout 2\n"),
        (&["-u", "-c1"], "out 1\nout 2\n"),
    ] {
        let result =
            servers.run(&servers.hosts(2), &[options, &["echo out {}; echo err {} >&2", ":::", "1", "2"]].concat());
        assert_eq!((&*String::from_utf8(result.stdout).unwrap(), result.status), (stdout, 0), "{options:?}");
        assert!(result.stderr.contains("err 1\n") && result.stderr.contains("err 2\n"), "{options:?}");
    }
    let own_nice: i32 = shell("nice").text().trim().parse().unwrap();
    let args = ["--nice", "5", "--env", "GIVEN", r#"echo "$GIVEN" $(nice) #"#, ":::", "1"];
    let variable = finish(servers.map(&servers.hosts(1), &args).env("GIVEN", "a  'b'").spawn().unwrap());
    assert_eq!((variable.text(), &*variable.stderr), (&*format!("a  'b' {}\n", (own_nice + 5).min(19)), ""));
}

#[test]
fn a_dry_run_divides_the_items_among_the_slots_of_the_hosts() {
    let Some(servers) = Servers::start(2) else { return };
    let hosts = servers.hosts(3);
    let numbers: Vec<String> = (1..=12).map(|n| n.to_string()).collect();
    let run = |options: &[&str]| {
        let items = numbers.iter().map(String::as_str);
        let args: Vec<&str> = options.iter().copied().chain(["-X", "echo", "x{}", ":::"]).chain(items).collect();
        let result = servers.run(&hosts, &args);
        assert_eq!((result.status, &*result.stderr), (0, ""));
        result.text().to_owned()
    };
    assert_eq!(run(&[]), "x1 x2\nx3 x4\nx5 x6\nx7 x8\nx9 x10\nx11 x12\n");
    assert_eq!(run(&["--dry-run"]).replace("echo ", ""), run(&[]));
}

#[test]
fn files_are_sent_returned_and_removed() {
    let Some(servers) = Servers::start(2) else { return };
    let (here, there) = (servers.dir.path("here"), servers.dir.path("there"));
    fs::create_dir_all(here.join("d")).unwrap();
    for (name, text) in [("d/a.txt", "one"), ("d/b c.txt", "two")] {
        fs::write(here.join(name), text).unwrap();
    }
    let result = servers.run(
        &servers.hosts(1),
        &[
            "--wd",
            there.to_str().unwrap(),
            "--trc",
            "{.}.up",
            "tr a-z A-Z < {} > {.}.up; pwd",
            ":::",
            "d/a.txt",
            "d/b c.txt",
        ],
    );
    assert_eq!((result.status, &*result.stderr), (0, ""));
    assert_eq!(String::from_utf8(result.stdout).unwrap(), format!("{0}\n{0}\n", there.display()));
    assert_eq!(fs::read_to_string(here.join("d/a.up")).unwrap(), "ONE");
    assert_eq!(fs::read_to_string(here.join("d/b c.up")).unwrap(), "TWO");
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0, "the files and their directory are removed");
    // Without `--cleanup`, the files stay on the host. The directory before `/./` is not part of their names on the host.
    let result = servers.run(
        &servers.hosts(1),
        &["--wd", there.to_str().unwrap(), "--transferfile", "d/./{/}", "cat {/}", ":::", "d/a.txt"],
    );
    assert_eq!((&*result.stdout, &*result.stderr), (&b"one"[..], ""));
    assert!(there.join("a.txt").exists());
    // A missing file is reported, on this machine and on the host.
    let result = servers.run(&servers.hosts(1), &["--transfer", "cat {}", ":::", "no-such", "d/a.txt"]);
    assert_eq!((result.status, &*result.stdout), (1, &b"one"[..]));
    assert!(result.stderr.contains("item 1 \"no-such\" failed: cannot send no-such: there is no such file"));
    let result = servers.run(&servers.hosts(1), &["--return", "{}.out", "true", ":::", "x"]);
    assert_eq!(result.status, 1);
    assert!(result.stderr.contains("cordial: cannot return the file x.out\n"), "{}", result.stderr);
    // The last commands have made this directory in the login directory.
    let _ = fs::remove_dir_all(Path::new(&std::env::var_os("HOME").unwrap()).join("d"));
}

#[test]
fn commands_on_a_host_do_not_remove_the_directory_of_each_other() {
    let Some(servers) = Servers::start(1) else { return };
    let (here, there) = (servers.dir.path("here"), servers.dir.path("there"));
    fs::create_dir_all(here.join("d")).unwrap();
    let items: Vec<String> = (0..16).map(|n| format!("d/{n}")).collect();
    for item in &items {
        fs::write(here.join(item), item).unwrap();
    }
    let options = ["--wd", there.to_str().unwrap(), "--transfer", "--cleanup", "-k", "cat {}; echo", ":::"];
    let args: Vec<&str> = options.into_iter().chain(items.iter().map(String::as_str)).collect();
    let result = servers.run(&servers.hosts(2), &args);
    assert_eq!((result.status, &*result.stderr), (0, ""));
    assert_eq!(String::from_utf8(result.stdout).unwrap().lines().collect::<Vec<_>>(), items);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
}

#[test]
fn a_host_that_cannot_be_reached_is_left_out() {
    let Some(servers) = Servers::start(1) else { return };
    // No program listens there. Another test could take any port that is free now.
    let closed = 1;
    let hosts = format!("127.0.0.1:{closed},{}", servers.hosts(2));
    let result = servers.run(&hosts, &["echo", ":::", "1", "2"]);
    assert_eq!((result.status, &*result.stdout), (0, &b"1\n2\n"[..]));
    let message = format!(
        "cordial: the host 127.0.0.1:{closed} is left out: ssh: connect to host 127.0.0.1 port {closed}: Connection refused\n"
    );
    assert_eq!(result.stderr, message);
    let result = servers.run(&format!("127.0.0.1:{closed}"), &["--joblog", "log", "echo", ":::", "1", "2"]);
    assert_eq!((result.status, &*result.stdout), (255, &b""[..]));
    assert!(
        result.stderr.contains("none of the hosts of -S can be reached: check them with ssh -F "),
        "{}",
        result.stderr
    );
    assert!(result.stderr.contains("/config HOST true, which must not ask for a password"), "{}", result.stderr);
    assert!(!servers.dir.path("here/log").exists());
}

#[test]
fn a_program_for_ssh_that_cannot_be_started_is_named() {
    let dir = TestDir::new();
    let program = dir.path("no-ssh").display().to_string();
    let result = crate::harness::run(&["map", "-S", "there", "--ssh", &program, "echo", ":::", "1"], b"");
    let message = format!("the host there is left out: cannot start {program}: No such file or directory\n");
    assert!(result.status == 255 && result.stderr.contains(&message), "{}", result.stderr);
}

#[test]
fn the_items_of_a_host_that_fails_run_on_others() {
    let Some(mut servers) = Servers::start(2) else { return };
    let script = r#"touch "$2/$1.$PPID"; while [ ! -e "$2/go" ]; do sleep 0.05; done; echo $1"#;
    let dir = servers.dir.text().to_owned();
    let hosts = servers.hosts(2);
    let args = ["sh", "-c", script, "sh", "{}", &dir, ":::", "1", "2", "3", "4", "5", "6"];
    let child = servers.map(&hosts, &args).spawn().unwrap();
    let n_started = || {
        fs::read_dir(&dir)
            .unwrap()
            .flatten()
            .filter(|file| file.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit()))
            .count()
    };
    wait_until("four items run", || n_started() >= 4);
    servers.kill(1);
    fs::write(servers.dir.path("go"), "").unwrap();
    let result = finish(child);
    assert_eq!(
        (result.status, &*String::from_utf8(result.stdout).unwrap()),
        (0, "1\n2\n3\n4\n5\n6\n"),
        "{}",
        result.stderr
    );
    let message = format!("cordial: the host 127.0.0.1:{} is left out from now on: ", servers.servers[1].port);
    assert!(
        result.stderr.starts_with(&message) && result.stderr.ends_with("; its items run on others\n"),
        "{}",
        result.stderr
    );
}

#[test]
fn the_items_of_a_host_whose_network_is_gone_run_on_others() {
    let Some(mut servers) = Servers::start(1) else { return };
    let Some(namespace) = Namespace::create() else { return };
    let (port, options) = (2222, servers.options(Namespace::THERE));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &namespace.name, SSHD, "-D", "-e", "-f", "/dev/null", "-p", &port.to_string()]);
    let child = command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    servers.servers.push(Server { port, child });
    wait_until("sshd listens", || std::net::TcpStream::connect((Namespace::THERE, port)).is_ok());
    let dir = servers.dir.text().to_owned();
    let script = r#"touch "$2/$1.$PPID"; while [ ! -e "$2/go" ]; do sleep 0.05; done; echo $1"#;
    // With its default options, ssh takes half a minute to notice that the network is gone. On a busy machine, a server may take seconds to
    // answer.
    let impatient = "-o ServerAliveInterval=2 -o ServerAliveCountMax=3 -o ConnectTimeout=8";
    let there = format!("ssh -F {dir}/config {impatient} -p {port} {}", Namespace::THERE);
    let hosts = format!("1/{there},1/127.0.0.1:{}", servers.servers[0].port);
    let mut map = cordial();
    map.args(["map", "--ssh", &format!("ssh -F {dir}/config"), "-S", &hosts]);
    map.args(["sh", "-c", script, "sh", "{}", &dir, ":::", "1", "2", "3"]);
    let child = map.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = |name: &str| {
        fs::read_dir(&dir).unwrap().flatten().any(|file| file.file_name().to_string_lossy().starts_with(name))
    };
    wait_until("both hosts run an item", || started("1.") && started("2."));
    namespace.cut();
    fs::write(servers.dir.path("go"), "").unwrap();
    let result = finish(child);
    assert_eq!((result.status, &*String::from_utf8(result.stdout).unwrap()), (0, "1\n2\n3\n"), "{}", result.stderr);
    let message = format!("cordial: the host {there} is left out from now on: ");
    assert!(result.stderr.contains(&message), "{}", result.stderr);
}

#[test]
fn the_remaining_items_are_not_run_if_no_host_is_left() {
    let Some(mut servers) = Servers::start(1) else { return };
    let dir = servers.dir.text().to_owned();
    let hosts = servers.hosts(1);
    let log = servers.dir.path("log");
    let args = [
        "--joblog",
        log.to_str().unwrap(),
        "sh",
        "-c",
        r#"touch "$2/$1"; sleep 1000"#,
        "sh",
        "{}",
        &dir,
        ":::",
        "1",
        "2",
        "3",
    ];
    let child = servers.map(&hosts, &args).spawn().unwrap();
    servers.dir.wait_for("1");
    servers.kill(0);
    let result = finish(child);
    assert_eq!(result.status, 255);
    assert!(result.stderr.contains("was not run: all hosts have failed"), "{}", result.stderr);
    assert!(result.stderr.contains("stopped by a lack of hosts: 0 items finished (0 failed)"), "{}", result.stderr);
    assert_eq!(recorded_hosts(&log), Vec::<String>::new());
}

#[test]
fn an_item_whose_connection_fails_while_the_run_ends_is_not_recorded() {
    let Some(mut servers) = Servers::start(1) else { return };
    let (dir, hosts, log) = (servers.dir.text().to_owned(), servers.hosts(2), servers.dir.path("log"));
    let script = r#"[ "$1" = 1 ] && exit 1; touch "$2/started"; sleep 1000"#;
    let options = ["--halt", "soon,fail=1", "--joblog", log.to_str().unwrap()];
    let args = [&options[..], &["sh", "-c", script, "sh", "{}", &dir, ":::", "1", "2"]].concat();
    let child = servers.map(&hosts, &args).spawn().unwrap();
    servers.dir.wait_for("started");
    wait_until("item 1 is recorded", || fs::read_to_string(&log).is_ok_and(|text| text.lines().count() == 2));
    servers.kill(0);
    let result = finish(child);
    assert_eq!(recorded_hosts(&log).len(), 1, "{}", result.stderr);
    assert!(result.stderr.contains("was stopped before it finished"), "{}", result.stderr);
}

#[test]
fn files_that_cannot_be_copied_are_failures_and_stay() {
    let dir = TestDir::new();
    let program = |name: &str, text: &str| {
        fs::write(dir.path(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(dir.path(name), Permissions::from_mode(0o755)).unwrap();
    };
    // `connect` runs the line on this machine. `tar` fails partly in a directory with the file `fail`, and is slow in one with `slow`.
    program("connect", r#"exec sh -c "$2""#);
    program(
        "tar",
        r#"PATH=/usr/bin:/bin tar "$@" || exit; [ "$1$3" != -cf-C ] || [ ! -e fail ] || exit 2; [ ! -e slow ] || sleep 4"#,
    );
    for name in ["a", "blocked"] {
        fs::write(dir.path(name), "text\n").unwrap();
    }
    let there = dir.path("there");
    let (temporary, ssh) = (dir.path("tmp"), dir.path("connect"));
    fs::create_dir(&temporary).unwrap();
    let run = |args: &[&str]| {
        let mut map = cordial();
        map.args(["map", "-S", "host", "--ssh", ssh.to_str().unwrap()]);
        if !args.contains(&"--wd") {
            map.args(["--wd", there.to_str().unwrap()]);
        }
        map.args(args);
        map.env("PATH", format!("{}:/usr/bin:/bin", dir.text())).env("TMPDIR", &temporary).current_dir(dir.path("."));
        finish(map.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let result = run(&["--transfer", "--return", "blocked/./out", "--cleanup", "cp {} out #", ":::", "a"]);
    assert_eq!(result.status, 1);
    assert!(result.stderr.contains("cordial: cannot return the file out\n"), "{}", result.stderr);
    assert!(there.join("out").exists());
    fs::remove_file(there.join("a")).unwrap();
    // A command may exit with 255, the status of a failed connection.
    let result = run(&["--transfer", "--return", "out", "--cleanup", "exit 255 #", ":::", "a"]);
    assert!(result.stderr.contains("exited with status 255"), "{}", result.stderr);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
    assert!(dir.path("out").exists());
    // With `-I @`, `--transfer` sends the file that `@` stands for.
    let result = run(&["-I", "@", "--transfer", "cat @", ":::", "a"]);
    assert_eq!((&*result.stdout, &*result.stderr), (&b"text\n"[..], ""));
    assert!(there.join("a").exists());
    // `~` is the login directory, which is the directory of the program here.
    let result = run(&["--wd", "~/below", "pwd #", ":::", "a"]);
    assert_eq!(result.stdout, format!("{}/below\n", fs::canonicalize(dir.path(".")).unwrap().display()).as_bytes());
    // If an item times out while its file is sent, its command is not started.
    fs::write(dir.path("slow"), "").unwrap();
    let result = run(&["--timeout", "0.5", "--transfer", "trap '' TERM; touch ran #", ":::", "a"]);
    assert!(result.stderr.contains("took longer than 500ms"), "{}", result.stderr);
    assert!(!there.join("ran").exists());
    fs::remove_file(dir.path("slow")).unwrap();
    fs::write(dir.path("fail"), "").unwrap();
    let result = run(&["--transfer", "echo ran #", ":::", "a"]);
    assert_eq!((result.status, &*result.stdout), (1, &b""[..]));
    assert!(result.stderr.contains("cordial: cannot send the file a\n"), "{}", result.stderr);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

/// A script that starts a child, writes both pids, and waits forever.
fn start_two_processes(servers: &Servers, options: &[&str]) -> (Child, Vec<i32>) {
    let dir = servers.dir.text().to_owned();
    let args = [options, &["sh", "-c", TestDir::PARENT_AND_CHILD, "sh", "{}", &dir, ":::", "one"]].concat();
    let child = servers.map(&servers.hosts(1), &args).spawn().unwrap();
    servers.dir.wait_for("one");
    let pids = fs::read_to_string(servers.dir.path("one")).unwrap();
    (child, pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect())
}

fn wait_until_ended(pids: &[i32]) {
    for pid in pids {
        wait_until("a process on the host has ended", || has_exited(*pid));
    }
}

#[test]
fn processes_on_the_host_end_with_their_item_and_with_the_program() {
    let ends = [
        // Long enough that the script has written its pids even on a slow machine.
        (&["--timeout", "20"][..], None),
        (&[], Some(Signal::TERM)),
        (&[], Some(Signal::INT)),
        // The killed program cannot end the processes. They end because its connection ends.
        (&[], Some(Signal::KILL)),
    ];
    at_once(4, ends, |(options, end)| {
        let Some(servers) = Servers::start(1) else { return };
        let (mut child, pids) = start_two_processes(&servers, options);
        if let Some(signal) = end {
            send(&child, signal);
        }
        wait_until_ended(&pids);
        child.wait().unwrap();
    });
    // A background process ends with its item.
    let Some(servers) = Servers::start(1) else { return };
    // The process that watches the item is not a child of the command.
    let result = servers.run(&servers.hosts(1), &["read x < /proc/$$/task/$$/children; echo \"[$x]\" #", ":::", "1"]);
    assert_eq!((result.status, &*result.stdout), (0, &b"[]\n"[..]), "{}", result.stderr);
    let script = format!("sleep 1000 & echo $! > {}/pid #", servers.dir.text());
    assert_eq!(servers.run(&servers.hosts(1), &[&script, ":::", "1"]).status, 0);
    let pid = fs::read_to_string(servers.dir.path("pid")).unwrap();
    wait_until_ended(&[pid.trim().parse().unwrap()]);
}

#[test]
fn a_command_gets_sigterm_and_its_last_output_is_printed() {
    let Some(servers) = Servers::start(1) else { return };
    let script = r#"trap 'echo last words; exit 5' TERM; touch "$2/ready"; while :; do sleep 0.05; done"#;
    let dir = servers.dir.text().to_owned();
    let args = ["--grace", "60", "sh", "-c", script, "sh", "{}", &dir, ":::", "1"];
    let child = servers.map(&servers.hosts(1), &args).spawn().unwrap();
    servers.dir.wait_for("ready");
    send(&child, Signal::INT);
    let result = finish(child);
    assert_eq!((result.status, &*result.stdout), (130, &b"last words\n"[..]));
    // A command that ignores SIGTERM is killed after the grace time.
    let script = r#"trap '' TERM; echo $$ > "$2/stubborn"; while :; do sleep 0.05; done"#;
    let args = ["--grace", "1", "sh", "-c", script, "sh", "{}", &dir, ":::", "1"];
    let child = servers.map(&servers.hosts(1), &args).spawn().unwrap();
    wait_until("it runs", || fs::read_to_string(servers.dir.path("stubborn")).is_ok_and(|pid| pid.ends_with('\n')));
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status, 143);
    let pid = fs::read_to_string(servers.dir.path("stubborn")).unwrap();
    wait_until_ended(&[pid.trim().parse().unwrap()]);
}

#[test]
fn a_second_signal_ends_the_processes_on_the_host_at_once() {
    let Some(servers) = Servers::start(1) else { return };
    let check = |mut map: Command, dir: &Path| {
        let mut child = map.stdin(Stdio::null()).spawn().unwrap();
        let pid = || fs::read_to_string(dir.join("pid")).unwrap_or_default();
        wait_until("it runs", || pid().ends_with('\n'));
        send(&child, Signal::INT);
        wait_until("the command has got SIGTERM", || dir.join("term").exists());
        send(&child, Signal::INT);
        wait_until_ended(&[pid().trim().parse().unwrap()]);
        assert_eq!(child.wait().unwrap().code(), Some(130));
    };
    let script = r#"trap 'touch term' TERM; echo $$ > pid; while :; do sleep 0.05; done"#;
    let there = servers.dir.path("there");
    let args = ["--grace", "1000", "--wd", there.to_str().unwrap(), "sh", "-c", script, "sh", ":::", "1"];
    check(servers.map(&servers.hosts(1), &args), &there);
    // If the host has no directory for temporary files, a different process waits for the end of the item.
    let args = ["--grace", "1000", "sh", "-c", script, "sh", ":::", "1"];
    let (dir, map) = without_ssh("TMPDIR=/no/such exec", &args);
    check(map, &dir.path("."));
}

#[test]
fn hosts_come_from_a_file_and_through_any_program() {
    let Some(servers) = Servers::start(1) else { return };
    // This program replaces `ssh`, and runs the line on this machine without a server.
    let program = servers.dir.path("connect");
    fs::File::create(&program).unwrap().write_all(b"#!/bin/sh\necho \"to $1\" >&2; exec sh -c \"$2\"\n").unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    fs::write(servers.dir.path("hosts"), "# two machines\n1/alpha\n\nbeta # the second\n").unwrap();
    let hosts = servers.dir.path("hosts");
    let hosts = ["--slf", hosts.to_str().unwrap()];
    let script = format!("{}; echo {{}}", meet(&servers.dir));
    let args = [&["map", "--ssh", program.to_str().unwrap()], &hosts[..], &["-c1", &script, ":::", "1", "2"]].concat();
    let result = finish(
        cordial().args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
    );
    assert_eq!((result.status, &*result.stdout), (0, &b"1\n2\n"[..]), "{}", result.stderr);
    let mut lines: Vec<&str> = result.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["to alpha", "to beta"]);
}

#[test]
fn the_last_items_are_divided_among_the_slots_of_all_machines() {
    let result = crate::harness::run(&["map", "-S", "7/:", "-X", "echo"], b"1\n2\n3\n4\n5\n6\n7\n");
    assert_eq!((result.status, result.text()), (0, "1\n2\n3\n4\n5\n6\n7\n"), "{}", result.stderr);
    // The sum of the slots exceeds the largest number.
    let result = crate::harness::run(&["map", "-S", "18446744073709551615/:,1/:", "echo", ":::", "a", "b"], b"");
    assert_eq!((result.status, result.text()), (0, "a\nb\n"), "{}", result.stderr);
}

#[test]
fn on_this_machine_no_file_is_copied() {
    for hosts in [&["-S", ":"][..], &[]] {
        let args = [&["map"], hosts, &["--trc", "{}.out", "--env", "PATH", "echo", ":::", "x"]].concat();
        let result = crate::harness::run(&args, b"");
        assert_eq!((result.status, &*result.stdout, &*result.stderr), (0, &b"x\n"[..], ""), "{hosts:?}");
    }
}

#[test]
fn this_machine_is_a_host_even_without_a_program_that_counts_its_cores() {
    let dir = TestDir::new();
    std::os::unix::fs::symlink("/bin/sh", dir.path("sh")).unwrap();
    let mut map = cordial();
    map.args(["map", "-S", ":", "echo {}", ":::", "1"]).env("PATH", dir.text()).stdin(Stdio::null());
    let result = finish(map.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((result.status, &*result.stdout, &*result.stderr), (0, &b"1\n"[..], ""));
}

#[test]
fn a_function_of_bash_is_refused() {
    let script = r#"f() { echo; }; export -f f; "$0" map -S : --env f echo ::: 1; "$0" map -S : f ::: 1; "$0" map -S : 'f | cat' ::: 1"#;
    let mut bash = Command::new("bash");
    bash.args(["-c", script, env!("CARGO_BIN_EXE_cordial")]).stdin(Stdio::null());
    let result = finish(bash.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((result.status, &*result.stdout), (255, &b""[..]));
    assert!(result.stderr.contains("--env f is a function of bash, which is not copied"), "{}", result.stderr);
    assert_eq!(result.stderr.matches("a function of bash, which other machines do not know").count(), 2);
}

#[test]
fn what_cannot_be_combined_is_refused() {
    for (args, message) in [
        (
            &["-S", ":", "--load", "3"][..],
            "--load cannot be used with -S, since it is about the load of this machine only",
        ),
        (&["-S", ":", "--memfree", "1G"], "--memfree cannot be used with -S"),
        (&["-S", ":", "--tty"], "--tty cannot be used with -S"),
        (&["-S", ":", "-c", "200%"], "with -S, -c takes a number"),
        (&["-S", "@group/host"], "is in a group of hosts, which is not supported in -S"),
        (&["-S", "x/host"], "has no number of slots before its slash"),
        (&["-S-oProxyCommand=touch"], "names no machine"),
        (&["-S", "echo", "--ssh", ""], "--ssh names no program"),
        (&["-S", "host", "--workdir", "/d/{/}"], "--workdir /d/{/} takes no placeholder"),
        (&["-S", "1/:,host", "--workdir", "d"], "--workdir d cannot be used with the host : of -S"),
        (&["-S", "host", "--process-slot-var", "1 x"], "--process-slot-var 1 x cannot be used with -S"),
        (&["-S", "host", "--env", "NO_SUCH"], "--env NO_SUCH: there is no such variable in the environment"),
        (&["-S", "host", "--env", "_"], "--env _ is not the name of one variable"),
        (&["-S", "host", "--env", "A,B"], "--env A,B is not the name of one variable"),
        (&["--sshloginfile", "/no/such"], "cannot read the hosts in /no/such: No such file or directory"),
    ] {
        for kind in [&["map"][..], &["map", "--dry-run"]] {
            let result = crate::harness::run(&[kind, args, &["echo", ":::", "1"]].concat(), b"");
            assert_eq!((result.status, &*result.stdout), (255, &b""[..]), "{args:?}: {}", result.stderr);
            assert!(result.stderr.contains(message), "{args:?}: {}", result.stderr);
        }
    }
}
