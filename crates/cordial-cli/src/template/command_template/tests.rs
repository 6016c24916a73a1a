use super::*;

fn item(values: &[&str]) -> Item {
    Item { index: 7, values: values.iter().map(|value| Value::Whole(value.as_bytes().to_vec())).collect() }
}

fn template(words: &[&str]) -> Template {
    Template::words(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), b"{}")
}

fn check(words: &[&str], values: &[&str], filled: &[&str], shown: &str) {
    let template = template(words);
    let item = item(values);
    assert_eq!(template.fill(&item, 3).unwrap().words, filled, "{words:?}");
    let line = template.show(&item, 3);
    assert_eq!(String::from_utf8_lossy(&line), shown);
    assert!(template.could_show(&line), "{shown}");
    assert!(!template.could_show(b"something else"));
}

#[test]
fn holes_are_filled() {
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
fn parts_of_paths_are_those_of_gnu_parallel() {
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
fn the_placeholder_can_be_another_text() {
    let template = Template::words(&[b"echo".to_vec(), b"{}-ITEM-{.}".to_vec()], b"ITEM");
    assert_eq!(template.fill(&item(&["a.b"]), 1).unwrap().words, ["echo", "{}-a.b-a"]);
}

fn script(line: &str) -> String {
    let template = Template::shell(line.as_bytes(), b"{}").unwrap();
    template.fill(&item(&["i"]), 1).unwrap().words[2].to_string_lossy().into_owned()
}

#[test]
fn a_shell_line_refers_to_its_item() {
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
        let told = Template::shell(line.as_bytes(), b"{}").unwrap_err();
        assert!(told.contains("stands inside quotes"), "{told}");
    }
}

#[test]
fn what_no_argument_can_hold_is_refused() {
    let fill = |value: Value| template(&["e", "<{}>"]).fill(&Item { index: 1, values: vec![value] }, 1).map(drop);
    assert!(matches!(fill(Value::Whole(b"a\0".to_vec())), Err(Failure::Nul { position: 2 })));
    assert!(matches!(fill(Value::TooLong { start: vec![], length: 9 }), Err(Failure::TooLong { length: 9 })));
    let long = Value::Whole(vec![b'x'; system::LONGEST_ARGUMENT]);
    assert!(matches!(fill(long), Err(Failure::TooLongInside { .. })));
}
