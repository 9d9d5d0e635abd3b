//! Profiles of well-known applications, as training runs of them look, and one of a hostile subject.

use reports::model::{MountFlag, MountKind, MountOption, ObjectKind, Op, Phase, SubjectPath, Verdict};

use crate::build::{Build, path};

/// nginx with an entrypoint that tries to edit its configuration and goes on when it cannot.
pub(crate) fn nginx() -> Build {
    let mut build = Build::new("nginx:1.27")
        .dirs(&[
            "/etc",
            "/etc/nginx",
            "/etc/nginx/conf.d",
            "/run",
            "/run/lock",
            "/var",
            "/var/cache",
            "/var/cache/nginx",
        ])
        .files(&["/etc/nginx/conf.d/default.conf", "/etc/nginx/nginx.conf"])
        .mount("/etc/resolv.conf", MountKind::Runtime, None)
        .mount("/etc/hosts", MountKind::Runtime, None)
        .mount("/usr/share/nginx/html", MountKind::Bind, Some("/srv/site"))
        .by("/bin/sh", Phase::Startup)
        .write_with(Op::Open, path("/etc/nginx/conf.d/default.conf"), |write| write.errno = 13)
        .by("/usr/sbin/nginx", Phase::Startup)
        .writes(Op::Mkdir, &["/var/cache/nginx/client_temp", "/var/cache/nginx/proxy_temp"])
        .on_dir(Op::Chown, "/var/cache/nginx/client_temp")
        .write(Op::Create, "/run/nginx.pid")
        .write_with(Op::Open, path("/dev/null"), |write| write.object = ObjectKind::Device)
        .required("CHOWN", "chown", "chown_ok")
        .required("SETGID", "setgid", "__sys_setgid")
        .required("SETUID", "setuid", "__sys_setuid")
        .cap("NET_BIND_SERVICE", "bind", "", Verdict::Opportunistic)
        .cap("SYS_ADMIN", "brk", "cap_vm_enough_memory", Verdict::Attempted)
        .by("/usr/sbin/nginx", Phase::Steady)
        .write_with(Op::Create, path("/var/cache/nginx/client_temp"), |write| {
            write.collapsed = true;
            write.count = 4000;
        })
        .by("/usr/sbin/nginx", Phase::Shutdown)
        .write(Op::Unlink, "/run/nginx.pid")
        .executes("/bin/sh", false)
        .executes("/usr/sbin/nginx", false)
        .size("/var/cache/nginx", 20);
    build.config().publish = vec!["8080:80".to_owned()];
    build.config().mounts =
        vec![MountOption { flag: MountFlag::Volume, value: "/srv/site:/usr/share/nginx/html".to_owned() }];
    build
}

/// PostgreSQL on its image's VOLUME, with a socket directory of its own inside /run.
pub(crate) fn postgres() -> Build {
    let mut build = Build::new("registry.example:5000/library/postgres:16")
        .dirs(&["/run", "/var", "/var/lib", "/var/lib/postgresql"])
        .dir("/run/postgresql", "3777", 999, 999)
        .dir("/tmp", "1777", 0, 0)
        .dir("/var/lib/postgresql/data", "1777", 999, 999)
        .mount("/var/lib/postgresql/data", MountKind::ImageVolume, Some("0123"))
        .by("/usr/bin/chown", Phase::Startup)
        .on_dir(Op::Chmod, "/run/postgresql")
        .on_dir(Op::Chown, "/var/lib/postgresql/data")
        .required("CHOWN", "fchownat", "chown_ok")
        .required("DAC_OVERRIDE", "openat", "generic_permission")
        .required("FOWNER", "fchmodat", "inode_owner_or_capable")
        .by("/usr/sbin/gosu", Phase::Startup)
        .required("SETGID", "setgroups", "__do_sys_setgroups")
        .required("SETUID", "setuid", "__sys_setuid")
        .by("/usr/lib/postgresql/16/bin/postgres", Phase::Startup)
        .writes(Op::Create, &["/var/lib/postgresql/data/PG_VERSION", "/var/lib/postgresql/data/base/5/16384"])
        .write_with(Op::Bind, path("/run/postgresql/.s.PGSQL.5432"), |write| {
            write.object = ObjectKind::Socket;
        })
        .write(Op::Create, "/run/postgresql/.s.PGSQL.5432.lock")
        .write(Op::Create, "/run/ready")
        .by("/usr/lib/postgresql/16/bin/postgres", Phase::Steady)
        .write(Op::Sync, "/var/lib/postgresql/data/pg_wal/000000010000000000000001")
        .write(Op::Create, "/tmp/sort.1234")
        .size("/tmp", 90);
    build.config().env = vec!["POSTGRES_PASSWORD=it's a $ecret\nof two lines".to_owned()];
    build.config().image_volumes = vec![path("/var/lib/postgresql/data")];
    build
}

/// Redis without a VOLUME, so that its dump falls on the root file system.
pub(crate) fn redis() -> Build {
    let mut build = Build::new("redis:7")
        .dir("/data", "0755", 999, 999)
        .by("/usr/bin/find", Phase::Startup)
        .on_dir(Op::Chown, "/data")
        .required("CHOWN", "fchownat", "chown_ok")
        .by("/usr/bin/setpriv", Phase::Startup)
        .required("SETGID", "setresgid", "ns_capable_setid")
        .required("SETUID", "setresuid", "__sys_setresuid")
        .cap("SETPCAP", "capset", "cap_inh_is_capped", Verdict::Opportunistic)
        .by("/usr/bin/redis-server", Phase::Steady)
        .write(Op::Create, "/data/temp-17.rdb")
        .write(Op::Sync, "/data/temp-17.rdb")
        .rename("/data/temp-17.rdb", "/data/dump.rdb");
    build.config().args = vec!["redis-server".to_owned(), "--save".to_owned(), "60 1".to_owned()];
    build
}

/// A subject that chooses its names to break whoever prints them.
pub(crate) fn hostile() -> Build {
    let mut build = Build::new("evil/\u{1b}[31mimage:$(id)")
        .dirs(&["/a:b", "/c,d", "/e $HOME 'q\" #x", "/plain", "/plain/new\nline", "/r", "/r/esc\u{1b}[2J"])
        .by("/bin/\u{1b}]0;title\u{7}\nx", Phase::Startup)
        .writes(
            Op::Create,
            &["/a:b/x", "/c,d/x", "/e $HOME 'q\" #x/x", "/plain/new\nline/x", "/r/esc\u{1b}[2J/x"],
        )
        .write_with(Op::Create, SubjectPath::from_bytes(b"/\xff\xfe/x").unwrap(), |_| ())
        .write_with(Op::Create, SubjectPath::from_bytes(b"/plain/\xff/x").unwrap(), |_| ())
        .mount("/ro # x", MountKind::Bind, Some("/host: $y # \"'"))
        .required("CHOWN", "ch\nown", "# x\u{2028}y")
        .cap("NO_SUCH\ncap: x", "x", "x", Verdict::Required);
    build.config().image = "evil/image".to_owned();
    build.config().env = vec!["A=1\n2 \\\n  --privileged".to_owned(), "B='$(id)` \u{1b}[2J".to_owned()];
    build.config().args = vec![String::new(), "--x".to_owned(), "a b".to_owned()];
    build.config().mounts = vec![MountOption {
        flag: MountFlag::Mount,
        value: "type=bind,\"src=/host: $y # \"\"'\",dst=/ro # x".to_owned(),
    }];
    build.profile.coverage.complete = false;
    build.profile.coverage.gaps = vec![reports::model::Gap {
        code: "records-lost".to_owned(),
        message: "the ring buffer was full".to_owned(),
        count: 3,
    }];
    build
}
