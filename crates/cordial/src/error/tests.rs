use super::*;

/// The texts of an error and of all its sources.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

#[derive(Debug)]
struct Outer(io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no configuration")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_chain_of_sources_shows_every_text_once() {
    let exit = Exit::Error(Arc::new(Outer(io::Error::other("no disk"))));
    let failed = StartError::Child { id: "db".into(), exit: exit.clone() };
    assert_eq!(chain(&failed), ["the child \"db\" failed to start: no configuration", "no disk"]);
    assert_eq!(chain(&Exit::from(failed)), ["the child \"db\" failed to start: no configuration", "no disk"]);
    assert_eq!(chain(&exit), ["no configuration", "no disk"]);
    let refused = BuildError::System(io::Error::other(Outer(io::Error::other("no disk"))));
    let text = "the operating system refused an I/O driver for the runtime: no configuration";
    assert_eq!(chain(&refused), [text, "no disk"]);
    assert_eq!(format!("{refused:#}"), format!("{text}: no disk"));
    let failed = StartError::Child { id: "db".into(), exit };
    assert_eq!(format!("{failed:#}"), "the child \"db\" failed to start: no configuration: no disk");
    assert_eq!(format!("{:#}", Exit::from(failed)), "the child \"db\" failed to start: no configuration: no disk");
}

#[derive(Debug)]
struct Innermost;

impl fmt::Display for Innermost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("innermost")
    }
}

impl Error for Innermost {}

#[test]
fn an_error_is_found_wherever_it_is_in_the_chain() {
    let io = || io::Error::other(Innermost);
    let exit = |error: Box<dyn Error + Send + Sync>| Exit::from(error);
    for (name, exit) in [
        ("the error itself", exit(Box::new(Innermost))),
        ("inside an I/O error", Exit::from(io())),
        ("the source of another error", exit(Box::new(Outer(io())))),
        (
            "why a child failed to start",
            StartError::Child { id: "db".into(), exit: exit(Box::new(Outer(io()))) }.into(),
        ),
        ("why a runtime was not built", BuildError::System(io()).into()),
        ("inside an exit inside an I/O error", io::Error::other(exit(Box::new(Innermost))).into()),
    ] {
        assert!(exit.downcast_ref::<Innermost>().is_some(), "{name}");
        assert!(exit.downcast_ref::<fmt::Error>().is_none(), "{name}");
    }
    assert!(Exit::from(StartError::from(NotFound)).downcast_ref::<NotFound>().is_some());
    let exit = exit(Box::new(Outer(io())));
    assert!(exit.downcast_ref::<Outer>().is_some() && exit.downcast_ref::<io::Error>().is_some());
    for exit in [Exit::Killed, Exit::Shutdown(Some("innermost".into())), Exit::NoProcess] {
        assert!(exit.downcast_ref::<Innermost>().is_none(), "{exit}");
    }
}
