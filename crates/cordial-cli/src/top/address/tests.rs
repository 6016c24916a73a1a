use super::*;

fn parse(text: &str) -> (String, String, Option<String>) {
    let Address { authority, prefix, token } = Address::parse(text, Some("given".to_owned())).unwrap();
    (authority, prefix, token)
}

#[test]
fn an_address_is_read_as_programs_print_it() {
    let cases = [
        ("127.0.0.1:4000", "127.0.0.1:4000", "", "given"),
        ("http://127.0.0.1:4000", "127.0.0.1:4000", "", "given"),
        ("http://127.0.0.1:4000/?token=", "127.0.0.1:4000", "", "given"),
        ("http://127.0.0.1:4000/?token=a%2Bb%", "127.0.0.1:4000", "", "a+b%"),
        ("http://[::1]:4000/#token=abc", "[::1]:4000", "", "abc"),
        ("localhost:80/observer/?x=1&token=abc", "localhost:80", "/observer", "abc"),
    ];
    for (text, authority, prefix, token) in cases {
        assert_eq!(parse(text), (authority.to_owned(), prefix.to_owned(), Some(token.to_owned())), "{text}");
    }
}

#[test]
fn other_addresses_are_refused_with_a_sentence() {
    for text in ["", "4000", "localhost", ":4000", "http://host/", "https://host:1/", "host:port", "host:70000"] {
        let error = Address::parse(text, None).unwrap_err();
        assert!(error.contains("give the address that the program has printed"), "{error}");
    }
}

#[test]
fn encoded_text_is_decoded_to_itself() {
    let text = "a b&c=%é/?";
    assert_eq!(decoded(&encoded(text)), text);
    assert!(encoded(text).is_ascii());
}
