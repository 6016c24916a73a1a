//! Bad usage is a sentence and status 255; asking for help is neither.

use std::io;
use std::process::Stdio;

use crate::program::{Place, cordial, finish, run, shell};

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
        (&["map", "gzip {}"], "there is no program \"gzip {}\"; it is one word: leave out the quotes, or use --shell"),
        (&["map", "no-such -k {}", ":::", "a", "b"], "leave out the quotes, or use --shell"),
        (&["map", "/bin/echo {}"], "leave out the quotes, or use --shell"),
        (&["map", "echo", "::::", "file"], ":::: is absent here: -a FILE reads items from a file"),
        (&["map", "echo", ":::", "a", ":::+", "b"], ":::+ is absent here: paste gives lines"),
        (&["map", "-t", "true"], "-t is absent here: --dry-run prints the commands before"),
        (&["map", "-L", "1", "true"], "-L is absent here: every line is an item here: -n N"),
        (&["map", "-L1", "true"], "-L is absent here: "),
        (&["map", "-s", "100", "true"], "-n N gives N items to each command"),
        (&["map", "--colsep", ",", "true"], "--colsep is absent here: items are whole here"),
        (&["map", "--colsep=,", "true"], "--colsep is absent here: "),
        (&["map", "-S", "host", "true"], "-S is absent here: to run one command on many machines: cordial map ssh {}"),
        (&["map", "--pipe", "wc"], "--pipe is absent here: commands read nothing on standard input here"),
        (&["map", "--tty", "vi"], "--tty is absent here; docs/map.md says what there is"),
        (&["map", "-X", "true"], "a word with {} is repeated for each"),
        (&["map", "--will-cite", "true"], "leave it out"),
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
fn habits_that_cost_nothing_are_taken() {
    for habit in ["--bar", "--eta", "--progress", "-k", "-r", "--no-run-if-empty"] {
        let ran = run(&["map", habit, "echo", ":::", "a"], b"");
        assert_eq!((ran.status, ran.stdout.as_slice(), ran.stderr.as_str()), (0, &b"a\n"[..], ""), "{habit}");
    }
    // A blank in the path of a program is no mistake.
    let place = Place::new();
    let script = format!(
        "mkdir '{0}/my tools'; ln -s /bin/echo '{0}/my tools/say'; \"$0\" map '{0}/my tools/{{}}' ::: say",
        place.text()
    );
    assert_eq!(shell(&script).stdout, b"\n");
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
        let pasted = line.replacen("cordial map", "\"$0\" map", 1);
        // Nobody is asked over the network.
        let ran = shell(&format!(
            "d=\"$(mktemp -d)\"; cd \"$d\"; mkdir bin; printf '#!/bin/sh\\necho $*' | tee bin/curl > bin/ping; chmod +x bin/*;
             PATH=\"$d/bin:$PATH\"; touch a.log c.rs; echo text > b.txt; {pasted}; status=$?; cat b.upper a.log.gz 2>&-; rm -r \"$d\"; exit $status"
        ));
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
