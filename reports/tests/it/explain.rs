//! What `--explain` answers.

use reports::format::{ExplainError, Options, explain};
use reports::model::{MountKind, ObjectKind, Op, Phase, Verdict};
use reports::plan::{Overrides, recommend_with};

use crate::build::{Build, path};
use crate::subjects;

fn answer_with(build: &Build, overrides: &Overrides, what: &str) -> String {
    let plan = recommend_with(&build.profile, overrides).unwrap();
    explain(&build.profile, &plan, overrides, what, &Options::default()).unwrap()
}

fn answer(build: &Build, what: &str) -> String {
    answer_with(build, &Overrides::default(), what)
}

#[test]
fn elements_of_plans() {
    let mut nginx = subjects::nginx().loaded().by("/usr/sbin/nginx", Phase::Steady).user(33, 33, 4);
    nginx.profile.capabilities[0].evidence[0].stack =
        ["cap_capable", "ns_capable", "chown_ok", "setattr_prepare"].map(str::to_owned).to_vec();
    let cases = [
        ("tmpfs", &nginx, "/var/cache/nginx"),
        ("read-only", &nginx, "/usr/share/nginx/html"),
        ("capability", &nginx, "cap_chown"),
        ("no-new-privileges", &nginx, "no-new-privileges"),
        ("alternative", &nginx, "non-root"),
        ("attempted", &nginx, "/etc/nginx/conf.d/default.conf"),
        ("opportunistic", &nginx, "NET_BIND_SERVICE"),
        ("hostile", &subjects::hostile(), "/a:b"),
        ("volume", &subjects::redis(), "/data"),
    ]
    .map(|(name, build, what)| (name, answer(build, what)));
    for (name, text) in cases {
        insta::assert_snapshot!(format!("explain-{name}"), text);
    }
}

#[test]
fn what_is_not_in_a_plan_says_why() {
    let build = Build::new("x")
        .dirs(&["/run", "/run/app", "/etc"])
        .mount("/site", MountKind::Bind, Some("/h"))
        .write(Op::Create, "/run/x")
        .write(Op::Create, "/site/x")
        .write(Op::Create, "/opt/app/x")
        .write_with(Op::Create, path("/etc/x"), |write| write.errno = 30)
        .write_with(Op::Open, path("/fifo"), |write| write.object = ObjectKind::Fifo)
        .cap("SYS_ADMIN", "mount", "path_mount", Verdict::Attempted)
        .required("DAC_READ_SEARCH", "openat", "generic_permission")
        .required("DAC_OVERRIDE", "openat", "generic_permission");
    for (what, why) in [
        ("/run/x", "it lies on /run, which the plan makes writable"),
        ("/opt", "only narrower places in it need to be writable: /opt/app"),
        ("/site/x", "it lies on /site, a bind of the subject's, which stays as it is"),
        ("/etc/x", "attempted, not needed"),
        ("/fifo", "takes no write access"),
        ("/nothing", "nothing was seen to be written there"),
        ("/proc/1/oom_score_adj", "the runtime mounts in every container"),
        ("/", "the root file system is read-only"),
        ("SYS_ADMIN", "attempted, not needed"),
        ("dac_read_search", "DAC_OVERRIDE is in the plan"),
        ("KILL", "never asked for it"),
    ] {
        let text = answer(&build, what);
        assert!(text.contains("not in the plan"), "{what}: {text}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(why), "{what}: {text}");
    }
    assert!(answer(&build, "/etc/x").contains("failed with EROFS"));
    assert!(answer(&build, "/run/x").contains("Lies on /run"));
    let overrides = Overrides { ignore: vec!["/opt/**".parse().unwrap()], ..Overrides::default() };
    let text = answer_with(&build, &overrides, "/opt/app");
    assert!(text.contains("as --ignore says") && text.contains("left out as told"), "{text}");
}

#[test]
fn answers_are_bounded() {
    let build = (0..500).fold(Build::new("x"), |build, n| build.write(Op::Create, &format!("/run/{n}")));
    let text = answer(&build, "/run");
    assert!(text.contains("and 440 more") && text.lines().count() < 200);
}

#[test]
fn nonsense_is_no_question() {
    let build = subjects::nginx();
    let ask = |what: &str| {
        explain(&build.profile, &build.plan(), &Overrides::default(), what, &Options::default()).unwrap_err()
    };
    assert!(matches!(ask("nonsense\u{1b}[2J"), ExplainError::Unknown(text) if !text.contains('\u{1b}')));
    assert!(matches!(ask("/a\\q"), ExplainError::Path { .. }));
    assert!(matches!(ask(""), ExplainError::Unknown(_)));
}
