//! Baselines: what is accepted is no finding, what is accepted too widely or for nothing is told, and a file is never
//! changed but by what is added.

use proptest::prelude::*;
use reports::diff::{Baseline, BaselineError, Diff, FailOn};
use reports::model::{Op, SubjectPath, Verdict};

use crate::build::Build;
use crate::diff::{between, image};
use crate::subjects;

fn read(text: &str) -> Baseline {
    Baseline::from_toml(text.as_bytes()).unwrap()
}

/// A comparison with findings of several kinds.
fn findings() -> Diff {
    let new = image()
        .writes(Op::Create, &["/var/lib/app/new", "/tmp/app-4242.sock", "/etc/a*b[c]{d,e}?"])
        .rename("/var/lib/app/new", "/var/lib/app/final")
        .required("NET_RAW", "socket", "x")
        .executes("/bin/su", true)
        .port(80);
    between(&image().profile, &new.profile)
}

fn codes(diff: &Diff) -> Vec<&str> {
    diff.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

#[test]
fn what_is_accepted_is_no_finding_any_more() {
    let mut diff = findings();
    let open = diff.findings;
    assert!(open >= 7, "{diff:#?}");
    let text = Baseline::default().accepting(&diff).unwrap();
    let baseline = read(&text);
    baseline.apply(&mut diff);
    assert_eq!((diff.findings, diff.accepted), (0, open), "{text}\n{diff:#?}");
    assert!(!diff.fails(&[FailOn::Any]) && codes(&diff).is_empty(), "{:?}", diff.warnings);
    // Nothing is left to add.
    assert_eq!(baseline.accepting(&diff).unwrap(), text);
    insta::assert_snapshot!(text);
}

#[test]
fn another_process_id_is_accepted_and_another_name_is_not() {
    let baseline = read(&Baseline::default().accepting(&findings()).unwrap());
    for (path, accepted) in [
        ("/tmp/app-977.sock", true),
        ("/tmp/app-x.sock", false),
        ("/tmp/other-977.sock", false),
        ("/etc/axbcd", false),
    ] {
        let mut diff = between(&image().profile, &image().write(Op::Create, path).profile);
        let writes = |diff: &Diff| diff.differences().filter(|d| d.op.is_some() && d.is_open()).count();
        assert_eq!(writes(&diff), 1);
        baseline.apply(&mut diff);
        assert_eq!(writes(&diff) == 0, accepted, "{path}");
    }
}

#[test]
fn what_is_there_stays_as_it_is() {
    let own = "# our own comment\n\n[[accept]]   # beside\nkind = 'port'\nport   =   80\nreason = \"https is in front\"\n";
    let mut diff = findings();
    let baseline = read(own);
    baseline.apply(&mut diff);
    assert_eq!(diff.accepted, 1);
    let text = baseline.accepting(&diff).unwrap();
    assert!(text.starts_with(own), "{text}");
    let mut again = findings();
    read(&text).apply(&mut again);
    assert_eq!(again.findings, 0, "{text}");
    let port = again.differences().find(|difference| difference.port == Some(80)).unwrap();
    let accepted = port.accepted.clone().unwrap();
    assert_eq!((accepted.line, accepted.reason.as_deref()), (3, Some("https is in front")));
}

#[test]
fn what_accepts_everything_or_nothing_is_told() {
    for (entry, warned) in [
        ("kind = '*'", "accepts every difference:"),
        ("kind = '*'\npath = '*'", "accepts every difference:"),
        ("kind = '*'\npath = '/**'", "accepts every difference:"),
        ("kind = 'write'", "accepts every difference of the kind write"),
        ("kind = 'write'\npath = '**'", "accepts every difference of the kind write"),
        ("kind = 'cap'", "accepts every difference of the kind cap"),
        ("kind = '*'\nservice = 'web'", "accepts every difference of the service web"),
    ] {
        let mut diff = findings();
        read(&format!("[[accept]]\n{entry}\n")).apply(&mut diff);
        let message = &diff.warnings[0];
        assert_eq!(message.code, "accepts-everything");
        assert!(
            message.message.contains("line 1 ") && message.message.contains(warned),
            "{entry}: {message:?}"
        );
    }
    let mut everything = findings();
    read("[[accept]]\nkind = '*'\n").apply(&mut everything);
    assert!(everything.findings == 0 && everything.accepted > 0);
    for stale in [
        "kind = 'write'\npath = '/nowhere/*'",
        "kind = 'write'\nop = 'unlink'\npath = '/var/lib/app/new'",
        "kind = 'cap'\ncap = 'SYS_ADMIN'",
        "kind = 'port'\nport = 81",
        "kind = 'service'\nservice = 'web'",
        "kind = 'mount'\npath = '/var/lib/app/new'",
    ] {
        let mut diff = findings();
        let before = diff.findings;
        read(&format!("\n[[accept]]\n{stale}\n")).apply(&mut diff);
        assert_eq!((codes(&diff), diff.findings), (vec!["stale-entry"], before), "{stale}");
        assert!(diff.warnings[0].message.contains("line 2 "));
    }
    // Accepting what is no finding is accepting nothing.
    let mild = image().cap("SYS_ADMIN", "brk", "x", Verdict::Opportunistic);
    let mut diff = between(&image().profile, &mild.profile);
    read("[[accept]]\nkind = 'cap'\ncap = 'CAP_SYS_ADMIN'\n").apply(&mut diff);
    assert_eq!(codes(&diff), ["stale-entry"]);
}

#[test]
fn errors_name_the_place() {
    for (text, wants) in [
        ("x = 1", &["line 1", "x"][..]),
        ("[[accept]]\nkind = 'write'\npaht = '/x'", &["line 3", "paht"]),
        ("[[accept]]\npath = '/x'", &["line 1", "kind"]),
        ("[[accept]]\nkind = 'wirte'", &["line 2, column 8", "accept[0].kind", "`wirte`", "denied"]),
        ("[[accept]]\nkind = 'write'\nop = 'opne'", &["line 3, column 6", "accept[0].op", "`opne`"]),
        ("[[accept]]\nkind = 'write'\npath = 'x'", &["line 3", "accept[0].path", "starts with `/`"]),
        ("[[accept]]\nkind = 'write'\npath = '/['", &["line 3", "accept[0].path"]),
        ("[[accept]]\nkind = 'port'\nport = 99999", &["line 3"]),
        ("[[accept", &["line 1"]),
        ("[[accept]]\nkind = \"\\u001b[2J\"", &["line 2"]),
    ] {
        let error = Baseline::from_toml(text.as_bytes()).unwrap_err().to_string();
        for want in wants {
            assert!(error.contains(want), "{want}: {error}");
        }
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    assert!(matches!(Baseline::from_toml(b"# \n\xff"), Err(BaselineError::Utf8 { line: 2 })));
    assert!(matches!(
        Baseline::from_toml(&vec![b'#'; reports::diff::MAX_BASELINE_BYTES + 1]),
        Err(BaselineError::TooLarge)
    ));
    let inline = read("accept = [{ kind = 'port', port = 80 }]\n");
    assert_eq!(inline.accepting(&findings()), Err(BaselineError::Inline));
    assert!(Baseline::from_toml(b"").is_ok());
}

#[test]
fn hostile_names_are_accepted_as_they_are() {
    let mut diff = between(&image().profile, &subjects::hostile().profile);
    let open = diff.findings;
    let text = Baseline::default().accepting(&diff).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    read(&text).apply(&mut diff);
    assert_eq!((diff.findings, diff.accepted), (0, open), "{text}");
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_accepted(names in proptest::collection::vec(proptest::collection::vec(1u8..=255, 1..12), 1..8)) {
        let build = |names: &[Vec<u8>]| -> Build {
            names.iter().fold(image(), |build, name| {
                let at = SubjectPath::from_bytes(&[b"/var/lib/app/", name.as_slice()].concat()).unwrap();
                build.write_with(Op::Create, at, |_| ())
            })
        };
        let mut diff = between(&image().profile, &build(&names).profile);
        let text = Baseline::default().accepting(&diff).unwrap();
        Baseline::from_toml(text.as_bytes()).unwrap().apply(&mut diff);
        prop_assert_eq!(diff.findings, 0, "{}", text);
        prop_assert!(!diff.warnings.iter().any(|warning| warning.code == "stale-entry"), "{}\n{:?}", text, diff.warnings);
    }
}
