//! The report as text: what is on it, that it holds nothing but itself, and that names cannot become anything else.

use std::collections::BTreeSet;

use reports::format::FORMATS;
use reports::html::{Source, render};
use reports::model::{MountKind, Op, Verdict};

use crate::build::{Build, path};
use crate::subjects;

/// The page about profiles, each with its plan and its number as a label.
pub(crate) fn page(builds: &[&Build]) -> String {
    let plans: Vec<_> = builds.iter().map(|build| build.plan()).collect();
    let labels: Vec<String> = (1..=builds.len()).map(|number| format!("profile {number}")).collect();
    let sources: Vec<Source<'_>> = builds
        .iter()
        .zip(&plans)
        .zip(&labels)
        .map(|((build, plan), label)| Source { label, profile: &build.profile, plan })
        .collect();
    render(&sources).unwrap()
}

/// A subject all of whose names are markup that would tell that it was taken for such.
pub(crate) fn markup() -> Build {
    const MARKUP: &str =
        "<script>document.title=window.owned='yes'</script><img src=x onerror=\"window.owned='yes'\">";
    let name = MARKUP.replace('/', "∕");
    let mut build = Build::new(MARKUP)
        .dirs(&["/run", &format!("/run/{name}")])
        .by(&format!("/bin/{name}"), reports::model::Phase::Startup)
        .write(Op::Create, &format!("/run/{name}/</code></details>&amp;'\"x"))
        .write_with(Op::Unlink, path(&format!("/run/{name}/gone")), |write| write.errno = 13)
        .rename(&format!("/run/{name}/a"), &format!("/run/{name}/\u{202e}b\u{1b}[2J"))
        .mount(&format!("/mnt/{name}"), MountKind::Bind, Some(MARKUP))
        .required("CHOWN", MARKUP, MARKUP)
        .cap(MARKUP, MARKUP, MARKUP, Verdict::Required)
        .executes(&format!("/{name}"), true)
        .user(1, 2, 3)
        .loaded();
    build.config().env = vec![format!("A={MARKUP}</pre>\r\n\u{202e} \rb"), "B=\n</textarea>".to_owned()];
    build.profile.run.load.as_mut().unwrap().command = format!("</pre>{MARKUP}");
    build.profile.host.kernel = MARKUP.to_owned();
    build.profile.tool.version = format!("99.0.0-{MARKUP}");
    build.profile.coverage.complete = false;
    build.profile.coverage.gaps =
        vec![reports::model::Gap { code: MARKUP.to_owned(), message: MARKUP.to_owned(), count: 3 }];
    build
}

/// The page between `from` and the next `to`.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    assert!(page.contains(from), "{from} is not on the page");
    let (_, rest) = page.split_once(from).unwrap();
    rest.split_once(to).map_or(rest, |(inner, _)| inner)
}

/// What a reader sees, roughly: a line for each piece of text.
fn seen(html: &str) -> String {
    let mut lines = Vec::new();
    for piece in html.split('<') {
        let text = piece.split_once('>').map_or(piece, |(_, text)| text);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.is_empty() {
            lines.push(text);
        }
    }
    lines.join("\n")
}

/// The values of an attribute.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The page without its style and script.
fn body(page: &str) -> String {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (content, rest) = rest.split_once("<script>").unwrap();
    let (_, tail) = rest.split_once("</script>").unwrap();
    format!("{head}{content}{tail}")
}

#[test]
fn what_is_said_of_a_subject() {
    let page = page(&[&subjects::nginx().loaded()]);
    let content = between(&page, "<main", "</main>");
    // The formats have snapshots of their own.
    let (before, rest) = content.split_once("<section id=\"s1-formats\"").unwrap();
    let (_, after) = rest.split_once("<section id=\"s1-capabilities\"").unwrap();
    insta::assert_snapshot!(seen(&format!("{before}<{after}")));
}

#[test]
fn the_plan_is_there_in_every_format_or_with_the_reason() {
    let container = subjects::postgres();
    let mut command = subjects::redis();
    command.profile.subject.config = None;
    let (with, without) = (page(&[&container]), page(&[&command]));
    for info in FORMATS {
        let marker = format!("<section id=\"s1-as-{}\"", info.name);
        let section = between(&with, &marker, "</section>");
        assert!(section.contains("class=\"copy\"") && section.contains("<pre"), "{}", info.name);
        let section = between(&without, &marker, "</section>");
        let options = reports::format::Options::default();
        match reports::format::render(info.format, &command.profile, &command.plan(), &options) {
            Ok(_) => assert!(section.contains("class=\"copy\"")),
            Err(error) => {
                assert!(!section.contains("class=\"copy\""));
                assert!(seen(section).contains(&error.to_string()), "{}: {error}", info.name);
            }
        }
    }
    assert!(without.contains("no image to run"));
}

#[test]
fn names_stay_names() {
    for build in [markup(), subjects::hostile()] {
        let page = page(&[&build, &build]);
        assert_eq!(page.matches("<script").count(), 1);
        let body = body(&page);
        // Every tag is one that the templates have.
        let tags: BTreeSet<&str> = body
            .split('<')
            .skip(1)
            .map(|rest| {
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '/' && c != '!').next().unwrap()
            })
            .map(|tag| tag.trim_start_matches('/'))
            .collect();
        let known: BTreeSet<&str> = "!doctype a article b body button code dd details div dl dt em h1 h2 h3 h4 head header \
             html i input label li main meta nav output p pre rect section small span summary svg table tbody td tfoot th \
             thead title tr ul"
            .split_whitespace()
            .collect();
        let strange: Vec<_> = tags.difference(&known).collect();
        assert!(strange.is_empty(), "{strange:?}");
        // What cannot be seen is written out, but in the texts that are copied.
        let mut shown = String::new();
        let mut rest = body.as_str();
        while let Some((before, after)) = rest.split_once("<pre class=\"exact\"") {
            shown.push_str(before);
            rest = after.split_once("</pre>").unwrap().1;
        }
        shown.push_str(rest);
        let unseen =
            shown.chars().find(|c| c.is_control() && *c != '\n' || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(unseen, None);
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = page(&[&subjects::nginx(), &subjects::redis()]);
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src &#39;none&#39;; style-src &#39;sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    // The policy comes before whatever it is for.
    assert!(page.find("Content-Security-Policy") < page.find("<style>"));
    for way_out in ["http:", "https:", " src=", "url(", "@import", "<link", " style=", " on"] {
        let markup =
            if way_out == " on" { attributes_named_on(&page) } else { page.matches(way_out).count() };
        assert_eq!(markup, 0, "{way_out}");
    }
}

/// How many attributes are event handlers.
fn attributes_named_on(page: &str) -> usize {
    let tags = page.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    tags.flat_map(|tag| tag.split(' ').skip(1))
        .filter(|word| word.starts_with("on") && word.contains('='))
        .count()
}

#[test]
fn every_reference_has_its_target() {
    let three = page(&[&subjects::nginx(), &subjects::postgres(), &subjects::hostile()]);
    for page in [three, page(&[&subjects::redis()]), page(&[&markup(), &markup()])] {
        let page = body(&page);
        let ids = attributes(&page, "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len(), "an id is there twice");
        let links = attributes(&page, "href").into_iter().map(|link| link.strip_prefix('#').unwrap());
        let referred = ["aria-labelledby", "aria-describedby", "for"].map(|name| attributes(&page, name));
        for target in links.chain(referred.into_iter().flatten()) {
            assert!(unique.contains(target), "{target}");
        }
    }
}

#[test]
fn of_two_profiles_of_one_subject_the_changes_are_told() {
    let (old, mut new) = (subjects::nginx(), subjects::nginx().write(Op::Create, "/srv/new/file"));
    new.profile.subject.name = "nginx:1.28".to_owned();
    let new = new.required("SYS_TIME", "settimeofday", "do_settimeofday64");
    let changed = page(&[&old, &new]);
    let section = seen(between(&changed, "<section id=\"changes\"", "</section>"));
    for text in ["New in profile 2", "/srv/new", "SYS_TIME", "/srv/new/file"] {
        assert!(section.contains(text), "{text}: {section}");
    }
    assert!(!section.contains("No longer"), "{section}");
    let back = page(&[&new, &old]);
    let section = seen(between(&back, "<section id=\"changes\"", "</section>"));
    assert!(section.contains("No longer in profile 2") && !section.contains("New in"), "{section}");

    let same = page(&[&old, &old]);
    assert!(between(&same, "<section id=\"changes\"", "</section>").contains("Nothing"));
    for others in [vec![&old], vec![&old, &subjects::redis()], vec![&old, &new, &new]] {
        assert!(!page(&others).contains("id=\"changes\""));
    }
}

#[test]
fn what_was_not_seen_is_in_plain_sight() {
    let page = page(&[&subjects::hostile()]);
    let verdict = seen(between(&page, "class=\"verdict", "</section>"));
    assert!(verdict.contains("Incomplete") && verdict.contains("As far as was seen"), "{verdict}");
    let coverage = seen(between(&page, "<section id=\"s1-coverage\"", "</section>"));
    for text in ["records-lost", "the ring buffer was full (3×)", "no-load"] {
        assert!(coverage.contains(text), "{text}: {coverage}");
    }
    let mut newer = subjects::redis();
    for (version, told) in
        [("0.0.9", false), ("0.1.0", false), ("0.99.0", true), ("2.0.0", true), ("new", false)]
    {
        newer.profile.tool.version = version.to_owned();
        assert_eq!(self::page(&[&newer]).contains("newer-tool"), told, "{version}");
    }
}

/// WCAG 2.2, 1.4.3: text needs a contrast of 4.5 : 1 with what is behind it (relative luminance as defined there).
#[test]
fn text_can_be_told_from_its_background() {
    let page = page(&[&subjects::redis()]);
    let style = between(&page, "<style>", "</style>");
    let (light, rest) = style.split_once("prefers-color-scheme: dark").unwrap();
    let dark = rest.split_once("* {").unwrap().0;
    let print = style.split_once("@media print").unwrap().1;
    for (scheme, style) in [("light", light), ("dark", dark), ("print", print)] {
        let color = |name: &str| {
            let value = between(style, &format!("--{name}: #"), ";");
            let long = if value.len() == 3 {
                value.chars().flat_map(|c| [c, c]).collect()
            } else {
                value.to_owned()
            };
            let part = |at: usize| f64::from(u8::from_str_radix(&long[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |at| {
                let part = part(at);
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055_f64).powf(2.4) }
            };
            0.2126 * linear(0) + 0.7152 * linear(2) + 0.0722 * linear(4)
        };
        for (text, back) in [
            ("ink", "paper"),
            ("ink", "sheet"),
            ("ink", "code-back"),
            ("soft", "paper"),
            ("soft", "sheet"),
            ("link", "paper"),
            ("good", "good-back"),
            ("warn", "warn-back"),
            ("warn", "paper"),
            ("warn", "sheet"),
            ("tmpfs", "tmpfs-back"),
            ("volume", "volume-back"),
            ("other", "other-back"),
        ] {
            let (text_light, back_light) = (color(text), color(back));
            let contrast = (text_light.max(back_light) + 0.05) / (text_light.min(back_light) + 0.05);
            assert!(contrast >= 4.5, "{scheme}: {text} on {back}: {contrast:.2}");
        }
    }
}
