//! The supervision tree.

use serde_json::json;

use crate::page::browse;

/// The row of the tree that has this label.
fn row(label: &str) -> String {
    format!(
        "[...document.querySelectorAll('[role=treeitem]')].find((row) => row.querySelector('.label')?.textContent === {})",
        json!(label)
    )
}

#[test]
fn the_tree_grows_and_shrinks() {
    browse("", async |page, program| {
        page.go("#/tree").await;
        page.wait(&row("root")).await;
        program.tell("child database");
        program.tell("child mail");
        page.wait(&row("database")).await;
        page.wait(&row("mail")).await;
        let depth = page.value(&format!("{}.getAttribute('aria-level')", row("mail"))).await;
        assert_ne!(depth, json!("1"), "a child stands below its supervisor");
        program.tell("end_child mail");
        page.wait(&format!("!({}) || {}.textContent.includes('stopped')", row("mail"), row("mail"))).await;
        page.wait(&row("database")).await;
    });
}

#[test]
fn a_hundred_thousand_children_of_one_supervisor_scroll() {
    browse("jobs=100000", async |page, _| {
        page.go("#/tree").await;
        page.wait(&format!("{}?.querySelector('.children').textContent.startsWith('100,000')", row("jobs"))).await;
        page.value(&format!("({}.querySelector('.toggle').click(), true)", row("jobs"))).await;
        page.wait_text(".summary", "100,0").await;
        let rows = page.value("document.querySelectorAll('[role=treeitem]').length").await;
        assert!(rows.as_u64().unwrap() < 200, "only the rows near the visible ones are elements: {rows}");
        page.value("(document.querySelector('.rows').scrollTop = 5e5, true)").await;
        page.wait(&format!("{} && !{}", "[...document.querySelectorAll('.row:not(.loading) .label')].some((label) => /^job \\d{4,}$/.test(label.textContent))", row("root"))).await;
    });
}

#[test]
fn a_branch_that_ends_while_it_is_open_disappears() {
    browse("", async |page, program| {
        program.tell("team storage");
        page.go("#/tree").await;
        page.wait(&row("storage")).await;
        page.wait(&row("disk")).await;
        let watch = "(window.error = document.querySelector('.tree .filter-error'), new MutationObserver(() => (window.failed ||= !window.error.hidden)).observe(window.error, { attributes: true, childList: true }), true)";
        page.value(watch).await;
        program.tell("end_child storage");
        page.wait(&format!("!({})", row("disk"))).await;
        program.tell("child after");
        page.wait(&row("after")).await;
        assert_eq!(page.value("window.failed ?? false").await, json!(false), "the end of a branch is no error");
    });
}

#[test]
fn many_tasks_that_look_the_same_are_one_row_that_opens() {
    browse("alike=50", async |page, _| {
        page.go("#/tree").await;
        page.wait(&format!("{}?.querySelector('.children').textContent === '50'", row("jobs"))).await;
        page.value(&format!("({}.querySelector('.toggle').click(), true)", row("jobs"))).await;
        page.wait_text(".label", "50 × program.rs:").await;
        page.value("([...document.querySelectorAll('.label')].find((label) => label.textContent.startsWith('50 ×')).closest('.row').querySelector('.toggle').click(), true)").await;
        page.wait("[...document.querySelectorAll('.row:not(.loading) a.label')].filter((label) => label.textContent.startsWith('program.rs:')).length > 10").await;
    });
}

#[test]
fn the_tree_is_as_it_was_after_a_visit_of_another_view() {
    browse("jobs=300", async |page, program| {
        program.tell("team storage");
        page.go("#/tree").await;
        page.wait(&row("jobs")).await;
        page.wait(&row("disk")).await;
        // Opens one branch, and closes another.
        page.value(&format!("({}.querySelector('.toggle').click(), true)", row("jobs"))).await;
        page.wait(&row("job 7")).await;
        page.value("(document.querySelector('.rows').scrollTop = 4000, true)").await;
        let deep = "[...document.querySelectorAll('.row:not(.loading) .label')].map((label) => label.textContent).filter((text) => /^job 1\\d\\d$/.test(text))[5]";
        page.wait(deep).await;
        let label = page.value(deep).await.as_str().unwrap().to_owned();
        page.value(&format!("({}.querySelector('.label').click(), true)", row(&label))).await;
        page.wait_text(".task-head", &label).await;
        page.value("(history.back(), true)").await;
        page.wait(&format!("{}?.classList.contains('active')", row(&label))).await;
        page.wait("document.querySelector('.rows').scrollTop > 1000").await;
    });
}
