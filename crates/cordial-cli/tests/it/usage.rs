//! Bad usage is a sentence and status 255; asking for help is neither.

use std::io;
use std::process::Stdio;

use crate::program::{cordial, finish, run, shell};

#[test]
fn bad_usage_has_its_own_status() {
    for (args, sentence) in [
        (&[][..], "Usage: cordial <COMMAND>"),
        (&["map"], "required arguments were not provided"),
        (&["map", "--"], "required arguments were not provided"),
        (&["map", ":::", "a"], "there is no command before :::"),
        (&["map", "-c", "x", "true"], "give a whole number of commands, or 0 for as many as the system allows"),
        (&["map", "-c", "-1", "true"], "give a whole number of commands, or 0 for as many as the system allows"),
        (&["map", "--timeout", "0", "true"], "no item can end within no time; leave the option out for no limit"),
        (&["map", "--timeout", "soon", "true"], "give a duration such as 500ms, 30s or 1h 30m"),
        (&["map", "-n", "0", "true"], "number would be zero"),
        (&["map", "-I", "", "true"], "an empty text stands everywhere and nowhere"),
        (&["map", "-d", "ab", "true"], "give one character of one byte"),
        (&["map", "--halt", "later", "true"], "give never, soon,fail=N"),
        (&["map", "--halt", "now,fail=0", "true"], "give never, soon,fail=N"),
        (&["map", "--memfree", "much", "true"], "give a size such as 500M or 2G"),
        (&["map", "--fail-fast", "--halt", "never", "true"], "cannot be used with"),
        (&["map", "--json", "--line-buffer", "true"], "cannot be used with"),
        (&["map", "-k", "--unordered", "true"], "cannot be used with"),
        (&["map", "--resume", "true"], "--resume goes on with a --joblog or with --results: name one of them"),
        (&["map", "-a", "/no/such", "true"], "the file of items /no/such cannot be read: No such file or directory"),
        (&["map", "-a", "/", "true"], "the file of items / is a directory"),
        (&["map", "-a", "/dev/null", "true", ":::", "a"], "not both"),
        (&["map", "--workdir", "/no/such", "true"], "--workdir /no/such is no directory"),
        (
            &["map", "--joblog", "/no/such/log", "true"],
            "the joblog /no/such/log cannot be written: No such file or directory",
        ),
        (&["map", "--joblog", "/dev/full", "true"], "the joblog /dev/full cannot be written: No space left on device"),
        (&["map", "no-such-command"], "there is no program \"no-such-command\" in any directory of PATH"),
        (&["map", "/no/such/command"], "the program \"/no/such/command\" cannot be started: No such file or directory"),
        (&["map", "wc -l"], "use --shell to run it as a line for sh"),
        (&["map", "--shell", "echo '{}'"], "{} stands inside quotes"),
        (&["map", "--no-such-option", "true"], "unexpected argument '--no-such-option'"),
        (&["no-such-command"], "unrecognized subcommand 'no-such-command'"),
    ] {
        let ran = run(args, b"never read\n");
        assert_eq!((ran.status, ran.stdout.as_slice()), (255, &b""[..]), "{args:?}");
        assert!(ran.stderr.contains(sentence), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn help_and_version_succeed() {
    for (args, part) in [
        (&["--help"][..], "Usage: cordial <COMMAND>"),
        (&["map", "-h"], "cordial map [OPTIONS] COMMAND"),
        (&["map", "--help"], "Exit status:"),
        (&["--version"], concat!("cordial ", env!("CARGO_PKG_VERSION"))),
    ] {
        let ran = run(args, b"");
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{args:?}");
        assert!(String::from_utf8(ran.stdout).unwrap().contains(part), "{args:?}");
    }
}

#[test]
fn the_help_of_map_fits_on_two_screens_and_its_examples_can_be_pasted() {
    let help = cordial().args(["map", "--help"]).env("COLUMNS", "80").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.lines().count() <= 100, "{} lines", text.lines().count());
    let examples = text.split("Examples:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(examples.lines().count(), 5);
    for line in examples.lines() {
        let dry = line.replacen("cordial map", "\"$0\" map --dry-run", 1);
        let ran = shell(&format!("cd \"$(mktemp -d)\"; touch a.log b.txt c.rs; {dry}"));
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{line}");
        assert!(!ran.stdout.is_empty(), "{line}");
    }
}

#[test]
fn completions_and_the_manual_come_from_the_definitions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell], b"");
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(String::from_utf8(ran.stdout).unwrap().contains("line-buffer"), "{shell}");
    }
    let manual = String::from_utf8(run(&["manual"], b"").stdout).unwrap();
    assert!(manual.contains(".TH cordial-map") && manual.contains("resume\\-failed") && manual.contains("Examples:"));
}

#[test]
fn nobody_has_to_read_the_help() {
    for args in [&["map", "--help"][..], &["map", "-c", "x", "true"], &["manual"], &["completions", "bash"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let child = cordial()
            .args(args)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        let _ = finish(child);
    }
}
