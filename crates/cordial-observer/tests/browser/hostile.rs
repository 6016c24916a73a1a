//! Texts of the program are hostile input: a label may come from outside of the program.

use serde_json::json;

use crate::page::browse;

const MARKUP: &str = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>";

#[test]
fn a_label_with_markup_stays_text() {
    browse("", async |page, program| {
        program.tell(&format!("wait {MARKUP}"));
        program.tell(&format!("crash {MARKUP}"));
        for (route, selector) in [("#/tasks", ".label"), ("#/tree", ".label"), ("#/crashes", ".group-message")] {
            page.go(route).await;
            page.wait_text(selector, MARKUP).await;
            assert_eq!(
                page.value("document.querySelectorAll('main img, main script').length").await,
                json!(0),
                "{route}"
            );
        }
        page.go("#/tasks?text=onerror").await;
        page.wait("document.querySelector('.row:not(.loading) .label')").await;
        page.value("(document.querySelector('.row .label').click(), true)").await;
        page.wait_text(".task-head", MARKUP).await;
        assert_eq!(page.value("document.title").await, json!("observed · observer"));
        let console = page.console().await;
        assert_eq!(console, Vec::<String>::new(), "no script fails, and nothing offends the content security policy");
    });
}

#[test]
fn a_label_cannot_reverse_the_text_beside_it() {
    browse("", async |page, program| {
        program.tell("wait \u{202e}drawkcab\u{2066}\u{200b}\u{ad}\u{e0041}");
        page.go("#/tasks?text=drawkcab").await;
        page.wait_text(".label", "\\u202edrawkcab\\u2066\\u200b\\u00ad\\u{e0041}").await;
        let isolated = "getComputedStyle(document.querySelector('.row .label')).unicodeBidi";
        assert_eq!(page.value(isolated).await, json!("isolate"));
    });
}
