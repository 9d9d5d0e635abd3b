//! What each format prints, and that names from outside cannot break out of it.

use proptest::prelude::*;
use reports::format::{Format, FormatError, Options, docker_arguments, render};
use reports::model::{MountFlag, MountKind, MountOption, Op};

use crate::build::{Build, path};
use crate::subjects;
use unicode_width::UnicodeWidthStr as _;

fn rendered(format: Format, build: &Build) -> String {
    render(format, &build.profile, &build.plan(), &Options::default()).unwrap()
}

#[test]
fn snapshots() {
    let subjects = [
        ("nginx", subjects::nginx()),
        ("postgres", subjects::postgres()),
        ("redis", subjects::redis()),
        ("hostile", subjects::hostile()),
    ];
    for (name, build) in subjects {
        for info in reports::format::FORMATS {
            let text = render(info.format, &build.profile, &build.plan(), &Options::default())
                .unwrap_or_else(|error| format!("refused: {error}"));
            insta::assert_snapshot!(format!("{name}-{}", info.name), text);
        }
    }
}

#[test]
fn colour_only_where_asked_for_and_nothing_else_drives_the_terminal() {
    let build = subjects::hostile();
    let plan = build.plan();
    let plain = rendered(Format::Text, &build);
    assert!(!plain.chars().any(|c| c.is_control() && c != '\n'));
    let options = Options { color: true, ..Options::default() };
    let coloured = render(Format::Text, &build.profile, &plan, &options).unwrap();
    assert!(coloured.contains("\x1b[1m"));
    let stripped = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m"]
        .iter()
        .fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain);
}

#[test]
fn an_incomplete_plan_says_so_in_every_format() {
    let mut build = subjects::nginx();
    build.profile.coverage = subjects::hostile().profile.coverage;
    for info in reports::format::FORMATS {
        let text = rendered(info.format, &build).to_lowercase();
        assert!(text.contains("incomplete") || text.contains("\"complete\": false"), "{}", info.name);
        assert!(!text.contains("minimal"), "{}", info.name);
    }
}

#[test]
fn the_text_fits_a_terminal_whatever_the_names_are() {
    let long = format!("/{}/{}", "a".repeat(100), "漢".repeat(60));
    let mut build = Build::new(&"image".repeat(40)).dirs(&[&long]).write(Op::Create, &format!("{long}/x"));
    build =
        build.required("CHOWN", &"chown".repeat(30), "chown_ok").mount("/ro", MountKind::Bind, Some("/h"));
    for build in [subjects::nginx(), subjects::postgres(), subjects::hostile(), build] {
        for line in rendered(Format::Text, &build).lines() {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
            assert_eq!(line.trim_end(), line);
        }
    }
}

#[test]
fn json_is_the_plan() {
    let build = subjects::postgres();
    let plan: reports::plan::Plan = serde_json::from_str(&rendered(Format::Json, &build)).unwrap();
    assert_eq!(plan, build.plan());
}

/// What a YAML reader sees of a Compose file.
fn yaml(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn compose_reads_back_as_the_plan() {
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        let plan = build.plan();
        let options = Options { service: Some("svc".to_owned()), ..Options::default() };
        let text = render(Format::Compose, &build.profile, &plan, &options).unwrap();
        let file = yaml(&text);
        let service = &file["services"]["svc"];
        assert_eq!(service["read_only"], plan.read_only, "{text}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]));
        let caps: Vec<_> = plan.cap_add.iter().map(|add| add.cap.as_str()).collect();
        let caps_read: Vec<_> =
            service["cap_add"].as_array().into_iter().flatten().map(|cap| cap.as_str().unwrap()).collect();
        assert_eq!(caps_read, caps);
        let short = service["tmpfs"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|value| value.as_str().unwrap().split(":rw,").next().unwrap().replace("$$", "$"));
        let long =
            service["volumes"].as_array().into_iter().flatten().filter(|value| value["read_only"].is_null());
        let mut targets: Vec<String> =
            short.chain(long.map(|value| value["target"].as_str().unwrap().replace("$$", "$"))).collect();
        targets.sort();
        let planned: Vec<_> = plan.writable_targets().iter().map(|target| target.as_str().unwrap()).collect();
        assert_eq!(targets, planned, "{text}");
        for volume in &plan.volumes {
            assert!(file["volumes"].as_object().unwrap().contains_key(&volume.name), "{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim_end().ends_with(':')) {
            assert!(line.contains(" # "), "no reason behind {line:?}");
        }
    }
}

#[test]
fn a_service_name_is_checked() {
    let build = subjects::nginx();
    for name in ["", "a b", "a:b", "a\nb", "é"] {
        let options = Options { service: Some(name.to_owned()), ..Options::default() };
        let result = render(Format::Compose, &build.profile, &build.plan(), &options);
        assert!(matches!(result, Err(FormatError::Service(_))), "{name:?}");
    }
}

#[test]
fn docker_keeps_the_configuration_and_replaces_privileges() {
    let mut build = Build::new("img").required("CHOWN", "chown", "chown_ok");
    *build.config() = reports::model::ContainerConfig {
        image: "img".to_owned(),
        args: vec!["a".to_owned(), "--b".to_owned()],
        entrypoint: Some("/e".to_owned()),
        name: Some("n".to_owned()),
        env: vec!["K=V".to_owned()],
        publish: vec!["1:2".to_owned()],
        user: Some("5:6".to_owned()),
        workdir: Some("/w".to_owned()),
        network: Some("host".to_owned()),
        hostname: Some("h".to_owned()),
        add_host: vec!["x:1.2.3.4".to_owned()],
        cap_add: vec!["SYS_ADMIN".to_owned()],
        cap_drop: vec!["KILL".to_owned()],
        security_opt: vec!["no-new-privileges:true".to_owned(), "seccomp=unconfined".to_owned()],
        sysctl: [("net.x".to_owned(), "1".to_owned())].into(),
        init: true,
        privileged: true,
        platform: Some("linux/amd64".to_owned()),
        ..Default::default()
    };
    let arguments = docker_arguments(&build.profile, &build.plan()).unwrap();
    assert_eq!(
        arguments.join(" "),
        "--read-only --cap-drop ALL --cap-add CHOWN --security-opt no-new-privileges --name n --hostname h \
         --network host --publish 1:2 --add-host x:1.2.3.4 --env K=V --user 5:6 --workdir /w --entrypoint /e \
         --platform linux/amd64 --security-opt seccomp=unconfined --sysctl net.x=1 --init img a --b"
    );
}

#[test]
fn docker_makes_mounts_that_were_only_read_read_only() {
    let mut build = Build::new("img:1")
        .mount("/a", MountKind::Volume, Some("va"))
        .mount("/b", MountKind::Bind, Some("/h"))
        .mount("/c", MountKind::Tmpfs, None)
        .mount("/d", MountKind::Volume, Some("0".repeat(64).as_str()))
        .mount("/e", MountKind::ImageVolume, Some("1".repeat(64).as_str()))
        .mount("/f", MountKind::Volume, Some("vf"))
        .write(Op::Create, "/f/x");
    let option = |flag, value: &str| MountOption { flag, value: value.to_owned() };
    build.config().mounts = vec![
        option(MountFlag::Volume, "va:/a"),
        option(MountFlag::Mount, "type=bind,src=/h,dst=/b"),
        option(MountFlag::Tmpfs, "/c:size=1m"),
        option(MountFlag::Volume, "/d"),
        option(MountFlag::Volume, "vf:/f"),
    ];
    let arguments = docker_arguments(&build.profile, &build.plan()).unwrap().join(" ");
    for want in [
        "--volume va:/a:ro ",
        "--mount type=bind,src=/h,dst=/b,readonly ",
        "--tmpfs /c:ro,size=1m ",
        "--mount type=volume,source=img-d,target=/d,readonly ",
        "--mount type=volume,source=img-e,target=/e,readonly ",
        "--volume vf:/f ",
    ] {
        assert!(arguments.contains(want), "{want}: {arguments}");
    }
}

#[test]
fn docker_needs_a_container() {
    let mut build = Build::new("img");
    build.config().image = "--rm".to_owned();
    assert!(matches!(docker_arguments(&build.profile, &build.plan()), Err(FormatError::Image(_))));
    build.profile.subject.config = None;
    assert!(matches!(docker_arguments(&build.profile, &build.plan()), Err(FormatError::NoContainer)));
    let mut build = Build::new("img");
    build.config().env = vec!["A=\0".to_owned()];
    let result = render(Format::Docker, &build.profile, &build.plan(), &Options::default());
    assert!(matches!(result, Err(FormatError::Nul { .. })));
}

/// The words of a command line, by a shell's rules for line continuation and quoting.
fn words(command: &str) -> Vec<String> {
    // shlex takes a word for begun by a continued line; a shell does not. Outside quotes the text has no
    // backslash but those at the end of a line, inside single quotes it may: hence only there.
    let mut plain = String::new();
    let mut quote = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\\') if chars.peek() == Some(&'\n') => {
                chars.next();
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some('"'), '\\') => {
                plain.push(c);
                plain.extend(chars.next());
                continue;
            }
            _ => {}
        }
        plain.push(c);
    }
    shlex::split(&plain).unwrap()
}

proptest! {
    #[test]
    fn a_command_line_carries_every_word(
        env in proptest::collection::vec("[^\0]{0,20}", 0..4),
        args in proptest::collection::vec("[ -~\n\\\\'\"$`!]{0,20}", 0..4),
        name in "/[^\0/]{1,20}",
    ) {
        let mut build = Build::new("img").dirs(&[name.as_str()]).write(Op::Create, &format!("{name}/x"));
        build.config().env = env.iter().map(|value| format!("K={value}")).collect();
        build.config().args = args;
        let plan = build.plan();
        let arguments = docker_arguments(&build.profile, &plan).unwrap();
        let text = render(Format::Docker, &build.profile, &plan, &Options::default()).unwrap();
        let command: String = text.split_inclusive('\n').skip_while(|line| line.starts_with('#')).collect();
        let words = words(&command);
        prop_assert_eq!(&words[..2], ["docker", "run"]);
        prop_assert_eq!(&words[2..], &arguments[..]);
    }

    #[test]
    fn compose_survives_any_name(name in "/[^\0/]{1,30}", process in "\\PC{0,30}|[^\0]{0,30}") {
        let build = Build::new("img")
            .by(&process, reports::model::Phase::Steady)
            .dirs(&[name.as_str()])
            .write(Op::Create, &format!("{name}/x"))
            .required("CHOWN", &process, &process);
        let plan = build.plan();
        let text = rendered(Format::Compose, &build);
        let file = yaml(&text);
        let service = &file["services"]["img"];
        prop_assert_eq!(&service["cap_add"], &serde_json::json!(["CHOWN"]));
        if let Some(mount) = plan.tmpfs.first() {
            let found = service["tmpfs"][0].as_str().or(service["volumes"][0]["target"].as_str()).unwrap();
            let target = mount.target.as_str().unwrap();
            let start = found.replace("$$", "$");
            prop_assert!(start.starts_with(target), "{} {}", found, target);
        }
    }

    #[test]
    fn kubernetes_and_unit_files_survive_any_name(
        name in "/[^\0/]{1,30}", process in "\\PC{0,30}|[^\0]{0,30}", args in proptest::collection::vec("[^\0]{0,9}", 0..3),
    ) {
        let mut build = Build::new("img")
            .by(&process, reports::model::Phase::Steady)
            .dirs(&[name.as_str()])
            .write(Op::Create, &format!("{name}/x"))
            .required("CHOWN", &process, &process);
        build.config().args = args;
        let plan = build.plan();
        let print = |format| render(format, &build.profile, &plan, &Options::default());
        match print(Format::Kubernetes) {
            Ok(text) => {
                let container = &yaml(&text)["spec"]["template"]["spec"]["containers"][0];
                for (place, mount) in plan.writable_targets().iter().enumerate() {
                    prop_assert_eq!(&container["volumeMounts"][place]["mountPath"], mount.as_str().unwrap());
                }
            }
            Err(error) => {
                let colon = matches!(error, FormatError::MountPath { .. }) && name.contains(':');
                prop_assert!(colon, "{}", error);
            }
        }
        for format in [Format::Quadlet, Format::Systemd] {
            let Ok(text) = print(format) else {
                let config = build.profile.subject.config.as_ref().unwrap();
                prop_assert!(format == Format::Quadlet && config.args.contains(&String::new()));
                continue;
            };
            // Every line is a comment, a section or a setting, and none goes on in the next.
            for line in text.lines() {
                let key = line.split('=').next().unwrap();
                let setting = key.len() < line.len() && key.chars().all(|c| c.is_ascii_alphanumeric());
                prop_assert!(line.is_empty() || line.starts_with(['#', '[']) || setting, "{:?}", line);
                prop_assert!(line.starts_with('#') || !line.ends_with('\\'), "{:?}", line);
                prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            }
        }
    }
}

#[test]
fn a_real_shell_reads_the_same_words() {
    let build = subjects::hostile();
    let plan = build.plan();
    let text = render(Format::Docker, &build.profile, &plan, &Options::default()).unwrap();
    let script = text.replacen("docker run", "printf '%s\\0'", 1);
    let Ok(output) = std::process::Command::new("sh").arg("-c").arg(script).output() else {
        println!("skipped: there is no sh");
        return;
    };
    let words: Vec<String> =
        String::from_utf8(output.stdout).unwrap().split_terminator('\0').map(str::to_owned).collect();
    assert_eq!(words, docker_arguments(&build.profile, &plan).unwrap());
    assert!(plan.writable_targets().contains(&&path("/c,d")));
}
