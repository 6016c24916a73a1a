//! How the command is run: as the words of a program, as a line for a shell, or each item as a line; and what is refused.

use crate::harness::{Case, TestDir, check, run, shell};

#[test]
fn a_single_word_with_blanks_or_operators_is_a_line_for_sh() {
    check(&[
        Case {
            args: &["map", "echo {} | tr a-z A-Z", ":::", "it's", "b c"],
            input: b"",
            status: 0,
            stdout: b"IT'S\nB C\n",
            stderr: "",
        },
        Case { args: &["map", "printf %s\\\\n"], input: b"$x\n", status: 0, stdout: b"$x\n", stderr: "" },
        Case { args: &["map", "echo $0", ":::", "1"], input: b"", status: 0, stdout: b"sh 1\n", stderr: "" },
        // A word without such characters is a program, and other words are its arguments.
        Case { args: &["map", "echo", "a|b {}", ":::", "1"], input: b"", status: 0, stdout: b"a|b 1\n", stderr: "" },
    ]);
    let failed = run(&["map", "no-such-program {}", ":::", "a"], b"");
    assert_eq!(failed.status, 1);
    assert!(failed.stderr.starts_with("sh: "), "{}", failed.stderr);
    assert!(failed.stderr.contains("item 1 \"a\" failed: no-such-program {}: exited with status 127"));
}

#[test]
fn a_file_whose_name_has_blanks_is_a_program() {
    let result = shell(
        r#"d="$(mktemp -d)"; cd "$d"; mkdir 'my tools'; ln -s /bin/echo 'my tools/say it'
           "$0" map './my tools/say it' ::: 1; "$0" map './my tools/{}' ::: 'say it'
           PATH="$d/my tools:$PATH" "$0" map 'say it' ::: 2; rm -r "$d""#,
    );
    assert_eq!((&*result.stdout, &*result.stderr), (&b"1\n\n2\n"[..], ""));
}

#[test]
fn without_a_command_each_item_is_a_line_for_sh() {
    check(&[
        Case { args: &["map"], input: b"echo 1\n\necho $((1 + 1)) {}\n", status: 0, stdout: b"1\n2 {}\n", stderr: "" },
        Case {
            args: &["map", ":::", "echo a", "exit 3"],
            input: b"",
            status: 1,
            stdout: b"a\n",
            stderr: "cordial: item 2 \"exit 3\" failed: exited with status 3\ncordial: 1 of 2 items failed\n",
        },
        Case { args: &["map", "--dry-run", ":::", "a b"], input: b"", status: 0, stdout: b"a b\n", stderr: "" },
        Case {
            args: &["map", "-n", "2", ":::", "a", "b"],
            input: b"",
            status: 255,
            stdout: b"",
            stderr: "cordial: -n needs a command, such as echo: without a command, each item is a command of its own\n",
        },
        Case {
            args: &["map", "-m", "-s", "10"],
            input: b"a\n",
            status: 255,
            stdout: b"",
            stderr: "cordial: -m needs a command, such as echo: without a command, each item is a command of its own\n",
        },
    ]);
}

#[test]
fn exported_functions_are_run_by_bash() {
    let bash = |script: &str| shell(&format!("exec bash -c '{}' \"$0\"", script.replace('\'', r"'\''")));
    let prefix = r#"say() { echo "<$1,$2>"; }; export -f say;"#;
    for (line, printed) in [
        (r#""$0" map say x ::: 1 "2 3""#, "<x,1>\n<x,2 3>\n"),
        (r#""$0" map 'say {} y | tr x z' ::: x"#, "<z,y>\n"),
        (r#""$0" map --shell say {} '| cat' ::: x"#, "<x,>\n"),
        (r#"echo "say 1 2" | "$0" map"#, "<1,2>\n"),
        (r#""$0" map {} z ::: say"#, "<z,>\n"),
        // Another command is run as always.
        (r#""$0" map 'echo $0' ::: 1"#, "sh 1\n"),
    ] {
        let result = bash(&format!("{prefix} {line}"));
        assert_eq!((String::from_utf8_lossy(&result.stdout).as_ref(), &*result.stderr), (printed, ""), "{line}");
    }
}

/// The line of the command does not contain the name of the variable, but the function that it calls does.
#[test]
fn an_exported_function_has_the_variables_of_gnu_parallel() {
    let script = r#"f() { echo "$PARALLEL_SEQ.$PARALLEL_JOBSLOT.$1"; }; g() { f "$1"; }; export -f f g
        "$0" map -c1 f ::: a b; "$0" map -c1 'g {}; true' ::: a; echo 'g a' | "$0" map -c1"#;
    let result = shell(&format!("exec bash -c '{script}' \"$0\"", script = script.replace('\'', r"'\''")));
    assert_eq!(
        (String::from_utf8_lossy(&result.stdout).as_ref(), &*result.stderr),
        ("1.1.a\n2.1.b\n1.1.a\n1.1.a\n", "")
    );
}

#[test]
fn shell_path_chooses_the_shell() {
    let result = run(&["map", "--shell-path", "bash", "[[ {} == a* ]] && echo $0 {}", ":::", "ab"], b"");
    assert_eq!((&*result.stdout, &*result.stderr), (&b"bash ab\n"[..], ""));
    let missing = run(&["map", "--shell-path", "/no/such", "echo", ":::", "1"], b"");
    assert_eq!(missing.status, 255);
    assert!(missing.stderr.contains("cannot start the program \"/no/such\": No such file"), "{}", missing.stderr);
    let other = run(&["map", "--shell-path", "/usr/bin/fish", "echo", ":::", "1"], b"");
    assert_eq!(other.status, 255);
    assert!(other.stderr.contains("name sh, bash, dash, ksh or zsh"), "{}", other.stderr);
}

/// Runs `map` with a program that a script has made in a new directory, and returns the status and the messages.
fn run_file(make: &str, program: &str) -> (i32, String) {
    let dir = TestDir::new();
    let result = shell(&format!("cd '{}'; {make}; exec \"$0\" map '{program}' ::: 1 2", dir.text()));
    (result.status, String::from_utf8(result.stdout).unwrap() + &result.stderr)
}

#[test]
fn a_file_that_cannot_be_run_is_known_before_anything_runs() {
    for (make, program, message) in [
        ("echo 'echo ran' > f", "./f", "you may not execute it; run chmod +x"),
        ("mkdir d", "./d", "it is a directory; name a program in it"),
        ("mkfifo f; chmod +x f", "./f", "it is a named pipe, a device or the like"),
        ("echo ran > tool; PATH=$PWD:$PATH", "tool", "you may not execute it; run chmod +x"),
        (
            r"printf '#!/no/such -x\necho ran' > f; chmod +x f",
            "./f",
            "its first line names the interpreter \"/no/such\", which is not a program; check that it is installed",
        ),
        (r"printf '#!/bin/sh\r\necho ran' > f; chmod +x f", "./f", "end with a carriage return, as on Windows"),
        (r"printf '\177ELF' > f; chmod +x f", "./f", "it has the format ELF, but is incomplete"),
        ("head -c 63 \"$0\" > f; chmod +x f", "./f", "copy or build it again"),
        (
            "{ head -c 16 \"$0\"; head -c 200 /dev/zero; } > f; chmod +x f; PATH=$PWD:$PATH",
            "f",
            "was not made to be started",
        ),
    ] {
        let (status, text) = run_file(make, program);
        assert_eq!(status, 255, "{make}: {text}");
        assert!(text.starts_with("cordial: cannot start the program ") && text.contains(message), "{make}: {text}");
        assert_eq!(text.lines().count(), 1, "{make}: {text}");
    }
    // When the items are the programs, the others run.
    let (status, text) = run_file("mkdir 1; printf 'echo ran' > 2; chmod +x 2", "./{}");
    assert_eq!(status, 1);
    assert!(text.starts_with("ran\n") && text.contains("\"./1\" is a directory: name a program in it"), "{text}");
}

/// The file is in the working directory of the commands, and not in that of this program.
#[cfg(target_os = "linux")]
#[test]
fn a_file_in_a_relative_working_directory_is_run_by_sh_only_if_it_is_a_script() {
    let dir = TestDir::new();
    std::fs::create_dir_all(dir.path("sub/bin")).unwrap();
    // The number of an architecture that no machine has.
    let mut elf = std::fs::read("/bin/sh").unwrap();
    elf[18..20].fill(0xfe);
    std::fs::write(dir.path("sub/elf"), elf).unwrap();
    std::fs::write(dir.path("sub/bin/script"), "echo $0 $1\n").unwrap();
    let make = format!("cd '{}'; chmod +x sub/elf sub/bin/script", dir.text());
    for (arguments, status, text) in [
        ("./elf ::: 1", 1, "Exec format error"),
        ("{} ::: ./elf", 1, "Exec format error"),
        ("bin/script ::: 1", 0, "bin/script 1"),
        ("{} ::: bin/script", 0, "bin/script"),
        ("script ::: 1", 0, "bin/script 1"),
    ] {
        let result = shell(&format!("{make}; PATH=bin:$PATH; exec \"$0\" map --workdir sub {arguments}"));
        let printed = String::from_utf8(result.stdout).unwrap() + &result.stderr;
        assert!(result.status == status && printed.contains(text), "{arguments}: {printed}");
    }
}

#[test]
fn a_script_without_an_interpreter_is_run_by_sh() {
    assert_eq!(run_file(r"echo 'echo $0 $1' > s; chmod +x s", "./s"), (0, "./s 1\n./s 2\n".to_owned()));
    assert_eq!(run_file("> s; chmod +x s", "./s"), (0, String::new()));
    let (_, text) = run_file(r"echo 'echo ran $1' > s; chmod +x s; PATH=$PWD:$PATH", "s");
    assert_eq!(text, "ran 1\nran 2\n");
    // A program of another system is not run by sh. Another program may be registered with the system to run it.
    let (status, text) = run_file(r"printf 'MZ\0\0' > s; chmod +x s", "./s");
    assert_eq!(status, 2);
    assert!(text.contains("Exec format error; \"./s\" is not a program for this machine"), "{text}");
}
