use super::*;

fn filled(template: &[&str], item: &str) -> Vec<OsString> {
    let template = Template::new(template.iter().map(OsString::from).collect());
    template.fill(Line::Whole(item.as_bytes().to_vec())).unwrap().words().to_vec()
}

fn refused(template: &[&str], line: Line) -> String {
    Template::new(template.iter().map(OsString::from).collect()).fill(line).unwrap_err().to_string()
}

#[test]
fn every_placeholder_is_replaced() {
    for (template, words) in [
        (&["wc", "-l", "{}"][..], &["wc", "-l", "a b"][..]),
        (&["cp", "{}", "{}.bak"], &["cp", "a b", "a b.bak"]),
        (&["echo", "<{}|{}>", "{}{}"], &["echo", "<a b|a b>", "a ba b"]),
        (&["{}", "x"], &["a b", "x"]),
        (&["echo", "{", "}", "{ }", "{{}}"], &["echo", "{", "}", "{ }", "{a b}"]),
    ] {
        assert_eq!(filled(template, "a b"), words, "{template:?}");
    }
}

#[test]
fn without_a_placeholder_the_item_comes_last() {
    assert_eq!(filled(&["wc", "-l"], "a"), ["wc", "-l", "a"]);
    assert_eq!(filled(&["wc"], ""), ["wc", ""]);
    assert_eq!(filled(&["sh", "-c", "{ true; }"], "a"), ["sh", "-c", "{ true; }", "a"]);
}

#[test]
fn a_placeholder_in_an_item_is_text() {
    assert_eq!(filled(&["echo", "{}{}"], "{}"), ["echo", "{}{}"]);
}

#[test]
fn an_item_that_no_argument_can_hold_is_refused() {
    let longest = system::LONGEST_ARGUMENT;
    let line = |length| Line::Whole(vec![b'x'; length]);
    assert_eq!(filled(&["wc"], &"x".repeat(longest))[1].len(), longest);
    for (template, line, sentence) in [
        (
            &["wc"][..],
            Line::Whole(b"ab\0c".to_vec()),
            "it has a NUL byte, as byte 3, and no argument of a command can hold one".to_owned(),
        ),
        (
            &["wc"],
            Line::TooLong { start: b"x".to_vec(), length: 10_485_760 },
            format!("it is 10485760 bytes long, and the system takes at most {longest} bytes as one argument"),
        ),
        (
            &["wc", "--file={}"],
            line(longest),
            format!(
                "with the text around it, it makes an argument of {} bytes, and the system takes at most {longest}",
                longest + 7
            ),
        ),
    ] {
        assert_eq!(refused(template, line), sentence);
    }
}

#[cfg(unix)]
#[test]
fn bytes_that_are_not_utf_8_pass_through() {
    use std::os::unix::ffi::OsStringExt;

    let template = Template::new(vec!["cat".into(), OsString::from_vec(b"\xfe{}\xfd".to_vec())]);
    let command = template.fill(Line::Whole(b"a\xff".to_vec())).unwrap();
    assert_eq!(command.arguments(), [OsString::from_vec(b"\xfea\xff\xfd".to_vec())]);
}
