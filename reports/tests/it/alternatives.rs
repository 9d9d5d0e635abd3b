//! The alternative without root: when it is offered, as whom, and what the plan under it is.

use reports::format::{Format, Options, render};
use reports::model::{MountKind, Op, Phase};
use reports::plan::{Alternative, Confidence, Plan, with_alternative};

use crate::build::{Build, path};
use crate::subjects;

fn non_root(build: &Build) -> Alternative {
    let mut all = build.plan().alternatives;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn under(build: &Build) -> Plan {
    let plan = build.plan();
    let under = with_alternative(&plan, "non-root").unwrap();
    assert_eq!(under.validate(), Ok(()));
    assert!(under.cap_add.is_empty() && under.alternatives.is_empty() && under.read_only);
    let mut targets = plan.writable_targets();
    targets.dedup();
    assert_eq!(under.writable_targets(), targets, "the same places are writable");
    under
}

/// The users that a profile of nginx tells: the master stays root, the workers are another.
fn nginx() -> Build {
    subjects::nginx().by("/usr/sbin/nginx", Phase::Steady).user(0, 0, 1).user(33, 33, 4)
}

#[test]
fn nginx_postgres_and_redis_need_no_capability_as_the_user_they_become() {
    let plan = under(&nginx());
    assert_eq!(plan.user.as_deref(), Some("33:33"));
    assert!(plan.tmpfs.iter().all(|mount| (mount.uid, mount.gid) == (33, 33)), "{plan:?}");
    let dropped: Vec<_> = plan.cap_dropped.iter().map(|dropped| dropped.cap.as_str()).collect();
    assert!(["CHOWN", "SETGID", "SETUID"].iter().all(|cap| dropped.contains(cap)), "{dropped:?}");

    let postgres =
        subjects::postgres().by("/usr/lib/postgresql/16/bin/postgres", Phase::Steady).user(999, 998, 9);
    let plan = under(&postgres);
    assert_eq!(plan.user.as_deref(), Some("999:998"));
    assert_eq!(plan.volumes[0].owner.as_deref(), None, "the image's directory belongs to it");

    let mut redis = subjects::redis().by("/usr/bin/redis-server", Phase::Steady).user(999, 999, 1);
    assert_eq!(under(&redis).volumes[0].owner, None);
    // An image whose directory is root's, as an entrypoint that chowns it leaves it.
    redis.profile.subject.image_entries[0].uid = 0;
    let plan = under(&redis);
    assert_eq!(plan.volumes[0].owner.as_deref(), Some("999:999"));
    assert!(plan.volumes[0].grounds.rule.contains(&"non-root".to_owned()));
}

#[test]
fn processes_tell_the_user_before_ownership_does() {
    let owned = non_root(&subjects::redis());
    assert_eq!(owned.user.as_deref(), Some("999:999"));
    assert_eq!(owned.evidence[0].path, Some(path("/data")));
    assert!(owned.grounds.doubts.contains(&"user-from-ownership".to_owned()));

    let seen = non_root(
        &subjects::redis()
            .by("/bin/a", Phase::Startup)
            .user(7, 8, 100)
            .by("/bin/b", Phase::Steady)
            .user(5, 6, 1),
    );
    assert_eq!(seen.user.as_deref(), Some("5:6"), "whoever runs after start-up");
    assert_eq!(seen.evidence[0].process.as_deref(), Some("/bin/b"));
    assert_eq!(seen.grounds.confidence, Confidence::Low);
    assert!(seen.grounds.doubts.contains(&"several-users".to_owned()));

    assert_eq!(non_root(&nginx()).grounds.confidence, Confidence::Medium, "it was not run so");
}

#[test]
fn a_single_user_is_enough_after_start_up() {
    let later =
        || subjects::nginx().by("/usr/sbin/nginx", Phase::Steady).required("KILL", "kill", "kill_ok_by_cred");
    assert!(later().plan().alternatives.is_empty());
    let one = non_root(&later().user(0, 0, 1).user(33, 33, 4));
    assert_eq!(one.user.as_deref(), Some("33:33"));
    assert!(one.grounds.doubts.contains(&"after-start-up".to_owned()) && !one.message.contains("start-up"));
    assert!(later().user(33, 33, 4).user(1000, 1000, 1).plan().alternatives.is_empty(), "logins, say");
}

#[test]
fn without_a_user_there_is_nothing_to_apply() {
    let build = subjects::nginx();
    let alternative = non_root(&build);
    assert_eq!((alternative.user, alternative.tmpfs.len()), (None, 0));
    assert!(alternative.grounds.doubts.contains(&"user-unknown".to_owned()));
    assert_eq!(with_alternative(&build.plan(), "non-root"), None);
    assert_eq!(with_alternative(&build.plan(), "other"), None);
}

#[test]
fn mounts_of_the_subjects_own_may_belong_to_somebody_else() {
    let build = subjects::redis().mount("/log", MountKind::Bind, Some("/h")).write(Op::Create, "/log/x");
    assert!(non_root(&build).grounds.doubts.contains(&"owner-of-existing-mounts".to_owned()));
}

#[test]
fn a_low_port_on_the_hosts_network_needs_root() {
    let mut build = nginx().port(80);
    assert_eq!(build.plan().alternatives.len(), 1);
    build.config().network = Some("host".to_owned());
    assert!(build.plan().alternatives.is_empty());
}

#[test]
fn the_order_of_users_makes_no_difference() {
    let one = subjects::redis().user(5, 5, 1).user(6, 6, 1);
    let other = subjects::redis().user(6, 6, 1).user(5, 5, 1);
    assert_eq!(one.plan(), other.plan());
}

#[test]
fn a_volume_for_another_owner_is_prepared_and_not_filled_again() {
    let mut redis = subjects::redis().by("/usr/bin/redis-server", Phase::Steady).user(999, 999, 1);
    redis.profile.subject.image_entries[0].uid = 0;
    let plan = under(&redis);
    let text = |format| render(format, &redis.profile, &plan, &Options::default()).unwrap();
    let line = text(Format::Docker);
    assert!(
        line.contains("#   docker run --rm --user 0 --mount 'type=volume,source=redis-data,target=/data' --entrypoint chown redis:7 -R 999:999 /data\n"),
        "{line}"
    );
    assert!(line.contains("target=/data,volume-nocopy'") && line.contains("--user 999:999"), "{line}");
    let file = text(Format::Compose);
    assert!(file.contains("nocopy: true") && file.contains("must belong to 999:999"), "{file}");
    assert!(text(Format::Text).contains("must belong to 999:999"));
}
