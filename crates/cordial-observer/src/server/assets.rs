//! The files of the page, embedded in the library.

/// A file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) mime: &'static str,
    pub(super) text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Embeds files of the page.
macro_rules! assets {
    ($($name:literal: $mime:ident),* $(,)?) => {
        &[$(Asset { name: $name, mime: $mime, text: include_str!(concat!("../../assets/", $name)) }),*]
    };
}

/// Every file of the page. The first one is the page itself.
pub(super) const ASSETS: &[Asset] = assets![
    "index.html": HTML,
    "style.css": CSS,
    "icon.svg": IMAGE,
    "action.js": SCRIPT,
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "cells.js": SCRIPT,
    "chart.js": SCRIPT,
    "dom.js": SCRIPT,
    "format.js": SCRIPT,
    "header.js": SCRIPT,
    "histogram.js": SCRIPT,
    "history.js": SCRIPT,
    "keys.js": SCRIPT,
    "live.js": SCRIPT,
    "log.js": SCRIPT,
    "problems.js": SCRIPT,
    "route.js": SCRIPT,
    "rows.js": SCRIPT,
    "table.js": SCRIPT,
    "theme.js": SCRIPT,
    "view_crashes.js": SCRIPT,
    "view_lists.js": SCRIPT,
    "view_now.js": SCRIPT,
    "view_overview.js": SCRIPT,
    "view_task.js": SCRIPT,
    "view_tasks.js": SCRIPT,
    "view_tree.js": SCRIPT,
];

/// Returns the file of this name.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}
