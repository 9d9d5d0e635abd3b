//! Formats of a comparison: what people read, what programs read, and what hostile names cannot do to either.

use pulldown_cmark::{Event, Options, Parser, Tag};
use reports::diff::{Baseline, DIFF_FORMATS, Diff, DiffFormat, DiffOptions, Kind, render};
use reports::model::{Op, Phase, SubjectPath, Verdict};
use serde_sarif::sarif::{ResultLevel, Sarif};

use crate::build::Build;
use crate::diff::{between, image};
use crate::subjects;

fn shown(format: DiffFormat, diff: &Diff) -> String {
    let options = DiffOptions { color: false, new_name: "profiles/new one.json".to_owned() };
    let text = render(format, diff, &options).unwrap();
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{format}: {text:?}");
    text
}

/// A release that does a bit of everything.
fn release() -> Diff {
    let old = image()
        .dirs(&["/srv", "/srv/in", "/srv/out"])
        .writes(Op::Create, &["/run/app.pid", "/srv/in/job", "/srv/out/job"])
        .write(Op::Create, "/tmp/app-4242.sock")
        .cap("NET_RAW", "socket", "inet_create", Verdict::Attempted)
        .required("CHOWN", "chown", "setattr_prepare");
    let new = image()
        .dirs(&["/srv", "/srv/in", "/srv/out"])
        .writes(Op::Create, &["/run/app.pid", "/srv/in/job", "/srv/out/job"])
        .write(Op::Create, "/tmp/app-977.sock")
        .by("/usr/bin/app", Phase::Steady)
        .writes(Op::Create, &["/var/lib/app/report-1.csv", "/var/lib/app/report-2.csv"])
        .rename("/srv/in/job", "/srv/out/job")
        .required("NET_RAW", "socket", "inet_create")
        .write_with(Op::Open, SubjectPath::from_bytes(b"/etc/shadow").unwrap(), |write| write.errno = 13)
        .executes("/bin/su", true)
        .port(80);
    let mut new = new.profile;
    new.subject.name = "app:2".to_owned();
    let mut diff = between(&old.profile, &new);
    let baseline = "[[accept]]\nkind = 'port'\nport = 80\nreason = 'behind a proxy'\n\n[[accept]]\nkind = 'exec'\npath = '/x'\n";
    Baseline::from_toml(baseline.as_bytes()).unwrap().apply(&mut diff);
    diff
}

/// Names that would break every notation.
fn hostile() -> Diff {
    let names: [&[u8]; 12] = [
        b"a|b|c",
        b"`code`` ```",
        b"`",
        b"<img src=x onerror=alert(1)>",
        b"[click](http://evil.example)",
        b"@everyone #1 http://evil.example www.evil.example",
        b"new\nline\n## heading\n- item",
        b"esc\x1b[2J\x07",
        b" spaces ",
        b"\xff\xfe",
        b"{pid} {n} ${{ secrets.X }}",
        "\u{202e}rtl\u{2028}".as_bytes(),
    ];
    let mut build = subjects::hostile();
    for name in names {
        let at = SubjectPath::from_bytes(&[b"/plain/", name].concat()).unwrap();
        build = build.write_with(Op::Create, at, |_| ());
    }
    build = build.by("/bin/`x` | <b>\n# x", Phase::Steady).write(Op::Unlink, "/plain/x");
    between(&image().profile, &build.profile)
}

#[test]
fn every_format_of_a_release() {
    for info in DIFF_FORMATS {
        let text = shown(info.format, &release()).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(format!("diff-release-{}", info.name), text);
    }
}

#[test]
fn nothing_new_is_said_in_a_line() {
    let profile = subjects::nginx().profile;
    let diff = between(&profile, &profile);
    let text = shown(DiffFormat::Text, &diff);
    assert_eq!(text, "Nothing new: nginx:1.27 writes, uses and needs nothing that nginx:1.27 did not.\n");
    assert!(shown(DiffFormat::Markdown, &diff).contains("**Nothing new.**"));
    let sarif: serde_json::Value = serde_json::from_str(&shown(DiffFormat::Sarif, &diff)).unwrap();
    assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn json_is_read_back() {
    for diff in [release(), hostile()] {
        assert_eq!(serde_json::from_str::<Diff>(&shown(DiffFormat::Json, &diff)).unwrap(), diff);
    }
}

#[test]
fn a_terminal_is_not_driven_by_names() {
    let text = shown(DiffFormat::Text, &hostile());
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2028}')),
        "{text:?}"
    );
    insta::assert_snapshot!(text);
    let options = DiffOptions { color: true, new_name: String::new() };
    let colored = render(DiffFormat::Text, &hostile(), &options).unwrap();
    let plain = colored.replace("\u{1b}[1m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
    assert_eq!(plain, text);
}

/// As hosts read it, extensions included: names are code, and nothing is a link, an image, a heading or HTML of theirs.
#[test]
fn markdown_is_not_broken_by_names() {
    let diff = hostile();
    let text = shown(DiffFormat::Markdown, &diff);
    let mut code = Vec::new();
    let mut headings = 0;
    for event in Parser::new_ext(&text, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
        match event {
            Event::Code(text) => code.push(text.to_string()),
            Event::Start(Tag::Heading { .. }) => headings += 1,
            Event::Start(
                tag @ (Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::Table(_)
                | Tag::CodeBlock(_)
                | Tag::FootnoteDefinition(_)),
            ) => {
                panic!("{tag:?}: {text}")
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let own = ["<details>", "</details>", "<summary>", "</summary>"];
                assert!(own.iter().any(|tag| html.contains(tag)) && !html.contains("img"), "{html}: {text}");
            }
            Event::Text(words) => {
                assert!(
                    !words.contains("evil") && !words.contains('@') && !words.contains("secrets"),
                    "{words}: {text}"
                );
            }
            _ => {}
        }
    }
    for name in [
        "/plain/a|b|c",
        "/plain/`code`` ```",
        "/plain/`",
        "/plain/<img src=x onerror=alert(1)>",
        "/plain/new\\nline\\n## heading\\n- item",
        "/plain/ spaces ",
    ] {
        assert!(code.iter().any(|text| text == name), "{name}: {code:#?}");
    }
    assert!((2..=8).contains(&headings), "{headings}: {text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

/// Against types that are made from the standard's JSON schema: required fields, no unknown ones, known values.
#[test]
fn sarif_is_what_the_standard_says() {
    for diff in [release(), hostile(), between(&image().profile, &image().profile)] {
        let text = shown(DiffFormat::Sarif, &diff);
        let sarif: Sarif = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let raw: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&sarif).unwrap()["runs"][0]["results"], raw["runs"][0]["results"]);
        assert_eq!((raw["version"].as_str(), sarif.runs.len()), (Some("2.1.0"), 1));
        let run = &sarif.runs[0];
        let rules = run.tool.driver.rules.as_ref().unwrap();
        let results = run.results.as_ref().unwrap();
        assert_eq!(results.len(), diff.differences().filter(|difference| difference.finding).count());
        for result in results {
            let rule = usize::try_from(result.rule_index.unwrap()).unwrap();
            assert_eq!(Some(&rules[rule].id), result.rule_id.as_ref());
            assert!(matches!(result.level, Some(ResultLevel::Error | ResultLevel::Warning)));
            let message = result.message.text.as_ref().unwrap();
            assert!(!message.chars().any(char::is_control), "{message:?}");
            // No embedded link.
            assert!(!message.replace("\\[", "").contains('['), "{message}");
            let location = &result.locations.as_ref().unwrap()[0];
            let uri = location.physical_location.as_ref().unwrap().artifact_location.as_ref().unwrap();
            assert_eq!(uri.uri.as_deref(), Some("profiles/new%20one.json"));
        }
        let suppressed = results.iter().filter(|result| result.suppressions.is_some()).count();
        assert_eq!(u64::try_from(suppressed).unwrap(), diff.accepted);
        let mut fingerprints: Vec<_> =
            results.iter().map(|result| format!("{:?}", result.partial_fingerprints)).collect();
        fingerprints.sort();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), results.len());
    }
}

#[test]
fn very_much_is_cut_for_people_and_not_for_programs() {
    let word = |n: usize| -> String {
        (0..3).map(|i| char::from(b'a' + u8::try_from(n >> (4 * i) & 15).unwrap())).collect()
    };
    let new = (0..900).fold(Build::new("app:1"), |build, n| {
        build.write(Op::Create, &format!("/var/lib/app/{}/{}", word(n), "n".repeat(200)))
    });
    let diff = between(&Build::new("app:1").profile, &new.profile);
    let writes = diff.differences().filter(|difference| difference.kind == Kind::Write).count();
    assert_eq!(writes, 900);
    assert!(shown(DiffFormat::Text, &diff).contains("and 850 more"));
    let markdown = shown(DiffFormat::Markdown, &diff);
    assert!(markdown.len() < 65_536 && markdown.contains(" more\n"), "{}", markdown.len());
    let sarif: serde_json::Value = serde_json::from_str(&shown(DiffFormat::Sarif, &diff)).unwrap();
    assert!(sarif["runs"][0]["results"].as_array().unwrap().len() >= 900);
}
