//! Which situations are warned about, and which are not.

use reports::model::{MountKind, ObjectKind, Op, Phase, Verdict};
use reports::plan::Warning;

use crate::build::{Build, path};

/// The plan's warnings of one code.
fn of(build: &Build, code: &str) -> Vec<Warning> {
    build.plan().warnings.into_iter().filter(|warning| warning.code == code).collect()
}

fn only(build: &Build, code: &str) -> Warning {
    let mut found = of(build, code);
    assert_eq!(found.len(), 1, "{code}: {found:?}");
    found.remove(0)
}

#[test]
fn broad_directories_come_with_a_suggestion() {
    let base = || Build::new("x").dirs(&["/etc", "/etc/app", "/usr", "/usr/lib"]).files(&["/etc/app.conf"]);
    let warning = only(&base().write(Op::Open, "/etc/app.conf"), "broad-directory");
    assert_eq!(warning.path, Some(path("/etc")));
    assert!(warning.message.contains("/etc/app.conf") && warning.message.contains("/run"), "{warning:?}");
    let warning = only(&base().write(Op::Create, "/usr/lib/x.so"), "broad-directory");
    assert!(warning.message.contains("build time"), "{warning:?}");
    assert!(of(&base().write(Op::Create, "/etc/app/x"), "broad-directory").is_empty());
}

#[test]
fn data_on_a_tmpfs_that_looks_worth_keeping() {
    const CODE: &str = "tmpfs-may-lose-data";
    let base = || Build::new("x").dirs(&["/app"]).dir("/tmp", "1777", 0, 0);
    let synced = only(&base().write(Op::Create, "/tmp/x").write(Op::Sync, "/tmp/x"), CODE);
    assert!(synced.message.contains("synced once") && synced.message.contains("--volume /tmp"), "{synced:?}");
    let named = base().write(Op::Create, "/app/cache/state.sqlite3");
    assert!(only(&named, CODE).message.contains("state.sqlite3"));
    // A database that is gone at the end was scratch.
    assert!(of(&base().writes(Op::Create, &["/tmp/a.db"]).write(Op::Unlink, "/tmp/a.db"), CODE).is_empty());
    assert!(of(&base().write(Op::Create, "/tmp/x"), CODE).is_empty());
    // What lies in /run is gone with the next start of a host: syncing it there means nothing.
    let lock = Build::new("x").dir("/run", "0755", 0, 0);
    assert!(of(&lock.write(Op::Create, "/run/x.lock").write(Op::Sync, "/run/x.lock"), CODE).is_empty());
    let moved = base().write(Op::Create, "/tmp/a.db").rename("/tmp/a.db", "/tmp/kept.db");
    assert!(only(&moved, CODE).message.contains("kept.db"));
}

#[test]
fn random_directories_in_the_root() {
    let make = |name: &str| Build::new("x").write(Op::Mkdir, name).write(Op::Create, &format!("{name}/x"));
    assert_eq!(only(&make("/tmp.PQk2xZ9s1B"), "random-directory").path, Some(path("/tmp.PQk2xZ9s1B")));
    assert_eq!(of(&make("/spool"), "random-directory"), []);
    // One that the image has was not made up in the run.
    let in_image = Build::new("x").dirs(&["/a1b2c3d4"]).write(Op::Create, "/a1b2c3d4/x");
    assert_eq!(of(&in_image, "random-directory"), []);
}

#[test]
fn refused_writes_are_summed_up() {
    let failed = |build: Build, at: &str, errno| build.write_with(Op::Create, path(at), |w| w.errno = errno);
    let few = failed(failed(Build::new("x"), "/etc/b", 13), "/etc/a", 30);
    let warning = only(&few, "failed-writes");
    assert!(warning.message.contains("create /etc/a: EROFS, create /etc/b: EACCES"), "{warning:?}");
    assert_eq!(warning.path, Some(path("/etc/a")));
    let many = (0..50).fold(Build::new("x"), |build, n| failed(build, &format!("/etc/{n:02}"), 13));
    let warning = only(&many, "failed-writes");
    assert!(warning.message.contains("and 46 more") && warning.message.len() < 400, "{warning:?}");
    // Ordinary failures, and those in file systems that no plan changes.
    assert_eq!(
        of(&failed(failed(Build::new("x"), "/run/x", 17), "/proc/1/oom_score_adj", 13), "failed-writes"),
        []
    );
}

fn on_host(mut build: Build) -> Build {
    build.config().network = Some("host".to_owned());
    build
}

#[test]
fn low_ports_on_the_hosts_network_take_the_capability_whatever_was_asked() {
    let caps = |build: &Build| build.plan().cap_add.into_iter().map(|add| add.cap).collect::<Vec<_>>();
    let bound = || Build::new("x").by("/usr/sbin/httpd", Phase::Startup).port(80);
    // On a private network nobody asks.
    assert_eq!(caps(&bound()), [""; 0]);
    assert!(only(&bound(), "privileged-port").message.contains("/usr/sbin/httpd binds port 80"));
    // On the host's the plan has it, and does not list it as dropped.
    let plan = on_host(bound()).plan();
    assert_eq!(plan.cap_add[0].cap, "NET_BIND_SERVICE");
    assert_eq!(plan.cap_add[0].grounds.doubts, ["kernel-not-asked"]);
    assert!(!plan.cap_dropped.iter().any(|dropped| dropped.cap == "NET_BIND_SERVICE"));
    only(&on_host(bound()), "host-network-privileged-port");
    let asked = on_host(Build::new("x").cap("NET_BIND_SERVICE", "bind", "", Verdict::Opportunistic));
    assert_eq!(caps(&asked), ["NET_BIND_SERVICE"]);
    let required = on_host(bound().required("NET_BIND_SERVICE", "bind", "inet_bind"));
    assert_eq!(caps(&required), ["NET_BIND_SERVICE"]);
    assert_eq!(required.plan().cap_add[0].grounds.rule, ["capabilities"]);
    // High ports, and port 0, take nothing.
    let high = on_host(Build::new("x").port(8080).port(0));
    assert!(caps(&high).is_empty() && high.plan().warnings.is_empty());
    // A plain command shares the host's network.
    let mut command = bound();
    command.profile.subject.config = None;
    assert_eq!(caps(&command), ["NET_BIND_SERVICE"]);
}

#[test]
fn a_published_low_port_is_told_where_nothing_else_is_known() {
    let mut build = Build::new("x");
    build.config().publish = vec!["8080:80".to_owned(), "9000:9000".to_owned()];
    assert!(only(&build, "privileged-port").message.contains("port 80"));
    assert_eq!(of(&on_host(build), "privileged-port"), []);
}

#[test]
fn set_id_programs_on_a_tmpfs_keep_their_bits() {
    let build = Build::new("x").write(Op::Create, "/run/tool").executes("/run/tool", true);
    let plan = build.plan();
    assert!(plan.tmpfs[0].suid && plan.tmpfs[0].exec && !plan.no_new_privileges);
    only(&build, "gains-privileges");
    let kept = plan.no_new_privileges_grounds.unwrap();
    assert_eq!(kept.evidence[0].path, path("/run/tool"));
}

#[test]
fn what_every_run_does_is_not_warned_about() {
    let build = Build::new("x")
        .dirs(&["/run", "/var", "/var/cache", "/var/cache/app"])
        .mount("/etc/hosts", MountKind::Runtime, None)
        .write(Op::Create, "/run/app.pid")
        .write(Op::Create, "/var/cache/app/x")
        .write_with(Op::Open, path("/dev/null"), |write| write.object = ObjectKind::Device)
        .size("/var/cache/app", 1)
        .port(8080);
    assert_eq!(build.plan().warnings, []);
}
