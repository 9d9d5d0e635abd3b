//! The report in a real browser: it is quiet, its scripts work, names are inert, and many paths stay fluid.
//!
//! Chromium is driven by its DevTools protocol over two pipes (`--remote-debugging-pipe`: messages of JSON with a NUL
//! behind each). Tests run as root, so that it has no sandbox; the pages are the tests' own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use reports::format::{FORMATS, Options, render};
use reports::model::{Op, Phase, Profile};
use serde_json::{Value, json};

use super::is_there;
use crate::build::Build;
use crate::html::{markup, page};
use crate::subjects;

/// How long Chromium may take for one answer. An hour-long wait would be cut off by nobody.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one page.
struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
    session: Option<String>,
    number: u64,
    events: Vec<Value>,
}

impl Browser {
    /// Starts one; `None` where there is none.
    fn start() -> Option<Self> {
        if !is_there("chromium") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // The protocol's descriptors are 3 and 4.
        let mut child = Command::new("timeout")
            .arg(PATIENCE.as_secs().to_string())
            .args(["sh", "-c", "exec 3<&0 4>&1 </dev/null >&2; exec \"$@\"", "sh", "chromium"])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser = Self { child, input, output, folder, session: None, number: 0, events: Vec::new() };
        let targets = browser.call("Target.getTargets", json!({}));
        let targets = targets["targetInfos"].as_array().unwrap();
        let target = targets.iter().find(|target| target["type"] == "page").unwrap()["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn message(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.output.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "Chromium ended, or took longer than {PATIENCE:?}");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut request = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.input.write_all(&[request.to_string().as_bytes(), b"\0"].concat()).unwrap();
        loop {
            let mut message = self.message();
            if message["id"] == self.number {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    /// Opens a page from a file, as its readers do, and waits until it is loaded.
    fn open(&mut self, page: &str) {
        let path = self.folder.path().join("page.html");
        fs::write(&path, page).unwrap();
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}", path.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let message = self.message();
            self.events.push(message);
        }
    }

    /// The value of an expression in the page, promises awaited.
    fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    /// What the page or the browser complained of since the page was opened.
    fn complaints(&mut self) -> Vec<Value> {
        // Messages that are under way come before the answer.
        self.value("0");
        let kinds = ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"];
        self.events
            .iter()
            .filter(|event| kinds.iter().any(|kind| event["method"] == *kind))
            .cloned()
            .collect()
    }

    fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "code": key }));
        }
    }

    /// Types into the filter; what it says then, and how long that took.
    fn filter(&mut self, text: &str) -> (String, Duration) {
        let begin = Instant::now();
        let said = self.value(&format!(
            "new Promise((resolve) => {{
                const matches = document.querySelector('.matches');
                new MutationObserver(() => resolve(matches.textContent)).observe(matches, {{ childList: true }});
                const input = document.querySelector('.filter');
                input.value = {};
                input.dispatchEvent(new Event('input'));
            }})",
            json!(text)
        ));
        (said.as_str().unwrap().to_owned(), begin.elapsed())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `timeout` hands the signal on to Chromium's main process, which ends the others.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
    }
}

/// A profile of the catalogue.
fn catalogue(name: &str) -> Build {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog").join(name);
    let mut build = Build::new(name);
    build.profile = Profile::from_json(&fs::read(path).unwrap()).unwrap();
    build
}

/// What each copy button copies, by format.
fn copied(browser: &mut Browser) -> Value {
    browser.value(
        "(async () => {
            let last = null;
            navigator.clipboard.writeText = async (text) => { last = text; };
            const all = {};
            for (const button of document.querySelectorAll('button.copy')) {
                button.click();
                await Promise.resolve();
                all[button.closest('.notation').id] = last;
            }
            return all;
        })()",
    )
}

fn assert_copies(browser: &mut Browser, build: &Build) {
    let copied = copied(browser);
    let plan = build.plan();
    let mut buttons = 0;
    for info in FORMATS {
        let id = format!("s1-as-{}", info.name);
        match render(info.format, &build.profile, &plan, &Options::default()) {
            Ok(text) => {
                assert_eq!(copied[&id].as_str(), Some(text.as_str()), "{}", info.name);
                buttons += 1;
            }
            Err(_) => assert!(copied[&id].is_null(), "{}", info.name),
        }
    }
    assert_eq!(copied.as_object().unwrap().len(), buttons);
}

#[test]
fn a_real_profile_is_shown_and_copied_without_complaint() {
    let Some(mut browser) = Browser::start() else { return };
    let build = catalogue("postgres.json");
    browser.open(&page(&[&build]));
    assert_eq!(browser.complaints(), Vec::<Value>::new());
    assert_eq!(browser.value("document.title"), "writepath-test/postgres · writepath");
    // The style came through the policy: the link for the keyboard is off the page until it has the focus.
    assert_eq!(browser.value("getComputedStyle(document.querySelector('.skip')).position"), "absolute");
    // Whoever cannot see it is told the parts and what the buttons do.
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let named = |role: &str, name: &str| {
        nodes.iter().any(|node| node["role"]["value"] == role && node["name"]["value"] == name)
    };
    for (role, name) in [
        ("navigation", "Contents"),
        ("heading", "writepath-test/postgres"),
        ("region", "Timeline"),
        ("tablist", "Formats"),
        ("tab", "kubernetes"),
        ("button", "Copy the plan as compose"),
        ("searchbox", "Filter"),
        ("columnheader", "What it is for"),
        ("rowheader", "DAC_OVERRIDE"),
    ] {
        assert!(named(role, name), "no {role} {name:?}");
    }
    for role in ["banner", "main"] {
        assert!(nodes.iter().any(|node| node["role"]["value"] == role), "no {role}");
    }

    assert_copies(&mut browser, &build);

    // One format at a time, and the arrow keys go from one to the next.
    let shown = "[...document.querySelectorAll('.notation')].filter((one) => !one.hidden).map((one) => one.id).join()";
    assert_eq!(browser.value(shown), "s1-as-compose");
    browser.value("document.querySelector('[role=tab][aria-selected=true]').focus()");
    browser.press("ArrowRight");
    assert_eq!(browser.value(shown), "s1-as-docker");
    browser.press("Home");
    assert_eq!(browser.value(shown), "s1-as-text");
    assert_eq!(browser.value("document.activeElement.textContent"), "text");

    // The filter finds, and what was open before is open again when it is emptied.
    let open = "[...document.querySelectorAll('.tree details')].map((one) => Number(one.open)).join('')";
    let before = browser.value(open);
    let (said, _) = browser.filter("pg_wal startup CREATE");
    assert!(said.ends_with(" rows") && !said.starts_with("0 "), "{said}");
    let visible =
        "[...document.querySelectorAll('.tree li.f')].filter((row) => row.checkVisibility()).length";
    let (said, _) = browser.filter("pg_control");
    assert_eq!(browser.value(visible), said.split(' ').next().unwrap().parse::<u64>().unwrap());
    assert_ne!(browser.value(open), before);
    browser.filter("");
    assert_eq!(browser.value(open), before);

    // The dark theme and paper.
    let paper = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.value(paper), "rgb(255, 255, 255)");
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.call("Emulation.setEmulatedMedia", dark);
    assert_eq!(browser.value(paper), "rgb(20, 23, 28)");
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    assert_eq!(browser.value(paper), "rgb(255, 255, 255)");
    assert_eq!(browser.value("document.querySelector('.side').checkVisibility()"), false);
    // No room is needed sideways, on a telephone neither.
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "" }));
    for width in [360, 800, 1280] {
        let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        browser.call("Emulation.setDeviceMetricsOverride", screen);
        let wider =
            browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wider, 0, "at {width} pixels");
    }
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

#[test]
fn names_that_are_markup_stay_inert() {
    let Some(mut browser) = Browser::start() else { return };
    for build in [markup(), subjects::hostile()] {
        browser.open(&page(&[&build]));
        assert_eq!(browser.complaints(), Vec::<Value>::new());
        assert_eq!(browser.value("typeof window.owned"), "undefined");
        let title = format!("{} · writepath", reports::text::printable(&build.profile.subject.name));
        assert_eq!(browser.value("document.title"), title);
        assert_eq!(browser.value("document.scripts.length + document.images.length"), 1);
        assert_copies(&mut browser, &build);
        assert_eq!(browser.complaints(), Vec::<Value>::new());
    }
    // Were a name to get past the escaping, the policy would not let it do anything.
    browser.value(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned = 1\">');
         const script = document.createElement('script');
         script.textContent = 'window.owned = 1';
         document.body.append(script);",
    );
    assert_eq!(
        browser.value("new Promise((resolve) => setTimeout(() => resolve(typeof window.owned)))"),
        "undefined"
    );
    let refused = browser.complaints();
    let refused =
        refused.iter().filter(|event| event.to_string().contains("Content Security Policy")).count();
    assert!(refused >= 2, "the policy refused {refused} of an image and a script");
}

#[test]
fn ten_thousand_paths_stay_fluid() {
    let Some(mut browser) = Browser::start() else { return };
    let mut build = Build::new("app:1")
        .dirs(&["/var", "/var/cache", "/var/cache/app", "/var/lib", "/var/lib/app"])
        .by("/usr/bin/app", Phase::Steady);
    for n in 0..5000 {
        build = build
            .write(Op::Create, &format!("/var/lib/app/file-{n:04}"))
            .write(Op::Create, &format!("/var/cache/app/{}/{}/entry-{n:04}", n % 100, n % 7));
    }
    let page = page(&[&build]);
    assert!(page.len() < 8 << 20, "{} bytes", page.len());
    let begin = Instant::now();
    browser.open(&page);
    let loaded = begin.elapsed();
    let (one, once) = browser.filter("file-0042");
    assert_eq!(one, "1 of 10,000 rows");
    let (half, twice) = browser.filter("lib");
    assert_eq!(half, "5,000 of 10,000 rows");
    let (all, thrice) = browser.filter("app");
    assert_eq!(all, "10,000 of 10,000 rows");
    let frame = browser.value(
        "(async () => {
            const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
            document.querySelector('.expand').click();
            await frame();
            const begin = performance.now();
            for (let step = 0; step < 20; step += 1) {
                window.scrollBy({ top: 700, behavior: 'instant' });
                await frame();
            }
            return (performance.now() - begin) / 20;
        })()",
    );
    println!(
        "{} bytes, loaded in {loaded:?}, filtered in {once:?}, {twice:?}, {thrice:?}, {frame} ms per frame",
        page.len()
    );
    // Far above what was measured on two busy cores, far below what a page without `content-visibility` takes there.
    assert!(loaded < Duration::from_secs(15), "{loaded:?}");
    for took in [once, twice, thrice] {
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    assert!(frame.as_f64().unwrap() < 1000.0, "{frame} ms per frame");
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}
