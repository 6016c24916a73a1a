use super::*;

fn item(values: &[&str]) -> Item {
    Item { index: 7, values: values.iter().map(|value| Value::Whole(value.as_bytes().to_vec())).collect() }
}

fn template(words: &[&str]) -> CommandTemplate {
    CommandTemplate::words(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), b"{}")
}

fn check(words: &[&str], values: &[&str], filled: &[&str], rendered: &str) {
    let template = template(words);
    let item = item(values);
    assert_eq!(template.fill(&item, 3).unwrap().words, filled, "{words:?}");
    let line = template.render(&item, 3);
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
    check(&["e", "{a}", "{1}", "${x}"], &["i"], &["e", "{a}", "{1}", "${x}", "i"], "e '{a}' '{1}' '${x}' i");
    check(
        &["e", "x{.}y", "{}", "{#}"],
        &["1.a", "2.b"],
        &["e", "x1y", "x2y", "1.a", "2.b", "7"],
        "e x1y x2y 1.a 2.b 7",
    );
    check(&["e", ""], &[""], &["e", "", ""], "e '' ''");
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
fn dash_i_replaces_the_item_placeholder() {
    let template = CommandTemplate::words(&[b"echo".to_vec(), b"{}-ITEM-{.}".to_vec()], b"ITEM");
    assert_eq!(template.fill(&item(&["a.b"]), 1).unwrap().words, ["echo", "{}-a.b-a"]);
}

fn script(line: &str) -> String {
    let template = CommandTemplate::shell(Shell::sh(), line.as_bytes(), b"{}").unwrap();
    template.fill(&item(&["i"]), 1).unwrap().words[2].to_string_lossy().into_owned()
}

#[test]
fn placeholders_of_a_shell_line_become_references() {
    for (line, expected) in [
        ("wc -l", r#"wc -l "$@""#),
        ("wc -l {}", r#"wc -l "$@""#),
        ("wc < {}", r#"wc < "$*""#),
        ("x={};y", r#"x="$*";y"#),
        ("echo $1", "echo $1"),
        ("cp {} {//}/{/.}.{#}", r#"cp "$@" "$CORDIAL_PARENT"/"$CORDIAL_NAME_STEM"."$CORDIAL_INDEX""#),
        ("awk '{print}' {}", r#"awk '{print}' "$@""#),
        (r"echo \{} ${#} {}", r#"echo \{} ${#} "$@""#),
        ("a {} # don't {}\nb {}", "a \"$@\" # don't {}\nb \"$@\""),
        (r"echo $'it\'s' {}", r#"echo $'it\'s' "$@""#),
        (r#"echo "a\"b" {}"#, r#"echo "a\"b" "$@""#),
    ] {
        assert_eq!(script(line), expected);
    }
}

#[test]
fn a_placeholder_inside_quotes_is_refused() {
    for line in ["echo '{}'", r#"echo "a {}""#, r#"echo "$(wc {})""#, r"echo $'it\'{}'", "echo '\n{.}'"] {
        let error = CommandTemplate::shell(Shell::sh(), line.as_bytes(), b"{}").unwrap_err();
        assert!(error.contains("is inside quotes"), "{error}");
    }
}

#[test]
fn items_that_cannot_be_arguments_are_refused() {
    let fill = |value: Value| template(&["e", "<{}>"]).fill(&Item { index: 1, values: vec![value] }, 1).map(drop);
    assert!(matches!(fill(Value::Whole(b"a\0".to_vec())), Err(ItemFailure::NulByte { position: 2 })));
    assert!(matches!(fill(Value::TooLong { start: vec![], length: 9 }), Err(ItemFailure::ItemTooLong { length: 9 })));
    let long = Value::Whole(vec![b'x'; system::MAX_ARGUMENT_BYTES]);
    assert!(matches!(fill(long), Err(ItemFailure::ArgumentTooLong { .. })));
}
