//! The line for the login shell on another machine: its length, and what reaches the command whatever the login environment is. A program
//! that runs the line on this machine replaces `ssh`.
#![cfg(target_os = "linux")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{TestDir, cordial, file, finish, send};

/// Returns a directory with a program that runs `line` on this machine instead of `ssh`, and the command that uses the program.
pub(crate) fn without_ssh(line: &str, args: &[&str]) -> (TestDir, Command) {
    let dir = TestDir::new();
    let program = dir.path("connect");
    fs::write(&program, format!("#!/bin/sh\n{line} sh -c \"$2\"\n")).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let mut map = cordial();
    map.args(["map", "-S", "host", "--ssh", program.to_str().unwrap()]).args(args).current_dir(dir.text());
    map.stdout(Stdio::piped()).stderr(Stdio::piped());
    (dir, map)
}

#[test]
fn a_command_gets_as_many_items_as_fit_on_the_line_for_the_other_machine() {
    let numbers: String = (1..=60_000).map(|n| format!("{n}\n")).collect();
    let quotes = "it's '\\'\n".repeat(15_000);
    let few: String = (1..=10_000).map(|n| format!("{n}\n")).collect();
    for (input, n_items, options, line) in [
        (&numbers, 60_000, &["-X"][..], "echo $# # $1"),
        (&quotes, 15_000, &["-n", "100000"], "echo $# # $1"),
        // Each value is in a variable, whose name ends with the number of the value.
        (&few, 10_000, &["-X"], "printf '%s\\n' {/} | wc -l"),
    ] {
        let (_dir, mut map) = without_ssh("exec", &[&["-c1"], options, &["--shell", line]].concat());
        let result = finish(map.stdin(file(input.as_bytes())).spawn().unwrap());
        let counts: Vec<u64> = result.text().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((result.status, &*result.stderr, counts.iter().sum()), (0, "", n_items), "{counts:?}");
        assert!(counts.len() < 10, "{counts:?}");
    }
    // Each file makes the script longer.
    let (dir, mut map) = without_ssh("exec", &["-c1", "--wd", "there", "--transfer", "--cleanup", "-X", "cat"]);
    let names: Vec<String> = (0..150).map(|n| format!("a 'directory'/{n}")).collect();
    fs::create_dir(dir.path("a 'directory'")).unwrap();
    names.iter().for_each(|name| fs::write(dir.path(name), format!("{name}\n")).unwrap());
    let result = finish(map.stdin(file(names.join("\n").as_bytes())).spawn().unwrap());
    assert_eq!((result.status, &*result.stderr), (0, ""));
    assert_eq!(result.text().lines().collect::<Vec<_>>(), names);
}

#[test]
fn short_values_and_the_parts_of_their_paths_fit_on_the_line_for_the_other_machine() {
    for (input, parts) in [
        ("x\n", &["{/}"][..]),
        ("\n", &["{//}"]),
        ("x\n", &["{}", "{//}", "{/}", "{/.}"]),
        ("a.b.c.d\n", &["{+..}", "{+...}"]),
    ] {
        let n_items = 40_000;
        let n_parts = parts.len().to_string();
        let count = ["-c1", "--plus", "-X", "sh", "-c", "echo $(($# / $0))", &n_parts];
        let (_dir, mut map) = without_ssh("exec", &[&count, parts].concat());
        let result = finish(map.stdin(file(input.repeat(n_items).as_bytes())).spawn().unwrap());
        let counts: Vec<usize> = result.text().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((result.status, &*result.stderr, counts.iter().sum()), (0, "", n_items), "{parts:?}: {counts:?}");
    }
}

#[test]
fn a_variable_has_its_value_whatever_its_name() {
    let names = ["m", "i", "t", "r", "w", "s", "p"];
    let mut args = vec!["-c1"];
    names.iter().for_each(|name| args.extend(["--env", *name]));
    args.extend(["printf '<%s>' \"$m\" \"$i\" \"$t\" \"$r\" \"$w\" \"$s\" \"$p\" #", ":::", "1"]);
    let (_dir, mut map) = without_ssh("exec env -u m -u i -u t -u r -u w -u s -u p", &args);
    map.envs(names.iter().map(|name| (name, format!("of {name}"))));
    let result = finish(map.stdin(Stdio::null()).spawn().unwrap());
    assert_eq!((result.status, &*result.stderr), (0, ""));
    assert_eq!(result.text(), "<of m><of i><of t><of r><of w><of s><of p>");
}

#[test]
fn a_variable_of_the_login_reaches_the_command_unchanged() {
    let login = "exec env m=1 i=2 t=3 r=4 w=5 x=6 e=7 p=8 s=9";
    let line = "echo \"$m $i $t $r $w $x $e $p $s\" #";
    let (_dir, mut map) = without_ssh(login, &["-c1", line, ":::", "1"]);
    let result = finish(map.stdin(Stdio::null()).spawn().unwrap());
    assert_eq!((result.status, result.text(), &*result.stderr), (0, "1 2 3 4 5 6 7 8 9\n", ""));
}

#[test]
fn the_directory_of_the_commands_is_below_the_login_directory_whatever_its_environment() {
    for workdir in ["w", "-", "-/w", ".."] {
        let login = "mkdir -p other/w home; cd home; exec env OLDPWD=/ CDPATH=\"$PWD/../other\"";
        let (dir, mut map) = without_ssh(login, &["-c1", &format!("--workdir={workdir}"), "pwd #", ":::", "1"]);
        let result = finish(map.stdin(Stdio::null()).spawn().unwrap());
        let expected = fs::canonicalize(dir.path("home").join(workdir)).unwrap_or_default();
        assert_eq!((result.status, &*result.stderr), (0, ""), "{workdir}");
        assert_eq!(result.text(), format!("{}\n", expected.display()), "{workdir}");
    }
}

/// The first question is whether a command that has exited with 255 has made its mark. Here the machine does not answer.
#[test]
fn a_stop_ends_the_question_to_a_machine_that_does_not_answer() {
    let (dir, mut map) = without_ssh("case $2 in *rmdir*) touch asked; exec sleep 1000;; esac; exec", &["exit 255 #"]);
    let child = map.args([":::", "1"]).stdin(Stdio::null()).spawn().unwrap();
    dir.wait_for("asked");
    let asked = std::time::SystemTime::now();
    send(&child, Signal::TERM);
    let result = finish(child);
    assert!(result.status == 143 && result.stderr.contains("was stopped before it finished"), "{}", result.stderr);
    // Without the stop, the question ends after 20 s.
    assert!(asked.elapsed().unwrap() < Duration::from_secs(15));
}

#[test]
fn a_command_that_exits_with_255_is_not_run_again_if_its_machine_cannot_keep_a_mark() {
    let (dir, mut map) = without_ssh("PATH=$PWD/bin:$PATH exec", &["echo ran >> log; exit 255 #", ":::", "1"]);
    fs::create_dir(dir.path("bin")).unwrap();
    let mkdir = "#!/bin/sh\ncase $2 in /tmp/cordial-*) exit 1;; esac; PATH=${PATH#*:} exec mkdir \"$@\"\n";
    fs::write(dir.path("bin/mkdir"), mkdir).unwrap();
    fs::set_permissions(dir.path("bin/mkdir"), Permissions::from_mode(0o755)).unwrap();
    let result = finish(map.stdin(Stdio::null()).spawn().unwrap());
    assert_eq!(fs::read_to_string(dir.path("log")).unwrap(), "ran\n");
    assert!(result.status == 1 && result.stderr.contains(": exited with status 254\n"), "{}", result.stderr);
    assert!(result.stderr.contains("cordial: status 254 stands for 255 of the command"), "{}", result.stderr);
}

#[test]
fn a_host_with_a_tab_in_its_entry_has_one_column_in_the_joblog() {
    let (dir, _) = without_ssh("exec", &[]);
    fs::write(dir.path("connect"), "#!/bin/sh\nexec sh -c \"$4\"\n").unwrap();
    fs::write(dir.path("hosts"), format!("1/{} -p\t22 host\n", dir.path("connect").display())).unwrap();
    for (resume, printed) in [(&[][..], "a\n"), (&["--resume"], "")] {
        let mut map = cordial();
        map.args(["map", "--sshloginfile", "hosts", "--joblog", "log"]).args(resume).args(["echo", ":::", "a"]);
        map.current_dir(dir.text()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let result = finish(map.spawn().unwrap());
        assert_eq!((result.status, result.text(), &*result.stderr), (0, printed, ""));
    }
}
