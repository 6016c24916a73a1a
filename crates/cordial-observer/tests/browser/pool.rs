//! The browsers of the tests. The start of a browser takes longer than most tests, so each browser runs one test after another, each
//! in a new tab.

use std::io::{self, BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::process::Stdio;
use std::sync::{LazyLock, Mutex};

use futures_util::FutureExt;
use serde_json::json;
use thirtyfour::{CapabilitiesHelper, DesiredCapabilities, WebDriver};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::guard::Guarded;

/// The programs of the distribution that are needed.
const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// Limits how many browsers run at once. A test mostly waits for events of its program, so more of them than there are processors can
/// run; but each browser needs some hundred megabytes.
static PERMITS: Semaphore = Semaphore::const_new(3);

/// Browsers that no test uses.
static IDLE: Mutex<Vec<Browser>> = Mutex::new(Vec::new());

/// The runtime on which the connections to the browsers stay open from one test to the next.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A browser with one tab.
pub(crate) struct Browser {
    driver: WebDriver,
    /// Ends the browser too.
    _chromedriver: Guarded,
}

/// Runs a test with a browser, unless there is none on this machine. A browser in which a test has failed is not used again.
pub(crate) fn run(test: impl AsyncFnOnce(&Browser)) {
    for needed in [CHROMIUM, CHROMEDRIVER] {
        if !Path::new(needed).exists() {
            // libtest captures `eprintln!`, but not this, so that the line is visible.
            let _ = writeln!(io::stderr(), "SKIPPED: {needed} is not installed");
            return;
        }
    }
    let ran = RUNTIME.block_on(async {
        let _permit = PERMITS.acquire().await.unwrap();
        let idle = IDLE.lock().unwrap().pop();
        let browser = match idle {
            Some(browser) => browser,
            None => Browser::start().await,
        };
        let ran = AssertUnwindSafe(test(&browser)).catch_unwind().await;
        if ran.is_ok() {
            IDLE.lock().unwrap().push(browser);
        }
        ran
    });
    if let Err(panic) = ran {
        resume_unwind(panic);
    }
}

impl Browser {
    async fn start() -> Browser {
        let (chromedriver, port) = start_driver();
        Browser { driver: connect(port).await, _chromedriver: chromedriver }
    }

    /// Replaces the tab of the previous test, and discards the cookies and the console messages of that test.
    pub(crate) async fn new_tab(&self) -> WebDriver {
        let new = self.driver.new_tab().await.unwrap();
        self.driver.clone().close_window().await.unwrap();
        self.driver.switch_to_window(new).await.unwrap();
        self.driver.cdp().send_raw("Network.clearBrowserCookies", json!({})).await.unwrap();
        self.driver.browser_log().await.unwrap();
        self.driver.clone()
    }
}

/// Starts chromedriver, which will start the browser.
fn start_driver() -> (Guarded, u16) {
    let mut driver =
        Guarded::start(CHROMEDRIVER, |command| command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()));
    let stdout = BufReader::new(driver.shell().stdout.take().unwrap());
    let port = |line: String| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok();
    let port = stdout.lines().map(Result::unwrap).find_map(port);
    (driver, port.expect("chromedriver prints its port"))
}

async fn connect(port: u16) -> WebDriver {
    let mut capabilities = DesiredCapabilities::chrome();
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--window-size=1440,900",
    ];
    let options = json!({ "binary": CHROMIUM, "args": arguments });
    capabilities.set("goog:chromeOptions", options).unwrap();
    capabilities.set("goog:loggingPrefs", json!({ "browser": "ALL" })).unwrap();
    WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap()
}
