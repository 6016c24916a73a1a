use super::*;

#[test]
fn quoted_puts_an_item_on_one_line() {
    for (bytes, expected) in [
        (&b"b.txt"[..], r#""b.txt""#),
        (b"", r#""""#),
        (b"it's \"it\"\\", r#""it's \"it\"\\""#),
        (b"a\nb\tc\r\x1b[31m\0", r#""a\nb\tc\r\u{1b}[31m\0""#),
        ("größe 日本".as_bytes(), r#""größe 日本""#),
        ("\u{202e}txt.exe".as_bytes(), r#""\u{202e}txt.exe""#),
        (b"a\xff\xfeb", r#""a��b""#),
    ] {
        assert_eq!(quoted(bytes), expected);
    }
}

#[test]
fn quoted_cuts_a_long_item() {
    let at_the_limit = "ä".repeat(MAX_ITEM_CHARS);
    assert_eq!(quoted(at_the_limit.as_bytes()), format!("\"{at_the_limit}\""));
    assert_eq!(quoted("ä".repeat(MAX_ITEM_CHARS + 1).as_bytes()), format!("\"{at_the_limit}…\""));
    assert_eq!(quoted("ä".repeat(1_000_000).as_bytes()), format!("\"{at_the_limit}…\""));
}

#[test]
fn command_quotes_only_words_that_need_it() {
    let shown = |words: &[&str]| command(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(shown(&["wc", "-l", "b.txt"]), "wc -l b.txt");
    assert_eq!(shown(&["sh", "-c", "echo $1; exit 3", "", "a\nb"]), r#"sh -c "echo $1; exit 3" "" "a\nb""#);
    assert_eq!(shown(&["cat", "größe", "/a/b-c_d.e"]), "cat größe /a/b-c_d.e");
}

#[test]
fn command_cuts_a_long_command() {
    let words: Vec<Vec<u8>> = (0..10_000).map(|n| format!("word{n}").into_bytes()).collect();
    let shown = command(&words);
    assert_eq!(shown.chars().count(), MAX_COMMAND_CHARS + 1);
    assert!(shown.starts_with("word0 word1 ") && shown.ends_with('…'), "{shown}");
}
