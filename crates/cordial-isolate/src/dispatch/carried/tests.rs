//! Tests of the bytes of `Carried`, and of `Carried::merge`.

use serde::Serialize;

use super::Carried;

/// The type that earlier versions encode in place of `Carried`.
#[derive(Serialize)]
struct Earlier {
    values: Vec<(String, Vec<u8>)>,
    traceparent: Option<String>,
}

fn tenant(value: u8) -> Carried {
    Carried::default().with("tenant", vec![value])
}

fn without_tenant() -> Carried {
    let mut carried = Carried::default();
    carried.insert_missing("tenant".to_owned(), "it has no bytes".to_owned());
    carried
}

#[test]
fn bytes_of_an_earlier_version_are_read_and_those_of_this_one_by_an_earlier_version() {
    let carried = Carried { traceparent: Some("00-1".to_owned()), ..tenant(7) };
    let earlier = Earlier { values: carried.values.clone(), traceparent: carried.traceparent.clone() };
    let bytes = postcard::to_stdvec(&earlier).unwrap();
    assert_eq!(Carried::decode(&bytes), carried);
    assert_eq!(carried.encode(), bytes);
    // An earlier version ignores what follows.
    assert!(Carried { missing: without_tenant().missing, ..carried }.encode().starts_with(&bytes));
}

#[test]
fn what_is_missing_is_read_back() {
    let carried = without_tenant().with("other", vec![1]);
    assert_eq!(Carried::decode(&carried.encode()), carried);
    assert_eq!(Carried::decode(&carried.encode()).missing(), Some("it has no bytes"));
    assert_eq!(Carried::decode(b"\xff"), Carried::default());
}

#[test]
fn a_value_or_reason_replaces_that_of_the_same_name() {
    let mut carried = without_tenant();
    carried.merge(tenant(7));
    assert_eq!(carried, tenant(7));
    carried.merge(without_tenant());
    assert_eq!(carried, without_tenant());
    assert_eq!(without_tenant().with("tenant", vec![7]), tenant(7));
}
