//! The text of the error if the runtime did not start. It differs from the text of the library, which advises to ask for fewer workers:
//! this program has no option for that.

use cordial::BuildError;

use super::io_error;

/// Returns why the runtime did not start, and what to do.
pub(crate) fn describe(error: &BuildError) -> String {
    let BuildError::ThreadsRefused { needed, granted, limit, error } = error else {
        let limit = match error {
            BuildError::System(error) => io_error::limit_advice(error),
            _ => None,
        };
        let advice = limit.map(|advice| format!("; {advice}")).unwrap_or_default();
        return format!("{}{advice}", io_error::without_number(&error.to_string()));
    };
    let advice = match limit {
        Some(limit) => format!("{limit}: raise that limit"),
        None => "end other programs, or raise their limit of threads".to_owned(),
    };
    format!(
        "the operating system started {granted} of the {needed} threads of cordial: {}; {advice}",
        io_error::text(error)
    )
}
