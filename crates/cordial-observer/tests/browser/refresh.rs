//! Answers that come slowly.

use serde_json::json;

use crate::page::browse;

/// Delays each answer by this many milliseconds: by more than the time between two events, each of which refreshes the view.
const DELAY_MS: u64 = 1_500;

/// Counts how many requests for each address are in progress at most, and how many answers have come.
fn slow_down() -> String {
    format!(
        "(window.now = {{}}, window.most = {{}}, window.answers = {{}}, window.real = window.fetch, window.fetch = async (path, ...rest) => {{
            window.now[path] = (window.now[path] ?? 0) + 1;
            window.most[path] = Math.max(window.most[path] ?? 0, window.now[path]);
            const answer = await window.real(path, ...rest);
            await new Promise((done) => setTimeout(done, {DELAY_MS}));
            window.now[path] -= 1;
            window.answers[path] = (window.answers[path] ?? 0) + 1;
            return answer;
        }}, true)"
    )
}

#[test]
fn a_refresh_begins_when_the_one_before_it_has_ended() {
    browse("jobs=30", async |page, program| {
        program.tell("crash out of paper");
        page.go("#/tasks?text=job+7").await;
        page.wait_text(".label", "job 7").await;
        let pid = page.text(".row .pid").await;
        page.value(&slow_down()).await;
        let task = format!("task/{}", pid.trim_matches(['<', '>']));
        for (view, asks) in [
            ("tasks", "api/tasks?"),
            ("tree", "api/tree"),
            ("crashes", "api/crashes"),
            ("servers", "api/servers"),
            (&*task, "api/tasks/"),
        ] {
            // An event comes between the change of the address and the page's notice of it.
            page.value(&format!(
                "import('./live.js').then(({{ live }}) => {{
                    location.hash = '#/{view}';
                    live.dispatchEvent(new Event('tick'));
                    return true;
                }})"
            ))
            .await;
            page.wait(&format!(
                "Object.entries(window.answers).some(([path, n]) => path.startsWith('{asks}') && n >= 3)"
            ))
            .await;
        }
        let several = "Object.entries(window.most).filter(([, most]) => most > 1)";
        assert_eq!(page.value(several).await, json!([]));
    });
}

/// The page asks for the whole history now and then, while events come.
#[test]
fn an_answer_that_is_older_than_an_event_does_not_take_the_page_back() {
    browse("", async |page, _| {
        page.wait("document.body.dataset.status === 'live'").await;
        page.value(&slow_down().replace(&DELAY_MS.to_string(), "3500")).await;
        let loaded = "import('./live.js').then(async ({ live }) => {
            const before = live.overview.now.at_ms;
            let newest = 0;
            live.addEventListener('tick', () => (newest = Math.max(newest, live.overview.now.at_ms)));
            await live.load();
            return [newest > before, live.overview.now.at_ms >= newest, live.seconds.newest >= newest];
        })";
        assert_eq!(page.value(loaded).await, json!([true, true, true]));
    });
}

#[test]
fn a_duration_of_nearly_a_unit_has_the_unit() {
    browse("", async |page, _| {
        let shown = "import('./format.js').then(({ duration }) => [0.9997, 0.5, 999.4, 999.7, 1000].map(duration))";
        assert_eq!(page.value(shown).await, json!(["1 ms", "500 µs", "999 ms", "1.0 s", "1 s"]));
    });
}
