//! Where items come from, how they are combined, and how many of them one command gets.

use std::fs;

use crate::harness::{TestDir, check_outputs, run};

#[test]
fn several_sources_are_combined() {
    let dir = TestDir::new();
    fs::write(dir.path("x"), "x\ny\n").unwrap();
    fs::write(dir.path("n"), "1\n2\n3\n").unwrap();
    let (x, n) = (dir.path("x"), dir.path("n"));
    let (x, n) = (x.to_str().unwrap(), n.to_str().unwrap());
    check_outputs(&[
        (&["-a", x, "-a", n, "echo"], b"", b"x 1\nx 2\nx 3\ny 1\ny 2\ny 3\n"),
        (&["-a", x, "echo", ":::", "a"], b"", b"x a\ny a\n"),
        (&["echo", "::::", x, "-"], b"i\n", b"x i\ny i\n"),
        (&["-a", "-", "echo", "::::+", x], b"i\nj\n", b"i x\nj y\n"),
        (&["echo", ":::", "a", "b", ":::+", "1", "2", "3"], b"", b"a 1\nb 2\n"),
        (&["echo", ":::", "a", "b", ":::", "i", "j", ":::+", "1", "2"], b"", b"a i 1\na j 2\nb i 1\nb j 2\n"),
        (&["--link", "-a", n, "echo", ":::", "a", "b"], b"", b"1 a\n2 b\n3 a\n"),
        // As in GNU parallel, --link pairs these lists too.
        (&["--link", "echo", ":::", "a", "b", "c", ":::+", "1", "2"], b"", b"a 1\nb 2\nc 1\n"),
        (&["--link", "echo", ":::", "a", "::::+", n], b"", b"a 1\na 2\na 3\n"),
        (&["--arg-sep", ",,", "echo", ":::", ",,", "a"], b"", b"::: a\n"),
        (&["--arg-file-sep", "//", "echo", "//", x], b"", b"x\ny\n"),
        (&["--halt", "now,fail=50%", "-a", x, "echo", ":::", "a", "b"], b"", b"x a\nx b\ny a\ny b\n"),
    ]);
}

#[test]
fn values_are_cut_and_split() {
    check_outputs(&[
        (&["--colsep", ",", "echo", "{2}-{1}"], b"a, b \nc,d,e\n", b"b-a\nd-c\n"),
        (&["-C", "[ \t]+", "printf", "<%s>"], b"a \t b\n", b"<a><b>"),
        (&["-C", ",", "--trim", "n", "printf", "<%s>"], b"a, b\n", b"<a>< b>"),
        (&["-C", ",", "printf", "<%s>", "{2}", "."], b"a,b\nc\nd,\n", b"<b><.><.><><.>"),
        (&["-C", ",", "--shell", "printf '<%s>' {2} ."], b"a,b\nc\nd,\n", b"<b><.><.><><.>"),
        (&["-C=", "echo", "{2}{1}"], b"a=b\n", b"ba\n"),
        (&["-C", "-+", "echo", "{2}{1}"], b"a--b\n", b"ba\n"),
        (&["-d=", "printf", "<%s>"], b"a=b", b"<a><b>"),
        (&["-C", "\\|", "echo", "{-1}"], b"\xff|b\n", b"b\n"),
        (&["-C", "[é→]", "echo", "{2}"], "aéb→c\n".as_bytes(), b"b\n"),
        (&["--trim", "l", "printf", "<%s>"], b" a \n", b"<a >"),
        (&["-E", "END", "echo"], b"a\nEND\nb\n", b"a\n"),
        // An empty text ends nothing, as for xargs and GNU parallel.
        (&["-E", "", "printf", "<%s>"], b"a\n\nb\n", b"<a><><b>"),
        (&["--eof=", "printf", "<%s>", ":::", "a", "", "b"], b"", b"<a><><b>"),
        (&["-E", "b", "echo", ":::", "a", "b", ":::", "1", "b", "2"], b"", b"a 1\n"),
        (&["--header", ":", "echo", "{y.}{x}"], b"", b""),
    ]);
    check_outputs(&[
        (&["--header", ":", "-C", ",", "echo", "{b.} {a} {1}"], b"a,b\n1,2.c\n", b"2 1 1\n"),
        // As in GNU parallel, a header with a tab has columns.
        (&["--header", ":", "echo", "{B}<{A}>"], b"A\tB\n1 \tone\n", b"one<1 >\n"),
        (&["--header", ":", "--shell", "echo x{}"], b"A\n1\n", b"x1\n"),
        (&["--header", ":", "echo", "x{A}"], b"A\r\n1\n", b"x1\n"),
        (&["--header", ":", "echo", "{x}-{y/}", ":::", "x", "1", ":::", "y", "a/b"], b"", b"1-b\n"),
    ]);
}

#[test]
fn words_are_those_of_xargs() {
    check_outputs(&[
        (&["--words", "printf", "<%s>"], b"a 'b  c'\n\n d\\ e \"\"\n", b"<a><b  c><d e><>"),
        // Without a newline, an empty word at the end is none.
        (&["--words", "printf", "<%s>"], b"a ''", b"<a>"),
        (&["--words", "printf", "<%s>"], b"a \\", b"<a>"),
        (&["--words", "printf", "<%s>"], b"a b\\", b"<a><b>"),
        (&["--words", "printf", "<%s>"], b"''", b""),
        (&["--words", "-I@", "printf", "<%s>", "@"], b"a\n''", b"<a>"),
        (&["--words", "-n2", "echo"], b"1 2\n3\n", b"1 2\n3\n"),
        (&["--words", "-L1", "echo"], b"a b\n\nc \nd\n", b"a b\nc d\n"),
        (&["--words", "-I@", "printf", "<%s>", "@"], b" a 'b  c' \n\n\td\n", b"<a b  c ><d>"),
        (&["-0", "-L1", "printf", "<%s>"], b"a \0b\0", b"<a ><b>"),
        (&["--words", "-L2", "-E", "x", "echo"], b"a\nb c\nd x e\n", b"a b c\nd\n"),
        (&["--words", "-L2", "echo", ":::", "a", "b c", "d"], b"", b"a b c\nd\n"),
    ]);
    let result = run(&["map", "--words", "--xargs", "echo"], b"a\n'b\nc\n");
    assert_eq!((result.status, result.stdout.as_slice()), (255, &b"a\n"[..]));
    assert!(result.stderr.contains("line 2 has an unmatched single quote"), "{}", result.stderr);
}

#[test]
fn one_command_gets_as_many_items_as_fit_or_fewer() {
    let numbers: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    for args in [&["-n", "1000000"][..], &["--xargs"]] {
        let result = run(&[&["map"], args, &["--shell", "echo $# # $1"]].concat(), numbers.as_bytes());
        let counts: Vec<u64> =
            String::from_utf8(result.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((result.status, counts.iter().sum::<u64>(), counts.len()), (0, 100_000, 5), "{counts:?}");
    }
    check_outputs(&[
        (&["-s", "20", "--xargs", "echo"], b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", b"1 2 3 4 5 6 7\n8 9 10\n"),
        (
            &["-j4", "-X", "echo", "x{}y"],
            b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
            b"x1y x2y x3y\nx4y x5y x6y\nx7y x8y x9y\nx10y\n",
        ),
        (&["-j2", "-m", "echo", "{}", "."], b"1\n2\n3\n", b"1 2 .\n3 .\n"),
        (&["-n2", "-X", "echo", "x{}"], b"1\n2\n3\n", b"x1 x2\nx3\n"),
        (&["-L2", "echo"], b"a\nb \nc\nd\n", b"a b c\nd\n"),
        (&["-L1", "printf", "<%s>", ":::", "a ", "b", "c "], b"", b"<a b><c >"),
        (&["-L1", "echo", ":::", "x", "::::", "-"], b"a \nb\nc\n", b"x a b\nx c\n"),
        // As for GNU parallel, -L does not count with -N; of -n and -L, the last counts, as for xargs.
        (&["-N3", "-L2", "echo"], b"1\n2\n3\n4\n", b"1 2 3\n4\n"),
        (&["-n3", "-L2", "echo"], b"1\n2\n3\n4\n", b"1 2\n3 4\n"),
        (&["-L2", "-n3", "echo"], b"1\n2\n3\n4\n", b"1 2 3\n4\n"),
        (&["-X", "echo"], b"", b""),
        (&["-n0", "echo", "x"], b"1\n2\n", b"x\nx\n"),
        (&["-N0", "echo x; echo {#}"], b"1\n2\n", b"x\n1\nx\n2\n"),
    ]);
    for (args, message) in [
        (
            &["map", "-s", "10", "--xargs", "echo"],
            "cannot read the items: \"123456\" does not fit on a command line of 10 bytes; allow more with -s",
        ),
        (
            &["map", "-x", "-n2", "-s12", "echo"],
            "the items of command 1 do not fit together on a command line of 12 bytes",
        ),
    ] {
        let result = run(args, b"123456\n7\n");
        assert_eq!((result.status, result.stdout.as_slice()), (255, &b""[..]), "{args:?}");
        assert!(result.stderr.contains(message), "{}", result.stderr);
    }
}

#[test]
fn divided_items_are_not_counted_before_they_are_made() {
    let args = ["map", "-c3", "-X", "-n5", "--delay", "10", "--fail-fast", "--shell", "exit 7"];
    let result = run(&args, b"1\n2\n3\n");
    assert_eq!(result.status, 7);
    assert!(result.stderr.contains("0 stopped early, the rest of the input not started"), "{}", result.stderr);
}

#[test]
fn an_item_without_a_value_for_the_program_fails() {
    let result = run(&["map", "-C", ",", "{2}"], b"x,pwd\ny\nx,pwd\n");
    assert_eq!((result.status, result.text().lines().count()), (1, 2), "{}", result.stderr);
    assert!(result.stderr.contains("item 2 \"y\" failed: the command is empty"), "{}", result.stderr);
}

#[test]
fn a_value_that_is_too_long_fails_alone_and_ends_a_run_with_a_limit() {
    let x = "x".repeat(140_000);
    let input = format!("a\nb\n{x}\nc\nd\n");
    let case = |args: &[&str]| {
        let result = run(&[&["map"], args, &["echo"]].concat(), input.as_bytes());
        (result.status, String::from_utf8(result.stdout).unwrap(), result.stderr)
    };
    for args in [&["-X", "-c1"][..], &["--xargs"], &["-n", "10"], &["-L", "10"]] {
        let (status, stdout, stderr) = case(args);
        assert_eq!((status, &*stdout), (1, "a b c d\n"), "{args:?}: {stderr}");
        assert!(stderr.contains("the item has 140000 bytes"), "{stderr}");
    }
    // Otherwise the pairs after this one would be others.
    for args in [&["-N", "2", "echo"][..], &["-n2", "echo", "{1}", "{2}"], &["-n2", "echo \"$1\" \"$2\""]] {
        let result = run(&[&["map"], args].concat(), input.as_bytes());
        assert_eq!(
            (result.status, result.text().replace(" \n", "\n")),
            (1, "a b\nd\n".to_owned()),
            "{}",
            result.stderr
        );
    }
    let (status, stdout, stderr) = case(&["-s", "100", "--xargs"]);
    assert_eq!((status, &*stdout), (255, "a b\n"), "{stderr}");
    assert!(stderr.contains("does not fit on a command line of 100 bytes"), "{stderr}");
}

#[test]
fn a_nul_byte_fails_only_its_input_of_several() {
    for (args, stdout) in [
        (&["-n2", "echo"][..], "a b\nc d\n"),
        (&["-X", "-c1", "echo"], "a b c d\n"),
        (&["-L1", "--words", "echo"], "a\nb\nc d\n"),
        (&["-n2", "echo {}"], "a b\nc d\n"),
        // The second pair would be another one.
        (&["-N2", "echo"], "b c\nd\n"),
        (&["-n2", "echo ${1} ${2}"], "b c\nd\n"),
        (&["-n2", "sh", "-c", "echo $1 $2", "sh"], "b c\nd\n"),
    ] {
        let result = run(&[&["map"], args].concat(), b"a\nx\0y\nb\nc \nd\n".as_slice());
        let printed = result.text().replace("  ", " ").replace(" \n", "\n");
        assert_eq!((result.status, &*printed), (1, stdout), "{args:?}: {}", result.stderr);
        assert!(result.stderr.contains("the item contains a NUL byte (byte "), "{}", result.stderr);
    }
}

#[test]
fn a_column_may_be_as_long_as_an_argument() {
    let long = "x".repeat(131_071);
    let input = format!("a,{long},{long},b\n{long}x,c,c,d\n");
    let with = |command: &[&str]| run(&[&["map", "-C,"], command].concat(), input.as_bytes());
    // GNU parallel passes these columns as well.
    for command in [&["echo", "{2}", "{-1}"][..], &["echo {2} {-1}"]] {
        let result = with(command);
        assert_eq!((result.status, result.stderr.as_str()), (0, ""), "{command:?}");
        assert_eq!(result.text(), format!("{long} b\nc d\n"), "{command:?}");
    }
    let result = with(&["echo", "{1}", "{4}"]);
    assert_eq!((result.status, result.text()), (1, "a b\n"), "{}", result.stderr);
    assert!(result.stderr.contains("the item has 131072 bytes; the limit for one argument is 131071 bytes"));
    let result = run(&["map", "-C,", "echo"], format!("{}\na,b\n", ",".repeat(17 << 20)).as_bytes());
    assert_eq!((result.status, result.text()), (1, "a b\n"), "{}", result.stderr);
}

#[test]
fn an_empty_list_among_several_is_reported() {
    for args in [&["map", "echo", ":::", "a", ":::"][..], &["map", "-a", "/dev/null", "echo", ":::", "a", "b"]] {
        let result = run(args, b"");
        assert_eq!((result.status, result.stdout.as_slice()), (0, &b""[..]), "{args:?}");
        assert_eq!(result.stderr, "cordial: one of the lists is empty, so there are no items\n");
    }
    check_outputs(&[(&["echo", ":::"], b"", b""), (&["--quiet", "echo", ":::", "a", ":::"], b"", b"")]);
}
