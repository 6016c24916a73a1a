use super::*;
use crate::capture::Capture;

fn done(stdout: &str, stderr: &str, complaint: Option<&str>) -> Done {
    let mut item = Done { complaint: complaint.map(str::to_owned), stdout: Capture::new(), stderr: Capture::new() };
    item.stdout.append(stdout.as_bytes()).unwrap();
    item.stderr.append(stderr.as_bytes()).unwrap();
    item
}

fn closed() -> tokio::io::DuplexStream {
    tokio::io::duplex(1).0
}

#[tokio::test]
async fn outputs_stay_apart_and_complaints_follow() {
    let mut report = Report::new(Vec::new(), Vec::new());
    report.print(done("out 1\n", "err 1\n", None)).await.unwrap();
    report.print(done("out 2", "err 2", Some("item 2 \"b\" failed: x"))).await.unwrap();
    report.print_lost("panicked".to_owned()).await;
    assert_eq!(String::from_utf8(report.stdout.clone()).unwrap(), "out 1\nout 2");
    assert_eq!(
        String::from_utf8(report.stderr.clone()).unwrap(),
        "err 1\nerr 2cordial: item 2 \"b\" failed: x\ncordial: item 3 failed: panicked\n"
    );
    assert_eq!(report.verdict(), Verdict::Finished { failed: 2 });
}

#[tokio::test]
async fn being_stopped_is_one_line_with_counts() {
    for (items, failed, line) in [
        (0, 0, "cordial: stopped by SIGTERM: 0 items are done (0 failed); the rest was killed or not run\n"),
        (1, 1, "cordial: stopped by SIGTERM: 1 item is done (1 failed); the rest was killed or not run\n"),
        (12, 1, "cordial: stopped by SIGTERM: 12 items are done (1 failed); the rest was killed or not run\n"),
    ] {
        let mut report = Report { stdout: Vec::new(), stderr: Vec::new(), done: items, failed };
        report.stopped(Interrupt::Terminate).await;
        assert_eq!(String::from_utf8(report.stderr).unwrap(), line);
    }
}

#[tokio::test]
async fn closed_standard_output_is_an_error_and_counts_nothing() {
    let mut report = Report::new(closed(), Vec::new());
    report.print(done("", "", None)).await.unwrap();
    let error = report.print(done("x", "", Some("never told"))).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!((report.done, report.failed, report.stderr.len()), (1, 0, 0));
}

#[tokio::test]
async fn closed_standard_error_changes_nothing() {
    let mut report = Report::new(Vec::new(), closed());
    report.print(done("x", "y", Some("z"))).await.unwrap();
    report.stopped(Interrupt::Interrupt).await;
    assert_eq!((report.stdout.as_slice(), report.verdict()), (&b"x"[..], Verdict::Finished { failed: 1 }));
}
