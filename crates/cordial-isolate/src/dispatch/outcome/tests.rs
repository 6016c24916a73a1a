use super::*;
use crate::function::Function;

const PARSE: Function<String, u64> = Function::new("parse");

fn sent(result: Result<Vec<u8>, Exit>) -> Result<Vec<u8>, Exit> {
    let bytes = Outcome::from_result(result).encode();
    Outcome::decode(bytes).unwrap().into_result(PARSE.signature(), None)
}

#[test]
fn results_and_exits_come_back() {
    for result in [
        Ok(vec![]),
        Ok(vec![0, 1, 2]),
        Err(Exit::Killed),
        Err(Exit::Shutdown(None)),
        Err(Exit::Shutdown(Some("enough".into()))),
        Err(Exit::from("no disk")),
        Err(Lost::builder(LostCause::signal(11)).function("parse").attempt(3).stderr(vec!["x".into()]).build().into()),
    ] {
        assert_eq!(sent(result.clone()), result);
    }
}

#[test]
fn a_panic_keeps_message_place_thread_and_backtrace() {
    let report = PanicReport::builder("no luck", Location::new("src/a.rs", 7, 5)).thread("t").backtrace("0: main");
    let Err(Exit::Panic(report)) = sent(Err(Exit::Panic(Arc::new(report.build())))) else { panic!("expected a panic") };
    assert_eq!((report.message(), report.thread()), ("no luck", "t"));
    assert_eq!(report.location().to_string(), "src/a.rs:7:5");
    assert_eq!(report.backtrace_text().as_deref(), Some("0: main"));
    assert_eq!(report.label(), Some("parse"));
}

#[test]
fn an_error_keeps_its_chain() {
    let chain = Exit::from_texts("no configuration", vec!["no file".to_owned()]);
    let exit = sent(Err(chain)).unwrap_err();
    assert_eq!(format!("{exit:#}"), "no configuration: no file");
}

#[test]
fn bytes_that_are_not_an_outcome_are_an_error() {
    for bytes in [vec![], vec![1], vec![200, 1], vec![7; 10]] {
        let error = Outcome::decode(bytes).unwrap_err().to_string();
        assert!(error.starts_with("the outcome of a call cannot be encoded or decoded: "), "{error}");
    }
}

#[test]
fn a_received_chain_of_errors_that_is_too_long_is_cut() {
    let mut bytes = postcard::to_stdvec(&TravelingExit::Error(vec!["x".to_owned(); 1_000_000])).unwrap();
    bytes.push(1);
    let received = Outcome::decode(bytes).unwrap().into_result(PARSE.signature(), None);
    let Err(Exit::Error(error)) = received else { panic!("expected an error") };
    let length = std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source()).count();
    assert_eq!(length, MAX_SOURCES);
}
