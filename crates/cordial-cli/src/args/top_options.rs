//! The options of `cordial top`.

/// Show the processes of a program that has an observer (crate `cordial-observer`, or `cordial map --observe`), live.
#[derive(Debug, clap::Args)]
pub(crate) struct TopOptions {
    /// The address that the program has printed, such as 'http://127.0.0.1:4000/?token=...'
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,

    /// The token, if the address has none [default: the environment variable CORDIAL_OBSERVER_TOKEN]
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) token: Option<String>,

    /// Print the processes once, as text
    #[arg(long)]
    pub(crate) once: bool,
}
