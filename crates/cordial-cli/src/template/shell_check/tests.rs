use super::Check;

#[test]
fn only_what_no_shell_evaluates_is_accepted() {
    for (check, accepted, refused) in [
        (Check::Number, &["5", "-5", "+5", " 0x1F ", "007"][..], &["", "x", "a[$(id)]", "1+1", "1 2", "0x", "1.5"][..]),
        (
            Check::Name,
            &["x", "_1", "X_y", "a[0]", "RANDOM_1"],
            &[
                "", "1", "a-b", "a[$(id)]", "a[b]", "a[]", "a[1", "x=1", "a[1][2]", "a b", "PS4", "PS4[0]", "ENV",
                "RANDOM",
            ],
        ),
        (
            Check::Declaration,
            &["x", "x=1", "x=a[$(id)]", "x=", "a[1]=b", "PS4", "ENV=test", "RANDOM=5", "a=(1 2)"],
            &[
                "",
                "=x",
                "a[$(id)]=1",
                "-i",
                "1=x",
                "a b=1",
                "PS4=$(id)",
                "PS4[0]=`id`",
                "RANDOM=x",
                "a=($(id))",
                "a=([x]=1)",
            ],
        ),
    ] {
        for text in accepted {
            assert!(check.accepts(text.as_bytes()), "{check:?} {text}");
        }
        for text in refused {
            assert!(!check.accepts(text.as_bytes()), "{check:?} {text}");
        }
    }
}
