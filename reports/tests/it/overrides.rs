//! The user's word before the evidence's.

use reports::model::{MountKind, Op};
use reports::plan::{OverrideError, Overrides, Plan, parse_size, recommend_with};

use crate::build::{Build, path};

/// Overrides as a file says them.
fn say(text: &str) -> Overrides {
    Overrides::from_toml(format!("[recommend]\n{text}").as_bytes()).unwrap()
}

fn plan(build: &Build, text: &str) -> Plan {
    let plan = recommend_with(&build.profile, &say(text)).unwrap();
    assert_eq!(plan.validate(), Ok(()), "{plan:?}");
    plan
}

fn mounts(plan: &Plan) -> Vec<String> {
    let tmpfs = plan.tmpfs.iter().map(|mount| format!("tmpfs {}", mount.target));
    tmpfs.chain(plan.volumes.iter().map(|volume| format!("volume {}", volume.target))).collect()
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

fn base() -> Build {
    Build::new("x")
        .dirs(&["/run", "/run/app", "/var/cache", "/var/lib/app", "/var/lib/app/tmp"])
        .dir("/tmp", "1777", 0, 0)
}

#[test]
fn kinds_are_as_told() {
    let build = base().write(Op::Create, "/run/x").write(Op::Create, "/var/lib/app/x").size("/run", 1);
    let told = plan(&build, "tmpfs = ['/var/lib/app:size=1g,mode=700,uid=7,gid=8,exec']\nvolume = ['/run']");
    assert_eq!(mounts(&told), ["tmpfs /var/lib/app", "volume /run"]);
    let mount = &told.tmpfs[0];
    assert_eq!((mount.size, mount.mode.as_str(), mount.uid, mount.gid), (1 << 30, "0700", 7, 8));
    assert!(mount.exec && !mount.suid && !mount.dev);
    assert_eq!(mount.grounds.rule, ["mount-points", "override", "tmpfs-options"]);
    assert!(mount.why.contains("--tmpfs") && told.volumes[0].why.contains("--volume"));
}

#[test]
fn places_inside_others_and_places_that_nothing_needs() {
    let build = base()
        .writes(Op::Create, &["/run/x", "/run/app/y", "/var/lib/app/x", "/var/lib/app/tmp/y"])
        .on_dir(Op::Chown, "/var/cache");
    assert_eq!(
        mounts(&plan(&build, "volume = ['/run/app']\ntmpfs = ['/var/lib/app/tmp']")),
        [
            "tmpfs /run",
            "tmpfs /var/cache",
            "tmpfs /var/lib/app/tmp",
            "volume /run/app",
            "volume /var/lib/app"
        ]
    );
    let unused = plan(&base(), "tmpfs = ['/spare']");
    assert_eq!(mounts(&unused), ["tmpfs /spare"]);
    assert!(codes(&unused).contains(&"override-unused"));
    // A place above others takes them in; what a tmpfs there would hide stays mounted.
    let above = plan(&base().writes(Op::Create, &["/run/x", "/run/app/y"]), "volume = ['/run']");
    assert_eq!(mounts(&above), ["volume /run"]);
    let above = plan(&base().writes(Op::Create, &["/run/app/y"]), "tmpfs = ['/run']");
    assert_eq!(mounts(&above), ["tmpfs /run", "tmpfs /run/app"]);
}

#[test]
fn a_rename_that_the_users_mounts_separate_is_warned_about() {
    let build = base().writes(Op::Create, &["/run/x"]).rename("/run/x", "/run/app/y");
    let told = plan(&build, "volume = ['/run/app']");
    assert_eq!(mounts(&told), ["tmpfs /run", "volume /run/app"]);
    assert_eq!(codes(&told), ["rename-across-mounts"]);
}

#[test]
fn an_image_volume_is_replaced_and_other_mounts_are_not() {
    let build =
        base().mount("/data", MountKind::ImageVolume, None).write(Op::Create, "/data/x").size("/data", 20);
    let told = plan(&build, "tmpfs = ['/data']");
    assert_eq!(mounts(&told), ["tmpfs /data"]);
    assert_eq!((told.tmpfs[0].size, told.tmpfs[0].evidence.len()), (64 << 20, 1));
    assert!(codes(&told).contains(&"image-content-unknown"));
    let read = base().mount("/data", MountKind::ImageVolume, None);
    let told = plan(&read, "tmpfs = ['/data']");
    assert!(told.mounts_read_only.is_empty() && mounts(&told) == ["tmpfs /data"]);
    let bind = base().mount("/site", MountKind::Bind, Some("/h"));
    let refused = |build: &Build, text: &str| recommend_with(&build.profile, &say(text)).unwrap_err();
    assert_eq!(refused(&bind, "tmpfs = ['/site']"), OverrideError::Mounted(path("/site")));
    let twice = refused(&bind, "tmpfs = ['/a']\nvolume = ['/a/']");
    assert_eq!(twice, OverrideError::Twice(path("/a")));
    let file = refused(&base().files(&["/etc/x.conf"]), "volume = ['/etc/x.conf']");
    assert_eq!(file, OverrideError::NoDirectory(path("/etc/x.conf")));
}

#[test]
fn hiding_content_as_told_is_said() {
    let build = base().files(&["/var/lib/app/seed"]).write(Op::Create, "/var/lib/app/x");
    let told = plan(&build, "tmpfs = ['/var/lib/app']");
    assert_eq!(codes(&told), ["shadows-image-content"]);
    assert!(told.warnings[0].message.contains("hides a file") && told.complete);
    assert!(codes(&plan(&build, "volume = ['/var/lib/app']")).is_empty());
}

#[test]
fn ignored_operations_make_nothing_writable_and_are_counted() {
    let build = base()
        .writes(Op::Create, &["/run/x", "/var/log/a", "/var/log/deep/b", "/opt/a.log", "/opt/b"])
        .rename("/var/log/a", "/opt/c");
    let told = plan(&build, "ignore = ['/var/log', '/opt/*.log']");
    // The rename has one name elsewhere, and so both its places stay.
    assert!(
        told.writable_targets().contains(&&path("/opt"))
            && told.writable_targets().contains(&&path("/var/log"))
    );
    let warning = told.warnings.iter().find(|warning| warning.code == "ignored-writes").unwrap();
    assert!(warning.message.starts_with("3 operations"), "{warning:?}");
    let told = plan(&base().writes(Op::Create, &["/run/x", "/var/log/a"]), "ignore = ['/var/**']");
    assert_eq!(mounts(&told), ["tmpfs /run"]);
    // A star does not cross a slash.
    let told = plan(&base().write(Op::Create, "/var/log/a"), "ignore = ['/var/*.a']");
    assert_eq!(mounts(&told), ["volume /var/log"]);
    assert!(!codes(&told).is_empty(), "none was ignored, which is said");
    // Bytes that are no UTF-8 match, too.
    let build =
        base().write_with(Op::Create, reports::model::SubjectPath::from_bytes(b"/x/\xff/a").unwrap(), |_| ());
    assert!(mounts(&plan(&build, "ignore = ['/x/*/a']")).is_empty());
}

#[test]
fn no_tmpfs_is_larger_than_wanted() {
    let build =
        base().write(Op::Create, "/run/x").write(Op::Create, "/tmp/x").size("/run", 10).size("/tmp", 300);
    let told = plan(&build, "max-tmpfs = '32m'");
    assert_eq!(mounts(&told), ["tmpfs /run", "volume /tmp"]);
    assert_eq!(told.tmpfs[0].size, 32 << 20);
    assert_eq!(mounts(&plan(&build, "max-tmpfs = '19m'")), ["volume /run", "volume /tmp"]);
    let told = plan(&build, "max-tmpfs = '1g'");
    assert_eq!(told.tmpfs.iter().map(|mount| mount.size >> 20).collect::<Vec<_>>(), [32, 1024]);
    let told = plan(&build, "max-tmpfs = '1m'\ntmpfs = ['/tmp:size=2g']");
    assert_eq!(
        (mounts(&told), told.tmpfs[0].size),
        (vec!["tmpfs /tmp".to_owned(), "volume /run".to_owned()], 2 << 30)
    );
}

#[test]
fn the_command_line_goes_before_the_file() {
    let own = Overrides { max_tmpfs: Some(1), volumes: vec![path("/a")], ..Overrides::default() };
    let both = own.over(say("max-tmpfs = '5'\ntmpfs = ['/a', '/b']\nvolume = ['/a', '/c']\nignore = ['/i']"));
    assert_eq!(both.max_tmpfs, Some(1));
    assert_eq!(both.volumes, ["/a", "/c"].map(path));
    assert_eq!(both.tmpfs.iter().map(|told| &told.target).collect::<Vec<_>>(), [&path("/b")]);
    assert_eq!(both.ignore.len(), 1);
}

#[test]
fn sizes() {
    for (text, want) in [
        ("1", Some(1)),
        ("64k", Some(64 << 10)),
        ("512m", Some(512 << 20)),
        ("512 m", None),
        ("1GiB", Some(1 << 30)),
        ("2TB", Some(2 << 40)),
        ("0", None),
        ("-1", None),
        ("", None),
        ("m", None),
        ("1e3", None),
        ("99999999999999t", None),
    ] {
        assert_eq!(parse_size(text).ok(), want, "{text}");
    }
}

#[test]
fn errors_in_the_file_name_line_column_and_field() {
    for (text, names) in [
        ("tmpfs = 1", &["line 1", "expected"][..]),
        ("[recommend]\ntmpsf = []", &["line 2, column 1", "tmpsf"]),
        ("[verify]\n", &["line 1", "verify"]),
        ("[recommend]\ntmpfs = ['/a',\n 'b']", &["line 3, column 2", "recommend.tmpfs[1]", "absolute"]),
        ("[recommend]\ntmpfs = ['/a:size=x']", &["recommend.tmpfs[0]", "`x` is no size"]),
        ("[recommend]\ntmpfs = ['/a:mode=9']", &["recommend.tmpfs[0]", "`mode=9`"]),
        ("[recommend]\ntmpfs = ['/a:uid=-1']", &["`uid=-1`"]),
        ("[recommend]\ntmpfs = ['/a:\\u001b']", &["no option"]),
        ("[recommend]\nvolume = ['/']", &["recommend.volume[0]", "`/`"]),
        ("[recommend]\nvolume = ['/proc/x']", &["recommend.volume[0]", "/proc/x"]),
        ("[recommend]\nvolume = [\"/a\\u0007\"]", &["recommend.volume[0]", "control"]),
        ("[recommend]\nignore = ['/a[']", &["recommend.ignore[0]"]),
        ("[recommend]\nignore = ['*.log']", &["recommend.ignore[0]", "starts with"]),
        ("[recommend]\nmax-tmpfs = 5", &["line 2"]),
        ("[recommend]\nmax-tmpfs = '0'", &["recommend.max-tmpfs"]),
        ("[recommend\n", &["line 1"]),
    ] {
        let message = Overrides::from_toml(text.as_bytes()).unwrap_err().to_string();
        for name in names {
            assert!(message.contains(name), "{text:?} does not name {name:?}: {message}");
        }
        assert!(!message.chars().any(|c| c.is_control()), "{message:?}");
    }
    assert!(Overrides::from_toml(b"\n\n\xff").unwrap_err().to_string().contains("line 3"));
    assert!(Overrides::from_toml(&vec![b' '; (1 << 20) + 1]).is_err());
    assert!(Overrides::from_toml(b"").unwrap().tmpfs.is_empty());
}
