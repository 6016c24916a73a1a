//! A page in a browser, and a program that the page shows.

use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::WebDriver;
use thirtyfour::error::WebDriverError;
use tokio::time::Instant;

use crate::pool::run;
use crate::program::Program;

/// How long a test waits for what the page has to show. Generous, because the machine may be loaded.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// The time between two looks at the page while a test waits.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A page in a browser.
pub(crate) struct Page {
    driver: WebDriver,
}

/// Runs a test with an open page and the program of the tests, which the page shows. Skips it if there is no browser.
pub(crate) fn browse(options: &str, test: impl AsyncFnOnce(&Page, &mut Program)) {
    browse_program(|| Program::start(options), test);
}

/// Runs a test with an open page and a program that it shows. Skips it if there is no browser.
pub(crate) fn browse_program(start: impl FnOnce() -> Program, test: impl AsyncFnOnce(&Page, &mut Program)) {
    run(async |browser| {
        let mut program = start();
        let page = Page { driver: browser.new_tab().await };
        page.driver.goto(program.url()).await.unwrap();
        test(&page, &mut program).await;
        // Another program may have the same port later, and must not find what the page has stored.
        page.value("(localStorage.clear(), true)").await;
    });
}

impl Page {
    /// Evaluates a JavaScript expression.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    async fn evaluate(&self, expression: &str) -> Result<Value, WebDriverError> {
        let answer = self.driver.execute(format!("return ({expression});"), Vec::new()).await?;
        Ok(answer.json().clone())
    }

    /// The text of everything that matches a CSS selector, a line for each.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let selector = json!(selector);
        let all = format!("[...document.querySelectorAll({selector})].map((element) => element.innerText).join('\\n')");
        self.value(&all).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a JavaScript expression, or the promise that it returns, is true. An expression that throws is tried again: its elements may
    /// not be there yet.
    pub(crate) async fn wait(&self, condition: &str) {
        let started = Instant::now();
        loop {
            let answer = self.evaluate(&format!("Promise.resolve({condition}).then(Boolean)")).await;
            if answer.as_ref().is_ok_and(|value| *value == json!(true)) {
                return;
            }
            if started.elapsed() > LIMIT {
                panic!(
                    "did not become true: {condition}: {answer:?}\n\n{:?}",
                    self.evaluate("document.body.innerText").await
                );
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until the text of what matches a selector contains `part`.
    pub(crate) async fn wait_text(&self, selector: &str, part: &str) {
        let (selector, part) = (json!(selector), json!(part));
        self.wait(&format!(
            "[...document.querySelectorAll({selector})].some((element) => element.innerText.includes({part}))"
        ))
        .await;
    }

    /// Presses keys; those without a character are in [`thirtyfour::Key`].
    pub(crate) async fn press(&self, keys: impl Into<thirtyfour::TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Goes to a view, and waits until it is shown.
    pub(crate) async fn go(&self, route: &str) {
        self.value(&format!("(location.hash = {}, true)", json!(route))).await;
        let view = route.trim_start_matches("#/").split(['/', '?']).next().unwrap_or_default();
        self.wait(&format!("document.getElementById('main').className === 'view-{view}'")).await;
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.driver.refresh().await.unwrap();
    }

    /// Sends a command of the protocol of the developer tools.
    pub(crate) async fn tools(&self, command: &str, parameters: Value) -> Value {
        self.driver.cdp().send_raw(command, parameters).await.unwrap()
    }

    /// Sets the size of the page, and whether it is dark.
    pub(crate) async fn resize(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tools("Emulation.setDeviceMetricsOverride", size).await;
        // A picture does not show a bar on its way to its length.
        let media = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")];
        let features = media.map(|(name, value)| json!({ "name": name, "value": value }));
        self.tools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// The page as a picture, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        self.driver.screenshot_as_png().await.unwrap()
    }

    /// What the page has written to the console: errors of scripts, and of the content security policy.
    pub(crate) async fn console(&self) -> Vec<String> {
        let entries = self.driver.browser_log().await.unwrap();
        entries.into_iter().map(|entry| entry.message).collect()
    }
}
