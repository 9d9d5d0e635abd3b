//! Compose projects: what is read of a resolved one, the order of its services, how it is made for a run, and the override
//! file, also over the project's own file by docker-compose itself.

use std::process::Command;

use proptest::prelude::*;
use reports::model::{MountKind, Op, Phase, Profile};
use reports::plan::{Plan, recommend};
use reports::project::{
    Condition, Definition, DefinitionError, HARDENED_FILE, Manifest, ManifestError, ServiceProfile, hardened,
    instance, levels, merge_replicas,
};
use serde_json::{Value, json};

use crate::build::Build;
use crate::laws::{any_step, build};
use crate::subjects;

/// As docker-compose 1.29 prints it, and in the long forms of Compose v2.
const SHOP: &str = r#"
name: shop
services:
  web:
    image: nginx:1.27
    depends_on: { app: { condition: service_started, required: true } }
    volumes: [ "/srv/site:/usr/share/nginx/html:rw", "logs:/var/log/nginx:rw" ]
    cap_add: [ CAP_CHOWN, NET_ADMIN ]
    security_opt: [ "no-new-privileges:true" ]
  twin:
    image: nginx:1.27
    read_only: true
    user: "0"
    volumes:
    - { type: bind, source: /srv/site, target: /usr/share/nginx/html, read_only: true }
    - { type: volume, source: logs, target: /var/log/nginx }
    - { type: tmpfs, target: /scratch }
    cap_drop: [ all ]
  app:
    build: { context: /src }
    environment: { SECRET: a$$b }
    depends_on: { db: { condition: service_healthy }, job: { condition: service_completed_successfully } }
    links: [ "db:database" ]
    networks: [ back ]
  db:
    image: postgres:16
    labels: [ "x=y" ]
    networks: { back: null }
  job:
    image: postgres:16
    profiles: [ tools ]
    network_mode: "service:db"
    volumes_from: [ "service:db:ro", "container:other" ]
networks: { back: null, outer: { external: true } }
volumes: { logs: null, other: { external: { name: theirs } } }
"#;

fn parse(text: &str) -> Result<Definition, DefinitionError> {
    Definition::parse(text.as_bytes())
}

#[test]
fn what_config_prints_is_read_in_all_its_forms() {
    let shop = parse(SHOP).unwrap();
    let app = &shop.services["app"];
    assert!(app.builds && app.image.is_none());
    let conditions: Vec<_> = app.depends_on.iter().map(|(name, how)| (name.as_str(), *how)).collect();
    assert_eq!(conditions, [("db", Condition::Healthy), ("job", Condition::Completed)]);
    assert_eq!(shop.services["job"].depends_on.len(), 1, "its network is the other's");
    assert_eq!(
        levels(&shop).unwrap(),
        [vec!["db", "twin"], vec!["job"], vec!["app"], vec!["web"]]
            .map(|level| level.into_iter().map(str::to_owned).collect::<Vec<_>>())
    );
    let names = |set: std::collections::BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" ");
    let chosen = |services: &[&str], profiles: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        shop.chosen(&owned(services), &owned(profiles)).map(names)
    };
    assert_eq!(chosen(&["twin"], &[]), Ok("twin".to_owned()));
    assert_eq!(chosen(&["app"], &[]), Ok("app db job".to_owned()));
    assert_eq!(chosen(&[], &[]), Ok("app db job twin web".to_owned()), "a dependency needs no profile");
    assert_eq!(chosen(&["none"], &[]), Err("none".to_owned()));
}

#[test]
fn what_cannot_be_used_is_named() {
    let circle = "services: { a: { depends_on: [b] }, b: { depends_on: [a] }, c: {} }";
    for (text, words) in [
        ("services: [", "no YAML"),
        ("[]", "the top"),
        ("{}", "no services"),
        ("services: {}", "no services"),
        ("services: 1", "services: it should be a mapping"),
        ("services: { a: 1 }", "services.a"),
        ("services: { a: { cap_add: 1 } }", "services.a.cap_add"),
        ("services: { a: { image: [] } }", "services.a.image"),
        ("services: { a: { volumes: [1] } }", "services.a.volumes"),
        ("services: { a: { depends_on: [b] } }", "`a` depends on `b`"),
        ("services: { a: { depends_on: { a: { condition: x } } } }", "services.a.depends_on"),
        ("services: { '../a': {} }", "`../a` is no name"),
        (circle, "in a circle: a, b"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let many: String = (0..201).map(|number| format!("  s{number}: {{}}\n")).collect();
    assert_eq!(parse(&format!("services:\n{many}")), Err(DefinitionError::TooMany));
    let large = vec![b' '; reports::project::MAX_DEFINITION_BYTES + 1];
    assert_eq!(Definition::parse(&large), Err(DefinitionError::TooLarge));
}

#[test]
fn for_a_run_everything_of_the_projects_own_is_labelled_and_nothing_else() {
    let made = instance(&parse(SHOP).unwrap(), ("owner", "7 8"), &|service| format!("shop_{service}")).file;
    let made: Value = serde_json::from_str(&made).unwrap();
    let label = json!({ "owner": "7 8" });
    for (place, want) in [
        ("/name", None),
        ("/services/web/labels", Some(label.clone())),
        ("/services/db/labels", Some(json!(["x=y", "owner=7 8"]))),
        ("/services/app/image", Some(json!("shop_app"))),
        ("/services/app/build", None),
        ("/services/app/depends_on", None),
        ("/services/app/environment/SECRET", Some(json!("a$$b"))),
        ("/services/job/profiles", None),
        ("/networks/default/labels", Some(label.clone())),
        ("/networks/back/labels", Some(label.clone())),
        ("/networks/outer/labels", None),
        ("/volumes/logs/labels", Some(label)),
        ("/volumes/other/labels", None),
    ] {
        assert_eq!(made.pointer(place), want.as_ref(), "{place}");
    }
    // Compose warns of a network that nobody uses.
    let none =
        instance(&parse("services: { a: { network_mode: host } }").unwrap(), ("l", "v"), &str::to_owned);
    assert!(!none.file.contains("default"), "{}", none.file);
}

/// A service that writes where its image declares a volume, and reads another mount.
fn writer(image: &str) -> Build {
    Build::new(image)
        .dirs(&["/data", "/var", "/var/lib", "/var/lib/app"])
        .files(&["/var/lib/app/seed"])
        .mount("/data", MountKind::ImageVolume, None)
        .by("/bin/app", Phase::Steady)
        .writes(Op::Create, &["/data/x", "/var/lib/app/y", "/tmp/z"])
}

fn services<'a>(named: &[(&'a str, usize)], profiles: &'a [(Profile, Plan)]) -> Vec<ServiceProfile<'a>> {
    let both = named.iter().zip(profiles);
    both.map(|((name, replicas), (profile, plan))| ServiceProfile {
        name,
        profile,
        plan,
        replicas: *replicas,
    })
    .collect()
}

fn planned(builds: Vec<Build>) -> Vec<(Profile, Plan)> {
    builds.into_iter().map(|build| (build.profile.clone(), recommend(&build.profile))).collect()
}

#[test]
fn the_override_says_what_the_file_does_not() {
    let shop = parse(SHOP).unwrap();
    let profiles =
        planned(vec![subjects::nginx(), subjects::nginx(), subjects::postgres(), subjects::redis()]);
    let named = [("web", 1), ("twin", 1), ("db", 1), ("app", 1)];
    insta::assert_snapshot!("hardened", hardened(&shop, &services(&named, &profiles)).unwrap());
}

#[test]
fn services_of_one_image_get_volumes_of_their_own() {
    let file = "services: { a: { image: app }, b: { image: app }, c: { image: app } }\nvolumes: { a-data: }";
    let project = parse(file).unwrap();
    let profiles = planned(vec![writer("app"), writer("app"), writer("app")]);
    let text = hardened(&project, &services(&[("a", 1), ("b", 1), ("c", 3)], &profiles)).unwrap();
    let merged: Value = serde_saphyr::from_str(&text).unwrap();
    let volumes: Vec<&String> = merged["volumes"].as_object().unwrap().keys().collect();
    assert_eq!(volumes, ["a-data-2", "a-var-lib-app", "b-data", "b-var-lib-app"], "{text}");
    let of_scaled = merged["services"]["c"]["volumes"].as_array().unwrap();
    assert!(of_scaled.iter().all(|volume| volume.get("source").is_none()), "{text}");
    assert!(of_scaled.iter().all(|volume| volume["target"] != "/data"), "the image makes it: {text}");
}

#[test]
fn a_project_that_has_all_of_it_gets_an_override_that_changes_nothing() {
    let file = r#"
services:
  a:
    image: app
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges"]
"#;
    let profiles = planned(vec![Build::new("app")]);
    let text = hardened(&parse(file).unwrap(), &services(&[("a", 1)], &profiles)).unwrap();
    assert!(text.contains("Nothing is to be added"), "{text}");
    let merged: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(merged, json!({ "services": { "a": {} } }));
}

#[test]
fn docker_compose_lays_it_over_the_projects_file() {
    if Command::new("docker-compose").arg("version").output().is_err() {
        println!("skipped: docker-compose is not installed");
        return;
    }
    let directory = std::env::temp_dir().join(format!("writepath-project-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = r#"
services:
  web: { image: x, volumes: ["/srv/site:/usr/share/nginx/html"], tmpfs: ["/own"], cap_add: [CHOWN, NET_ADMIN] }
  evil: { image: x }
  done: { image: x, read_only: true, cap_drop: [ALL], security_opt: ["no-new-privileges"] }
"#;
    let project = parse(file).unwrap();
    let profiles = planned(vec![subjects::nginx(), subjects::hostile(), Build::new("x")]);
    let text = hardened(&project, &services(&[("web", 1), ("evil", 1), ("done", 1)], &profiles)).unwrap();
    let base = directory.join("compose.yaml");
    let over = directory.join(HARDENED_FILE);
    std::fs::write(&base, file).unwrap();
    std::fs::write(&over, &text).unwrap();
    let output = Command::new("docker-compose")
        .arg("-f")
        .arg(&base)
        .arg("-f")
        .arg(&over)
        .arg("config")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    let merged: Value = serde_saphyr::from_slice(&output.stdout).unwrap();
    let web = &merged["services"]["web"];
    assert_eq!(web["volumes"].as_array().unwrap().len(), 1, "the mount is replaced: {merged}");
    assert_eq!(web["cap_add"], json!(["CHOWN", "NET_ADMIN", "SETGID", "SETUID"]));
    assert_eq!(web["tmpfs"].as_array().unwrap().len(), 1 + profiles[0].1.tmpfs.len());
    // What was meant is what Compose has of it.
    let back = Definition::parse(&output.stdout).unwrap();
    let again = hardened(&back, &services(&[("web", 1), ("evil", 1), ("done", 1)], &profiles)).unwrap();
    let left: Value = serde_saphyr::from_str(&again).unwrap();
    assert!(left["services"].get("done").is_none() || left["services"]["done"] == json!({}), "{again}");
    assert!(left["services"]["web"].get("read_only").is_none(), "{again}");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_manifest_names_files_of_its_own_directory_only() {
    let text = |schema: &str, profile: &str| {
        format!(
            "schema: {schema}\nproject: p\nfiles: [/c.yaml]\nservices: {{ a: {{ profile: {profile}, replicas: 1 }} }}"
        )
    };
    let good = Manifest::from_yaml(text("writepath.project/v1", "a.json").as_bytes()).unwrap();
    assert_eq!(Manifest::from_yaml(good.to_yaml().unwrap().as_bytes()), Ok(good));
    for (schema, profile, want) in [
        ("writepath.project/v2", "a.json", "field `schema`"),
        ("writepath.project/v1", "../a.json", "field `services.a.profile`"),
        ("writepath.project/v1", "/etc/passwd", "field `services.a.profile`"),
    ] {
        let error = Manifest::from_yaml(text(schema, profile).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
    assert!(matches!(Manifest::from_yaml(b"services: 1"), Err(ManifestError::Yaml(_))));
}

proptest! {
    /// Whichever container is looked at first, the service did the same, and one that did the same adds no place.
    #[test]
    fn profiles_of_replicas_are_joined_in_any_order(
        one in proptest::collection::vec(any_step(), 0..10),
        two in proptest::collection::vec(any_step(), 0..10),
    ) {
        let of = |steps| build(&[], steps).profile;
        let join = |profiles| merge_replicas(profiles).unwrap().unwrap();
        let (one, two) = (of(&one), of(&two));
        let forth = join(vec![one.clone(), two.clone()]);
        prop_assert_eq!(&forth, &join(vec![two, one.clone()]));
        prop_assert_eq!(&forth, &join(vec![forth.clone(), one.clone()]));
        let twice = join(vec![one.clone(), one.clone()]);
        // A pair of directories whose names were not all kept stands for renames of single names, too.
        prop_assert!(one.writes.iter().all(|write| twice.writes.iter().any(|other| other.op == write.op
            && (other.path == write.path || other.collapsed && write.path.is_within(&other.path)))));
        prop_assert_eq!(&recommend(&twice).tmpfs.iter().map(|mount| mount.target.clone()).collect::<Vec<_>>(), &recommend(&one).tmpfs.iter().map(|mount| mount.target.clone()).collect::<Vec<_>>());
    }
}
