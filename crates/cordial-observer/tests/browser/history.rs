//! The history in the page.

use serde_json::json;

use crate::page::browse;

#[test]
fn a_point_that_was_taken_late_is_no_gap() {
    browse("", async |page, _| {
        page.wait("document.body.dataset.status === 'live'").await;
        // The stream of events begins with the newest point of the history.
        let series = "import('./history.js').then(({ Series }) => {
            const series = new Series({ step_ms: 1000, first_at_ms: 1000, live: [1, 2] }, 2600);
            for (const at_ms of [2600, 3000, 4900, 5000, 9000]) series.push({ at_ms, live: at_ms });
            return [series.first, series.values.live];
        })";
        let expected = json!([1000, [1, 2, 3000, 4900, 5000, null, null, null, 9000]]);
        assert_eq!(page.value(series).await, expected);
    });
}

#[test]
fn the_last_six_hours_end_now_also_after_another_view() {
    browse("", async |page, _| {
        page.wait("document.body.dataset.status === 'live'").await;
        // For the page an hour passes, and then the person comes back from another view.
        page.value("(window.realNow = Date.now, Date.now = () => window.realNow() + 3_600_000, true)").await;
        page.go("#/tasks").await;
        page.go("#/overview").await;
        let asked = "(() => {
            const [asked, real] = [[], window.fetch];
            window.fetch = (path, ...rest) => (asked.push(path), real(path, ...rest));
            [...document.querySelectorAll('.segments button')].find((button) => button.innerText === '6 hours').click();
            window.fetch = real;
            return asked;
        })()";
        assert_eq!(page.value(asked).await, json!(["api/overview"]));
    });
}
