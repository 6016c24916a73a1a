//! Wrong usage prints a message and has status 255; help succeeds.

use std::io;
use std::process::Stdio;

use crate::harness::{TestDir, cordial, finish, run, shell};

#[test]
fn wrong_usage_is_reported_with_status_255() {
    for (args, message) in [
        (&[][..], "Usage: cordial <COMMAND>"),
        (&["map", "-c", "x", "true"], "expected a whole number of commands, or 0 for as many as the system allows"),
        (&["map", "--timeout", "0", "true"], "the timeout must be longer than 0; for no timeout, leave out the option"),
        (&["map", "--timeout", "-1", "true"], "invalid value '-1' for '--timeout <TIME>': a time cannot be negative"),
        (&["map", "--delay", "1e300", "true"], "'--delay <TIME>': the time is too long; expected a duration"),
        (&["map", "--timeout", "nan", "true"], "'--timeout <TIME>': this is not a number; expected a duration"),
        (&["map", "--retries", "-1", "true"], "for '--retries <N>': expected a whole number of at least 0"),
        (&["map", "--nice", "-30", "true"], "expected a whole number from 1 to 19"),
        (&["map", "--nice", "x", "true"], "expected a whole number from 1 to 19"),
        (&["map", "-n", "-1", "true"], "for '--max-args <N>': expected a whole number of at least 0"),
        (&["map", "-N", "99999999999999999999", "true"], "the number is too large"),
        (&["map", "-L", "99999999999999999999", "true"], "the number is too large"),
        (&["map", "--timeout", "150%", "true"], "a percentage of the time that other commands took is not supported"),
        (&["map", "--timeout", "soon", "true"], "expected a duration such as 500ms, 30s or 1h 30m"),
        (&["map", "-L", "0", "true"], "expected a number of at least 1"),
        (&["map", "-s", "0", "true"], "expected a number of at least 1"),
        (&["map", "-N0", "echo", "{}"], "{} stands for nothing, because -n 0 inserts no item"),
        (&["map", "-I", "", "true"], "the text must not be empty"),
        (&["map", "-d", "ab", "true"], "expected a single-byte character"),
        (&["map", "--halt", "later", "true"], "expected never, soon,X=N or now,X=N"),
        (&["map", "--halt", "now,fail=0", "true"], "expected never, soon,X=N or now,X=N"),
        (&["map", "--memfree", "1000T", "true"], "but the machine has "),
        (&["map", "--memfree", "much", "true"], "expected a size such as 500M or 2G"),
        (&["map", "--fail-fast", "--halt", "never", "true"], "cannot be used with"),
        (&["map", "--json", "--line-buffer", "true"], "cannot be used with"),
        (&["map", "--json", "--dry-run", "true"], "cannot be used with"),
        (
            &["map", "--resume", "true"],
            "--resume needs the records of the earlier run: add --joblog FILE or --results DIR",
        ),
        (&["map", "--resume-failed", "true"], "--resume-failed needs the records of the earlier run"),
        (&["map", "-I", "{}", "-n2", "echo"], "-n would pass no items: leave out -I, or write \"{}\" in the command"),
        (&["map", "-X", "-I@", "--shell", "echo", "{}"], "-X would pass no items"),
        (&["map", "-a", "/no/such", "true"], "cannot read items from /no/such: No such file or directory"),
        (&["map", "-a", "/", "true"], "cannot read items from /: it is a directory"),
        (&["map", "-a", "-", "true", "::::", "-"], "standard input can be read once only"),
        (&["map", "true", "::::"], "no file follows the last ::::; name files of items, or - for standard input"),
        (
            &["map", "--shell-path", "bash -e", "true"],
            "name the shell, and begin the line with set, as in 'set -e; COMMAND'",
        ),
        (&["map", "--shell-path", "python3", "print({})"], "is not a shell that understands \"$@\""),
        (
            &["map", "-d,", "echo", ":::", "a,b"],
            "-d splits items that are read, but not an item after ::: such as \"a,b\": write each item",
        ),
        (&["map", "--colsep", "(", "true"], "expected a regular expression"),
        (&["map", "--colsep", "|", "true"], "also matches an empty text"),
        (&["map", "--colsep", ",|\\b", "true"], "also matches an empty text"),
        (&["map", "--colsep", "(a|b)", "true"], "write (?:…) instead of (…)"),
        (&["map", "--trim", "x", "true"], "expected n (none), l (left), r (right) or lr (both)"),
        (&["map", "--header", "1", "true"], "expected : for names in the first item"),
        (&["map", "--header", ":", "true", ":::", "", "a"], "cannot be the name of a value"),
        (&["map", "echo", "{2}", ":::", "a"], "{2} stands for no value: an item has 1 value"),
        (&["map", "echo", "{= s/a/b/ =}"], "{= … =} is not supported, because it would need Perl"),
        (&["map", "echo", "{=1", "s/a/b/", "=}"], "{= … =} is not supported, because it would need Perl"),
        (
            &["map", "gzip", "-c", "{}", ">", "{}.gz"],
            "\">\" is an argument of \"gzip\" here, and not a redirection, because several words run without a shell: add --shell",
        ),
        (&["map", "echo", "{};", "exit", "1"], "and not the end of a command"),
        (&["map", "rm", "{}", "&&", "echo", "done"], "and not a pipe or a condition"),
        (&["map", "echo", "{}", "| tee", "{}.log"], "\"| tee\" is an argument of \"echo\" here, and not a pipe"),
        (&["map", "sort", "{}", "> {}.txt 2>&1"], "and not a redirection"),
        (&["map", "mv", "{}", "$(basename {} .c).cc"], "and not a command substitution"),
        (&["map", "mv", "{}", "`basename {} .c`.cc"], "and not a command substitution"),
        (&["map", "echo", "$((", "{}", "+", "1", "))"], "and not a calculation"),
        (&["map", "a={};", "echo", "$a"], "\"a={};\" is the name of a program here"),
        (
            &["map", "A=1", "env"],
            "there is no program named \"A=1\" in any directory of PATH: with --shell, the words are a line",
        ),
        (&["map", "/bin/cat;", "echo"], "check its path; with --shell, the words are a line for the shell"),
        (&["map", "exit", ":::", "0"], "\"exit\" is a part of the shell, and no program: add --shell"),
        (&["map", "-I{}", "echo", "{1}"], "leave out -I {} for the value"),
        (&["map", "-n2", "echo", "x{}"], "-N N or -X repeats the word for each item"),
        (&["map", "-n2", "-I", "::", "echo", "x::"], "the placeholder in \"x::\" is beside other text"),
        (&["map", "--shell", "echo > {}", ":::", "a", ":::", "b"], "may stand for several values: choose one value"),
        (
            &["map", "--workdir", "/no/such", "true"],
            "--workdir /no/such is not a directory: name an existing directory",
        ),
        (&["map", "--wd", "/tmp/{}", "true"], "it takes no placeholder: write cordial map 'cd {} && COMMAND'"),
        (
            &["map", "--joblog", "/no/such/log", "true"],
            "cannot write the joblog /no/such/log: No such file or directory",
        ),
        (&["map", "--joblog", "/dev/full", "true"], "cannot write the joblog /dev/full: No space left on device"),
        (
            &["map", "no-such-command"],
            "there is no program named \"no-such-command\" in any directory of PATH: check that it is installed and spelled \
             correctly; an alias is known only to your shell, and a function of bash only after export -f\n",
        ),
        (&["map", "--max-lines", "2", "echo"], "if it is the value of -l or --max-lines, attach it: -l2"),
        (&["map", "--pipe", "-l", "4", "cat;echo", "b"], "if it is the value of -l or --max-lines, attach it: -l4"),
        (&["map", "--eof", "END", "echo"], "if it is the value of -e or --eof, attach it: -eEND"),
        (&["map", "--replace", "+", "echo", "+"], "if it is the value of -i or --replace, attach it: -i+"),
        (
            &["map", "cat;echo", "x"],
            "\"cat;echo\" in any directory of PATH: with --shell, the words are a line for the shell",
        ),
        (&["map", "/no/such/command"], "cannot start the program \"/no/such/command\": No such file or directory"),
        (&["map", "echo", "::::", "no-file"], "cannot read items from no-file: No such file or directory"),
        (&["map", "--rpl=x", "true"], "--rpl is not supported: a placeholder cannot run Perl"),
        (
            &["map", "--shell", "echo '{}'"],
            "{} is inside quotes in \"echo '{}'\": remove the quotes, or end them before it and begin them again after it",
        ),
        (
            &["map", "--plus", "echo", "{##}"],
            "{##} is not supported: the number of all items is not known before they are read",
        ),
        (&["map", "--plus", "echo", "{0#}"], "printf adds zeros, as in --shell 'printf \"%03d\\n\" {#}'"),
        (&["map", "--no-such-option", "true"], "unexpected argument '--no-such-option'"),
        (&["no-such-command"], "unrecognized subcommand 'no-such-command'"),
    ] {
        let result = run(args, b"never read\n");
        assert_eq!((result.status, result.stdout.as_slice()), (255, &b""[..]), "{args:?}");
        assert!(result.stderr.contains(message), "{args:?}: {}", result.stderr);
        // It would make the option the name of the program.
        assert!(!result.stderr.contains("use '-- "), "{args:?}: {}", result.stderr);
    }
}

#[test]
fn options_of_other_programs_without_effect_are_accepted() {
    for option in ["--bar", "--eta", "--progress", "-k", "-r", "--no-run-if-empty"] {
        let result = run(&["map", option, "echo", ":::", "a"], b"");
        assert_eq!((result.status, result.stdout.as_slice(), result.stderr.as_str()), (0, &b"a\n"[..], ""), "{option}");
    }
    // A blank in the path of a program is allowed.
    let dir = TestDir::new();
    let script = format!(
        "mkdir '{0}/my tools'; ln -s /bin/echo '{0}/my tools/say'; \"$0\" map '{0}/my tools/{{}}' ::: say",
        dir.text()
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
        let result = run(args, b"");
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{args:?}");
        assert!(String::from_utf8(result.stdout).unwrap().contains(part), "{args:?}");
    }
}

#[test]
fn the_help_of_map_has_at_most_100_lines_and_its_examples_run() {
    let help = cordial().args(["map", "--help"]).env("COLUMNS", "80").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.lines().count() <= 100, "{} lines", text.lines().count());
    let examples = text.split("Examples:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(examples.lines().count(), 5);
    for line in examples.lines() {
        let pasted = line.replacen("cordial map", "\"$0\" map", 1);
        // `curl` and `ping` are replaced by scripts, so that the test needs no network.
        let result = shell(&format!(
            "d=\"$(mktemp -d)\"; cd \"$d\"; mkdir bin; printf '#!/bin/sh\\necho $*' | tee bin/curl > bin/ping; chmod +x bin/*;
             PATH=\"$d/bin:$PATH\"; touch a.log c.rs; echo text > b.txt; {pasted}; status=$?; cat b.upper a.log.gz 2>&-; rm -r \"$d\"; exit $status"
        ));
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{line}");
        assert!(!result.stdout.is_empty(), "{line}");
    }
}

#[test]
fn completions_and_the_manual_list_the_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let result = run(&["completions", shell], b"");
        assert_eq!((result.status, result.stderr.as_str()), (0, ""));
        assert!(String::from_utf8(result.stdout).unwrap().contains("line-buffer"), "{shell}");
    }
    let manual = String::from_utf8(run(&["manual"], b"").stdout).unwrap();
    assert!(manual.contains(".TH cordial-map") && manual.contains("resume\\-failed") && manual.contains("Examples:"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_manual_that_cannot_be_written_is_reported() {
    for args in [&["manual"][..], &["completions", "bash"]] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let child = cordial().args(args).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let result = finish(child);
        assert_eq!(
            (result.status, result.stderr.as_str()),
            (
                255,
                "cordial: cannot write to standard output: No space left on device; free space on that disk, or use another\n"
            )
        );
    }
}

#[test]
fn closed_outputs_do_not_make_help_panic() {
    // A panic has the status 101.
    for (args, status) in [
        (&["map", "--help"][..], 141),
        (&["map", "-c", "x", "true"], 255),
        (&["manual"], 141),
        (&["completions", "bash"], 141),
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let child = cordial()
            .args(args)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        assert_eq!(finish(child).status, status, "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_an_error() {
    for args in ["--help", "--version", "map --help", "map --help all", "top --help", "manual", "completions bash"] {
        let result = shell(&format!("\"$0\" {args} > /dev/full"));
        let expected = "cordial: cannot write to standard output: No space left on device; free space on that disk, or use another\n";
        assert_eq!((result.status, &*result.stderr), (255, expected), "{args}");
    }
}

#[test]
fn help_has_whole_lines_without_a_width() {
    let result = shell("COLUMNS=0 \"$0\" map --help");
    let first = result.text().lines().next().unwrap();
    assert!(first.starts_with("Run a command for every item of a list"), "{first}");
}

#[test]
fn a_joblog_that_is_also_an_output_is_refused() {
    let dir = TestDir::new();
    let path = dir.path("out");
    for joblog in ["/dev/stdout", path.to_str().unwrap()] {
        let mut command = cordial();
        command.args(["map", "--joblog", joblog, "echo", ":::", "a"]).stdin(Stdio::null());
        let output = command.stdout(std::fs::File::create(&path).unwrap()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(255), "{stderr}");
        assert!(stderr.contains("is also an output of cordial"), "{stderr}");
        assert!(std::fs::read(&path).unwrap().is_empty());
    }
}
