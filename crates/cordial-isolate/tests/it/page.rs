//! `docs/isolated.md` shows the text of each reason.

use std::time::Duration;

use cordial::LostCause;

#[test]
fn the_page_has_the_text_of_each_reason() {
    let page = include_str!("../../../../docs/isolated.md");
    for cause in [
        LostCause::signal(6),
        LostCause::signal(9),
        LostCause::signal(11),
        LostCause::ExitCode(7),
        LostCause::MemoryLimit { limit: 1 << 20 },
        LostCause::CpuLimit { limit: Duration::from_secs(1) },
        LostCause::OutOfMemory,
        LostCause::ConnectionLost { reason: "the worker has closed its socket".into() },
    ] {
        assert!(page.contains(&format!("| {cause} |")), "{cause}");
    }
}
