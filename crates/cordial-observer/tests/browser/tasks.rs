//! The table of tasks.

use serde_json::json;

use crate::page::browse;

/// The labels of the visible rows, in their order.
const LABELS: &str = "[...document.querySelectorAll('.row:not(.loading)')].sort((a, b) => a.dataset.index - b.dataset.index).map((row) => row.querySelector('.label').textContent)";

#[test]
fn the_server_filters_and_sorts() {
    browse("jobs=500", async |page, _| {
        page.go("#/tasks").await;
        page.wait_text(".summary", "in all").await;
        page.press("/").await;
        page.press("job 1.7$").await;
        page.wait_text(".summary", "10 of").await;
        page.wait(&format!("{LABELS}.length === 10 && {LABELS}.every((label) => /^job 1.7$/.test(label))")).await;
        let sort = "document.querySelector('[data-sort=label] button')";
        page.value(&format!("({sort}.click(), true)")).await;
        page.wait(&format!(
            "JSON.stringify({LABELS}) === JSON.stringify({LABELS}.toSorted()) && {LABELS}.length === 10"
        ))
        .await;
        assert_eq!(page.value(&format!("{LABELS}[0]")).await, json!("job 107"));
        page.value(&format!("({sort}.click(), true)")).await;
        page.wait(&format!("{LABELS}[0] === 'job 197'")).await;
        // The address leads to the same rows.
        page.reload().await;
        page.wait(&format!("{LABELS}[0] === 'job 197' && {LABELS}.length === 10")).await;
    });
}

#[test]
fn a_filter_that_is_no_pattern_is_explained_beside_the_filter() {
    browse("jobs=20", async |page, _| {
        page.go("#/tasks").await;
        page.wait_text(".summary", "in all").await;
        page.press("/").await;
        page.press("job (").await;
        page.wait("!document.querySelector('main .filter-error').hidden && document.querySelector('main .filter-error').textContent.length > 20")
            .await;
        assert!(page.value(&format!("{LABELS}.length > 0")).await == json!(true), "the rows from before stay");
        page.wait("document.querySelector('[name=text]').getAttribute('aria-invalid') === 'true'").await;
    });
}

#[test]
fn a_field_is_marked_as_wrong_until_it_is_right() {
    browse("", async |page, _| {
        page.go("#/tasks?supervisor=no-pid").await;
        let field = "document.querySelector('[name=supervisor]')";
        page.wait(&format!("{field}.getAttribute('aria-invalid') === 'true'")).await;
        page.value(&format!("({field}.value = '1.2.3', {field}.dispatchEvent(new Event('input')), true)")).await;
        page.wait(&format!("!{field}.hasAttribute('aria-invalid')")).await;
    });
}

#[test]
fn a_hundred_thousand_tasks_scroll() {
    browse("jobs=100000", async |page, _| {
        page.go("#/tasks").await;
        page.wait("parseInt(document.querySelector('.summary').textContent.replaceAll(',', '')) >= 100000").await;
        page.value("(document.querySelector('[data-sort=age] button').click(), true)").await;
        page.value("(document.querySelector('.rows').focus(), true)").await;
        page.press(thirtyfour::Key::End).await;
        page.wait("document.querySelector('.row.active:not(.loading)')?.dataset.index >= 100000").await;
        let elements = page.value("document.querySelectorAll('.row').length").await;
        assert!(elements.as_u64().unwrap() < 200, "only the rows near the visible ones are elements: {elements}");
        page.value(
            "(document.querySelector('.rows').scrollTop = document.querySelector('.rows').scrollHeight / 2, true)",
        )
        .await;
        page.wait("[...document.querySelectorAll('.row:not(.loading)')].some((row) => row.dataset.index > 49000 && row.dataset.index < 51000)")
            .await;
    });
}

#[test]
fn the_page_is_live_while_a_hundred_thousand_tasks_live_and_others_are_spawned_without_end() {
    browse("jobs=100000", async |page, program| {
        page.go("#/tasks").await;
        page.wait_text(".summary", "100,0").await;
        program.tell("storm");
        page.value(
            "import('./live.js').then(({ live }) => {
            window.stormy = 0;
            live.addEventListener('tick', () => (window.stormy += live.overview.now.spawned > 1000 ? 1 : 0));
            return true;
        })",
        )
        .await;
        page.wait("window.stormy >= 5").await;
        // The table still answers.
        page.press("/").await;
        page.press("^job 77777$").await;
        page.wait(&format!("JSON.stringify({LABELS}) === '[\"job 77777\"]'")).await;
        page.wait("document.body.dataset.status === 'live'").await;
        program.tell("hush");
        page.wait("import('./live.js').then(({ live }) => live.overview.now.spawned < 1000)").await;
    });
}

#[test]
fn a_task_that_has_ended_meanwhile_is_explained() {
    browse("", async |page, program| {
        program.tell("crash out of paper");
        page.go("#/crashes").await;
        page.wait_text(".group", "out of paper").await;
        page.value("(document.querySelector('.group a').click(), true)").await;
        page.wait("document.querySelector('.facts a')").await;
        page.value("(document.querySelector('.facts a[href^=\"#/task/\"]').click(), true)").await;
        page.wait_text(".ended", "ended").await;
        page.go("#/task/no-pid").await;
        page.wait("document.querySelector('main .ended')?.textContent.length > 20").await;
    });
}

#[test]
fn another_filter_in_the_address_is_applied_to_the_table_that_is_shown() {
    browse("", async |page, program| {
        program.tell("jobs 30");
        page.go("#/tasks?text=job+1%24").await;
        page.wait(&format!("JSON.stringify({LABELS}) === '[\"job 1\"]'")).await;
        page.go("#/tasks?text=job+2%24").await;
        page.wait(&format!("JSON.stringify({LABELS}) === '[\"job 2\"]'")).await;
        page.value("(history.back(), true)").await;
        page.wait(&format!("JSON.stringify({LABELS}) === '[\"job 1\"]'")).await;
        assert_eq!(page.value("document.querySelector('[name=text]').value").await, json!("job 1$"));
    });
}

#[test]
fn the_active_row_is_a_task_and_moves_with_it() {
    browse("", async |page, program| {
        for name in ["b", "d", "f"] {
            program.tell(&format!("wait row {name}"));
        }
        page.go("#/tasks?text=%5Erow&sort=label&descending=false").await;
        page.wait(&format!("{LABELS}.length === 3")).await;
        page.press(thirtyfour::Key::Down).await;
        let active = "document.querySelector('.row.active .label').textContent";
        page.wait(&format!("{active} === 'row d'")).await;
        program.tell("wait row a");
        program.tell("wait row c");
        page.wait(&format!("{LABELS}.length === 5")).await;
        assert_eq!(page.value(active).await, json!("row d"));
        page.press(thirtyfour::Key::Enter).await;
        page.wait_text(".task-head", "row d").await;
    });
}

#[test]
fn an_item_that_has_failed_because_of_its_timeout_is_one_failure() {
    browse("", async |page, program| {
        program.tell("late");
        page.go("#/streams").await;
        page.wait_text(".row", "1 failed").await;
    });
}
