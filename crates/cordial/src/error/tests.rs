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
}
