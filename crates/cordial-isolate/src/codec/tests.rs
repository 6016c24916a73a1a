use super::*;

#[test]
fn bytes_travel_as_they_are() {
    for length in [0usize, 1, 70_000] {
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        assert_eq!(encode(&bytes).unwrap(), bytes);
        let address = bytes.as_ptr();
        let encoded = encode_owned(bytes.clone()).unwrap();
        assert_eq!(encoded, bytes);
        let moved = decode::<Vec<u8>>(encode_owned(bytes).unwrap()).unwrap();
        assert_eq!(moved.as_ptr(), address, "not copied");
    }
}

#[test]
fn values_come_back() {
    let value = (7u64, "text".to_owned(), vec![Some(1i32), None]);
    assert_eq!(decode(encode(&value).unwrap()), Ok(value));
    assert_eq!(decode::<()>(encode(&()).unwrap()), Ok(()));
}

#[test]
fn bytes_that_are_too_few_or_too_many_are_errors() {
    for bytes in [vec![], vec![3, b'a'], vec![1, b'a', b'b']] {
        let error = decode::<String>(bytes).unwrap_err();
        assert!(error.to_string().contains("cannot be encoded or decoded"), "{error}");
    }
}

#[test]
fn the_attributes_of_serde_that_need_a_self_describing_format_are_errors() {
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(tag = "kind", content = "value")]
    enum Adjacent {
        Number(u32),
    }
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(tag = "kind")]
    enum Internal {
        Number { value: u32 },
    }
    assert!(decode::<Adjacent>(encode(&Adjacent::Number(7)).unwrap()).is_err());
    let error = decode::<Internal>(encode(&Internal::Number { value: 7 }).unwrap()).unwrap_err();
    assert!(error.to_string().contains("`tag`"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_value_whose_serialize_fails_says_so() {
    use std::os::unix::ffi::OsStringExt;
    let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff]));
    let error = encode(&path).unwrap_err().to_string();
    assert!(error.ends_with("its `Serialize` has returned an error, as for a path that is not UTF-8"), "{error}");
}

#[derive(Serialize, serde::Deserialize)]
struct Level(Option<Box<Level>>);

impl Level {
    fn nested(depth: usize) -> Level {
        (0..depth).fold(Level(None), |level, _| Level(Some(Box::new(level))))
    }
}

/// Without optimization, each level of a struct with many fields takes much stack: 7 KB.
#[derive(Default, Serialize, serde::Deserialize)]
struct Wide {
    texts: [String; 8],
    numbers: [u64; 16],
    children: Vec<Wide>,
}

/// The thread of a test has the stack that threads of Rust have by default.
#[test]
fn a_value_that_is_nested_too_deeply_is_an_error() {
    // One byte stands for each level.
    let bytes = |depth| [vec![1; depth], vec![0]].concat();
    assert!(decode::<Level>(bytes(1000)).is_ok());
    for depth in [20_000, 10_000_000] {
        let error = decode::<Level>(bytes(depth)).map(mem::forget).unwrap_err().to_string();
        assert!(error.contains("more than 1024 KiB of stack; flatten it"), "{error}");
    }
    assert!(encode_owned(Level::nested(1000)).is_ok());
    let error = encode_owned(Level::nested(1_000_000)).unwrap_err().to_string();
    assert!(error.contains("more than 1024 KiB of stack; flatten it"), "{error}");

    let wide = [vec![0; 24], vec![1]].concat();
    assert!(decode::<Wide>([wide.repeat(100), vec![0; 25]].concat()).is_ok());
    assert!(decode::<Wide>(wide.repeat(100_000)).is_err());
}
