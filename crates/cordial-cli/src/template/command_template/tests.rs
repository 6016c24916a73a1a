use super::*;

fn item(values: &[&str]) -> Item {
    Item { index: 7, values: values.iter().map(|value| Value::Whole(value.as_bytes().to_vec())).collect(), input: None }
}

fn parse(words: &[&str], syntax: &Syntax) -> Result<CommandTemplate, String> {
    CommandTemplate::words(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), syntax)
}

/// Returns the syntax for items with up to two values.
fn two() -> Syntax {
    Syntax::default().max_values(Some(2))
}

fn template(words: &[&str]) -> CommandTemplate {
    parse(words, &two().beside(BesideText::Repeated)).unwrap()
}

fn check(words: &[&str], values: &[&str], filled: &[&str], rendered: &str) {
    let template = template(words);
    let item = item(values);
    assert_eq!(template.fill(&item, 3).unwrap().words, filled, "{words:?}");
    let line = template.render(&item, 3, Quoting::AnyShell);
    assert_eq!(String::from_utf8_lossy(&line), rendered);
    assert!(template.may_render(&line), "{rendered}");
    assert!(!template.may_render(b"something else"));
}

#[test]
fn placeholders_are_filled() {
    check(&["echo"], &["a b"], &["echo", "a b"], "echo 'a b'");
    check(&["echo", "<{}>", "x"], &["it's"], &["echo", "<it's>", "x"], r"echo '<''it'\''s''>' x");
    check(&["{}", "{#}:{%}"], &["ls"], &["ls", "7:3"], "ls 7:3");
    check(
        &["a", "{.}", "{/}", "{//}", "{/.}"],
        &["x/y.tar.gz"],
        &["a", "x/y.tar", "y.tar.gz", "x", "y.tar"],
        "a x/y.tar y.tar.gz x y.tar",
    );
    check(&["e", "{a}", "{1,2}", "${x}"], &["i"], &["e", "{a}", "{1,2}", "${x}", "i"], "e '{a}' '{1,2}' '${x}' i");
    check(
        &["e", "x{.}y", "{}", "{#}"],
        &["1.a", "2.b"],
        &["e", "x1y", "x2y", "1.a", "2.b", "7"],
        "e x1y x2y 1.a 2.b 7",
    );
    check(&["e", ""], &[""], &["e", "", ""], "e '' ''");
    check(&["e", "{2}-{1/.}", "{-1.}"], &["x/y.c", "b.d"], &["e", "b.d-y", "b"], "e b.d-y b");
    check(&["e", "{2}", "{1}{2}", "{-2}"], &["a"], &["e", "a"], "e a");
    check(&["{2}", "{-2}", "xyz", "{1}"], &["a"], &["xyz", "a"], "xyz a");
}

#[test]
fn parts_of_paths_match_gnu_parallel() {
    for (value, [stem, name, parent, name_stem]) in [
        ("a/b.c", ["a/b", "b.c", "a", "b"]),
        ("x.tar.gz", ["x.tar", "x.tar.gz", ".", "x.tar"]),
        ("/r", ["/r", "r", "/", "r"]),
        (".hid", ["", ".hid", ".", ""]),
        ("a/", ["a/", "", ".", ""]),
        ("a.b/c", ["a.b/c", "c", "a.b", "c"]),
        ("a.", ["a", "a.", ".", "a"]),
        ("/", ["/", "", "/", ""]),
        ("//a//b", ["//a//b", "b", "//a", "b"]),
        ("", ["", "", ".", ""]),
    ] {
        let words = template(&["e", "{.}", "{/}", "{//}", "{/.}"]).fill(&item(&[value]), 1).unwrap().words;
        assert_eq!(words[1..], [stem, name, parent, name_stem], "{value}");
    }
}

#[test]
fn parts_with_plus_match_gnu_parallel() {
    let written = ["{..}", "{...}", "{/..}", "{+/}", "{+.}", "{+..}", "{1+.}"];
    for (value, expected) in [
        ("a/b.c.d.e", ["a/b.c", "a/b", "b.c", "a", "e", "d.e", "e"]),
        ("a.b", ["a.b", "a.b", "a.b", "", "b", "", "b"]),
        ("x.y/z", ["x.y/z", "x.y/z", "z", "x.y", "y/z", "", "y/z"]),
        ("a..b", ["a", "a..b", "a", "", "b", ".b", "b"]),
    ] {
        let plus = parse(&[&["e"], &written[..]].concat(), &two().plus()).unwrap();
        assert_eq!(plus.fill(&item(&[value]), 1).unwrap().words[1..], expected, "{value}");
        let without = parse(&["e", "{..}", "{+.}", "{1..}", "{}"], &two()).unwrap();
        assert_eq!(without.fill(&item(&[value]), 1).unwrap().words[1..4], ["{..}", "{+.}", "{1..}"]);
    }
}

#[test]
fn several_values_beside_text_are_one_word_or_repeat_it() {
    let words = |beside| {
        parse(&["x{}y"], &two().beside(beside)).map(|template| template.fill(&item(&["a", "b"]), 1).unwrap().words)
    };
    assert_eq!(words(BesideText::Once).unwrap(), ["xa", "by"]);
    assert_eq!(words(BesideText::Repeated).unwrap(), ["xay", "xby"]);
    assert!(words(BesideText::Refused).unwrap_err().contains("-N N or -X repeats the word"));
    assert!(parse(&["{}", "x"], &two().beside(BesideText::Refused)).is_ok());
}

#[test]
fn other_texts_can_be_the_placeholders() {
    let words = |words: &[&str], syntax: Syntax| parse(words, &syntax).unwrap().fill(&item(&["a.b"]), 1).unwrap().words;
    let syntax = || Syntax::default().replace(b"ITEM".to_vec());
    assert_eq!(words(&["echo", "{}-ITEM-{.}-{1}"], syntax()), ["echo", "{}-a.b-a-{1}"]);
    assert_eq!(words(&["echo"], syntax()), ["echo"]);
    assert_eq!(words(&["{.}-,,"], Syntax::default().rename("{.}", b",,".to_vec())), ["{.}-a"]);
    let names = two().names(vec![b"x".to_vec(), b"y z".to_vec()]);
    assert_eq!(parse(&["{y z.}{x}"], &names).unwrap().fill(&item(&["a", "b.c"]), 1).unwrap().words, ["ba"]);
}

#[test]
fn placeholders_that_stand_for_nothing_are_refused() {
    for (word, syntax, message) in [
        ("{2}", Syntax::default(), "{2} stands for no value: an item has 1 value"),
        ("{-3.}", two(), "{-3.} stands for no value: an item has 2 values"),
        ("{0}", two(), "values are counted from 1"),
        ("x{= s/a/b/ =}", two(), "{= … =} is not supported"),
        ("{1}", two().replace(b"{}".to_vec()), "leave out -I {} for the value"),
        ("{##}", two().plus(), "{##} is not supported"),
        ("{/a/b}", two().plus(), "{/a/b} is not supported"),
    ] {
        let error = parse(&["e", word], &syntax).unwrap_err();
        assert!(error.contains(message), "{word}: {error}");
    }
    for word in ["{=", "{a=}", "{1,2}", "{-}", "{1 a}", "{/a/b}", "{##}"] {
        assert_eq!(parse(&["e", word, "{}"], &two()).unwrap().fill(&item(&["i"]), 1).unwrap().words[1], word);
    }
}

fn script(line: &str) -> String {
    let template = CommandTemplate::shell(Shell::sh(), line.as_bytes(), &Syntax::default()).unwrap();
    template.fill(&item(&["5"]), 1).unwrap().words[2].to_string_lossy().into_owned()
}

#[test]
fn placeholders_of_a_shell_line_become_references() {
    for (line, expected) in [
        ("wc -l", r#"wc -l "$@""#),
        ("wc -l {}", r#"wc -l "$@""#),
        ("wc < {}", r#"wc < "$*""#),
        ("x={};y", r#"x="$*";y"#),
        ("echo $1", "echo $1"),
        ("f() { echo ${1}; }; f", "f() { echo ${1}; }; f \"${CORDIAL_VALUE}\""),
        ("f() { echo $1; }; f $1", "f() { echo $1; }; f $1"),
        ("cp {} {//}/{/.}.{#}", r#"cp "$@" "${CORDIAL_PARENT}"/"${CORDIAL_NAME_STEM}"."${CORDIAL_INDEX}""#),
        ("awk '{print}' {}", r#"awk '{print}' "$@""#),
        ("awk '{print $1}'", r#"awk '{print $1}' "$@""#),
        ("awk \"{print \\$1}\"", r#"awk "{print \$1}" "$@""#),
        ("echo \"$1\" # {}", "echo \"$1\" # {}"),
        ("a # $1", "a # $1"),
        ("a #", "a # \"$@\""),
        ("trap 'rm $1' EXIT; a", "trap 'rm $1' EXIT; a"),
        ("function f { echo $1; }; f", "function f { echo $1; }; f \"${CORDIAL_VALUE}\""),
        ("x=$(echo todo case); echo {}", "x=$(echo todo case); echo \"$@\""),
        (r"echo \{} ${#} {}", r#"echo \{} ${#} "$@""#),
        ("a {} # don't {}\nb {}", "a \"$@\" # don't {}\nb \"$@\""),
        (r"echo $'it\'s' {}", r#"echo $'it\'s' "$@""#),
        (r#"echo "a\"b" {}"#, r#"echo "a\"b" "$@""#),
        (r#"echo "a $(basename {} .txt)" {1}"#, r#"echo "a $(basename "$@" .txt)" "$1""#),
        (r#"echo "`basename {} .txt`""#, r#"echo "`basename "$@" .txt`""#),
        (
            r#"x="$(echo "$(wc < {})" # )
)" {}"#,
            r#"x="$(echo "$(wc < "$*")" # )
)" "$@""#,
        ),
        ("echo $(({}+1)) $(( (2 * {#}) )) \"$(({}))\"", "echo $((${*}+1)) $(( (2 * ${CORDIAL_INDEX}) )) \"$((${*}))\""),
        ("echo $((echo {}) | cat)", "echo $((echo \"$@\") | cat)"),
        (
            "cat <<A <<-'B'; x {}\n<{}> `x {}`\nA\n'\n\tB\ny {}",
            "cat <<A <<-'B'; x \"$@\"\n<${*}> `x \"$@\"`\nA\n'\n\tB\ny \"$@\"",
        ),
        (
            r#"echo "$(case {} in (a) echo "b";; *) echo {} "c";; esac) x" {}"#,
            r#"echo "$(case "$@" in (a) echo "b";; *) echo "$@" "c";; esac) x" "$@""#,
        ),
        (r#"echo "$(echo case {})" {} # '"#, r#"echo "$(echo case "$@")" "$@" # '"#),
        ("cat <<< {}", "cat <<< \"$*\""),
        (r#"echo "${x:-"y"} $(echo {})""#, r#"echo "${x:-"y"} $(echo "$@")""#),
    ] {
        assert_eq!(script(line), expected);
    }
}

#[test]
fn a_placeholder_inside_quotes_is_refused() {
    for line in
        ["echo '{}'", r#"echo "a {}""#, r#"echo "$(wc '{}')""#, r"echo $'it\'{}'", "echo '\n{.}'", r#"echo "${x:-{}}""#]
    {
        let error = CommandTemplate::shell(Shell::sh(), line.as_bytes(), &Syntax::default()).unwrap_err();
        assert!(error.contains("is inside quotes"), "{error}");
    }
}

#[test]
fn items_that_cannot_be_arguments_are_refused() {
    let fill =
        |value: Value| template(&["e", "<{}>"]).fill(&Item { index: 1, values: vec![value], input: None }, 1).map(drop);
    assert!(matches!(fill(Value::Whole(b"a\0".to_vec())), Err(ItemFailure::NulByte { position: 2 })));
    assert!(matches!(fill(Value::TooLong { start: vec![], length: 9 }), Err(ItemFailure::ItemTooLong { length: 9 })));
    let long = Value::Whole(vec![b'x'; system::MAX_ARGUMENT_BYTES]);
    assert!(matches!(fill(long), Err(ItemFailure::ArgumentTooLong { .. })));
}

#[test]
fn a_line_that_is_not_closed_is_refused_if_it_has_a_placeholder() {
    for line in ["echo {} 'x", "echo {} \"x", "echo {} $(x", "echo $((1 + {}) \"", "echo {} `x"] {
        let error = CommandTemplate::shell(Shell::sh(), line.as_bytes(), &Syntax::default()).unwrap_err();
        assert!(error.contains("is not closed"), "{line}: {error}");
    }
    // The shell says what is wrong.
    assert!(CommandTemplate::shell(Shell::sh(), b"echo \"$1", &Syntax::default()).is_ok());
}

#[test]
fn an_item_is_not_appended_to_a_text() {
    for line in ["echo 'x", "cat <<A\nx\nA", "cat <<'A'\nx\nA"] {
        let error = CommandTemplate::shell(Shell::sh(), line.as_bytes(), &Syntax::default()).unwrap_err();
        assert!(error.starts_with("the item is added at the end of the line"), "{line}: {error}");
    }
}

#[test]
fn an_item_that_is_appended_is_checked_like_one_with_a_placeholder() {
    for (line, accepted) in [
        ("let", "5"),
        ("x=1; unset", "x"),
        ("declare", "x=1"),
        ("f() { echo $(($1)); }; f", "5"),
        ("set -- 1; let", "5"),
    ] {
        let template = CommandTemplate::shell(Shell::bash(), line.as_bytes(), &Syntax::default()).unwrap();
        assert!(template.fill(&item(&[accepted]), 1).is_ok(), "{line}");
        assert!(template.fill(&item(&["a[$(id)]"]), 1).is_err(), "{line}");
    }
}

#[test]
fn a_calculation_takes_numbers_only() {
    let template = CommandTemplate::shell(Shell::sh(), b"echo $(({} * 2))", &Syntax::default()).unwrap();
    for (value, is_number) in
        [("5", true), ("-5", true), (" 0x1F ", true), ("", false), ("a[$(id)]", false), ("1+1", false), ("1 2", false)]
    {
        let filled = template.fill(&item(&[value]), 1);
        assert_eq!(filled.is_ok(), is_number, "{value}");
        assert!(is_number || matches!(filled, Err(ItemFailure::NotANumber)));
    }
}

/// After `>&`, bash expands the name of a file twice.
#[test]
fn a_redirection_hides_no_evaluation() {
    for (line, accepted) in [
        ("let<f {}", "5"),
        ("let < <(true) {}", "5"),
        ("< <(true x) let {}", "5"),
        ("printf -v >f {} x", "x"),
        ("echo >&{}", "log"),
        ("echo 1>& {}.log", "log"),
        ("cat <<E >&{}\nE", "log"),
        ("x={}; echo >& $x", "log"),
        ("f() { echo >&\"$1\"; }; f {}", "log"),
        ("echo {} | { read -r x; echo >&$x.log; }", "log"),
    ] {
        let template = CommandTemplate::shell(Shell::bash(), line.as_bytes(), &Syntax::default()).unwrap();
        assert!(template.fill(&item(&[accepted]), 1).is_ok(), "{line}");
        assert!(template.fill(&item(&["a[$(id)]"]), 1).is_err(), "{line}");
    }
    for line in ["echo {} >&2", "echo {} 2>&1 $x", "echo > {}", "echo &> {}", "cat <(echo {})"] {
        let template = CommandTemplate::shell(Shell::bash(), line.as_bytes(), &Syntax::default()).unwrap();
        assert!(template.fill(&item(&["a[$(id)]"]), 1).is_ok(), "{line}");
    }
}

#[test]
fn a_placeholder_for_several_values_is_not_a_part_of_a_word_of_a_shell_line() {
    for line in ["echo x{}", "x={}; y", "cat < {}", "echo {}{}"] {
        let error = CommandTemplate::shell(Shell::sh(), line.as_bytes(), &two()).unwrap_err();
        assert!(error.contains("may stand for several values"), "{error}");
    }
    let template = CommandTemplate::shell(Shell::sh(), b"cat {} {2} > x{1}", &two()).unwrap();
    let words = template.fill(&item(&["a", "b"]), 1).unwrap().words;
    assert_eq!(words[2..], [r#"cat "$@" ${2+"${2}"} > x"$1""#, "sh", "a", "b"]);
}

#[test]
fn a_part_of_several_values_is_several_words_of_a_shell_line() {
    let template = CommandTemplate::shell(Shell::sh(), b"x {/} {1/} \"$(y {/.})\" {}", &two()).unwrap();
    for (values, script, variables) in [
        (
            &["a/b c.d", "e"][..],
            r#"x "${CORDIAL_NAME_1}" "${CORDIAL_NAME_2}" "${CORDIAL_NAME_1}" "$(y "${CORDIAL_NAME_STEM_1}" "${CORDIAL_NAME_STEM_2}")" "$@""#,
            &["CORDIAL_NAME_1=b c.d", "CORDIAL_NAME_2=e", "CORDIAL_NAME_STEM_1=b c", "CORDIAL_NAME_STEM_2=e"][..],
        ),
        (
            &["a/b"],
            r#"x "${CORDIAL_NAME_1}" "${CORDIAL_NAME_1}" "$(y "${CORDIAL_NAME_STEM_1}")" "$@""#,
            &["CORDIAL_NAME_1=b", "CORDIAL_NAME_STEM_1=b"],
        ),
    ] {
        let item = item(values);
        let filled = template.fill(&item, 1).unwrap();
        assert_eq!(filled.words[2], *script);
        let set = filled.environment.iter().map(|(name, value)| format!("{name}={}", value.to_string_lossy()));
        let set: Vec<String> = set.collect();
        assert_eq!(set, variables);
        let length = filled.words.iter().map(|word| word.len() + 1).sum::<usize>()
            + set.iter().map(|variable| variable.len() + 1).sum::<usize>();
        let size = template.size();
        assert!(size.fixed + size.of(&item.values) >= length, "{size:?} {length}");
    }
    let rendered = template.render(&item(&["a/b c.d", "e"]), 1, Quoting::AnyShell);
    assert_eq!(String::from_utf8_lossy(&rendered), r#"x 'b c.d' e 'b c.d' "$(y 'b c' e)" 'a/b c.d' e"#);
    assert!(template.may_render(&rendered));
}

#[test]
fn with_another_placeholder_for_the_item_a_position_alone_is_text() {
    let syntax = two().replace(b"@".to_vec());
    let template = parse(&["e", "@", "{}", "{1}", "{.}", "{1.}", "{2/}", "{3/}", "{0.}"], &syntax).unwrap();
    let filled = template.fill(&item(&["a/b.c", "d"]), 1).unwrap().words;
    assert_eq!(filled, ["e", "a/b.c", "d", "{}", "{1}", "a/b", "d", "a/b", "d", "{3/}", "{0.}"]);
}

#[test]
fn several_values_are_not_appended_to_a_line_that_changes_its_arguments() {
    for line in ["set -- x; echo", "shift; echo", "f() { a; }; if b; then shift; fi; f"] {
        let error = CommandTemplate::shell(Shell::sh(), line.as_bytes(), &two()).unwrap_err();
        assert!(error.contains("changes its arguments"), "{line}: {error}");
    }
    for line in ["f() { shift; echo $1; }; f", "function f { set -- x; }; f", "set -e; echo"] {
        let template = CommandTemplate::shell(Shell::sh(), line.as_bytes(), &two()).unwrap();
        let words = template.fill(&item(&["a", "b"]), 1).unwrap().words;
        assert_eq!(words[2..], [&format!("{line} \"$@\""), "sh", "a", "b"]);
    }
}

#[test]
fn the_size_is_that_of_the_command_line_or_more() {
    for (words, values) in
        [(&["echo", "a{#}"][..], &["b", "cc"][..]), (&["e", "x{}y{}", "{1}"], &["i", "j"]), (&["e"], &[])]
    {
        let template = template(words);
        let filled = template.fill(&item(values), 1).unwrap().words;
        let records: usize =
            values.iter().map(|value| template.size().of(&[Value::Whole(value.as_bytes().to_vec())])).sum();
        let length: usize = filled.iter().map(|word| word.len() + 1).sum();
        assert!(template.size().fixed + records >= length, "{words:?}");
    }
    let shell = CommandTemplate::shell(Shell::sh(), b"echo {} x{1}", &two()).unwrap();
    let item = item(&["a b", "it's"]);
    let size = shell.line_size();
    assert_eq!(shell.render(&item, 1, Quoting::AnyShell), br"echo 'a b' 'it'\''s' x'a b'");
    let (first, both) = (size.fixed + size.of(&item.values[..1]), size.fixed + size.of(&item.values));
    // `x{1}` counts each value.
    assert_eq!((first, both), ("echo 'a b' x'a b'".len() + 1, first + 2 * r" 'it'\''s'".len()));
    let echo = template(&["echo"]).size();
    assert_eq!((echo.fixed, echo.of(&[Value::Whole(b"ab".to_vec())])), (5, 3));
}
