//! The patch of a Deployment against the Kubernetes API's own types, and laid over a Deployment by kubectl.

use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use reports::format::{Format, FormatError, Options, render};
use reports::model::{Op, Phase};
use reports::plan::{NON_ROOT, with_alternative};
use serde_json::Value;

use super::{expressible, is_there, run, text_of};
use crate::build::Build;

/// Every field of `ours` stands in `theirs` with the same value: what the API does not know, its types drop.
fn is_within(ours: &Value, theirs: &Value) -> Result<(), String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                let there = theirs.get(key).ok_or_else(|| format!("`{key}` is no field"))?;
                is_within(value, there).map_err(|error| format!("{key}: {error}"))?;
            }
            Ok(())
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            ours.iter().zip(theirs).try_for_each(|(ours, theirs)| is_within(ours, theirs))
        }
        (ours, theirs) if ours == theirs => Ok(()),
        (ours, theirs) => Err(format!("{ours} became {theirs}")),
    }
}

#[test]
fn the_api_knows_every_field() {
    for build in expressible() {
        let text = text_of(Format::Kubernetes, &build);
        let ours: Value = serde_saphyr::from_str(&text).unwrap();
        let typed: Deployment = serde_json::from_value(ours.clone()).unwrap();
        is_within(&ours, &serde_json::to_value(&typed).unwrap())
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        let pod = typed.spec.template.spec.unwrap();
        let mut mounts: Vec<_> =
            pod.containers[0].volume_mounts.iter().flatten().map(|m| &m.mount_path).collect();
        mounts.sort();
        let plan = build.plan();
        let planned: Vec<_> = plan.writable_targets().iter().map(|target| target.as_str().unwrap()).collect();
        assert_eq!(mounts, planned, "{text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for line in lines.filter(|line| line.contains("mountPath") || line.contains(": true")) {
            assert!(line.contains(" # "), "no reason behind {line:?}");
        }
    }
}

#[test]
fn an_unknown_field_would_be_seen() {
    let ours = serde_json::json!({ "spec": { "replica": 1 } });
    let typed: Deployment = serde_json::from_value(ours.clone()).unwrap();
    assert!(is_within(&ours, &serde_json::to_value(typed).unwrap()).is_err());
}

#[test]
fn content_of_the_image_is_seeded() {
    let build = Build::new("app")
        .dir("/etc/app", "0755", 0, 0)
        .files(&["/etc/app/app.conf"])
        .write(Op::Create, "/etc/app/state");
    let text = text_of(Format::Kubernetes, &build);
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let pod = &file["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["emptyDir"]["medium"], "", "{text}");
    let init = &pod["initContainers"][0];
    assert_eq!(init["command"][4], "/etc/app", "{text}");
    assert_eq!(init["volumeMounts"][0]["name"], pod["volumes"][0]["name"]);
}

#[test]
fn without_root_volumes_are_given_to_the_user_first() {
    let build = crate::subjects::postgres()
        .by("/usr/lib/postgresql/16/bin/postgres", Phase::Steady)
        .user(999, 999, 9);
    let mut plan = with_alternative(&build.plan(), NON_ROOT).unwrap();
    plan.volumes[0].owner = Some("999:999".to_owned());
    let text = render(Format::Kubernetes, &build.profile, &plan, &Options::default()).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let pod = &file["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["fsGroup"], 999, "{text}");
    let own = &pod["containers"][0]["securityContext"];
    assert_eq!((&own["runAsUser"], &own["runAsGroup"]), (&999.into(), &999.into()), "{text}");
    assert!(own["capabilities"]["add"].is_null(), "{text}");
    let init = &pod["initContainers"][0];
    assert_eq!(init["securityContext"]["runAsUser"], 0);
    assert_eq!(init["command"][6], "999:999");
    assert!(init["command"][2].as_str().unwrap().contains("chown -R \"$$3\""), "{text}");
}

#[test]
fn a_filling_script_fills_once() {
    let text = text_of(Format::Kubernetes, &crate::subjects::redis());
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let command = &file["spec"]["template"]["spec"]["initContainers"][0]["command"];
    let directory = tempfile::tempdir().unwrap();
    let (image, volume) = (directory.path().join("image $x"), directory.path().join("volume"));
    for path in [&image, &volume] {
        std::fs::create_dir(path).unwrap();
    }
    std::fs::write(image.join("of the image"), "1").unwrap();
    std::fs::create_dir(volume.join("lost+found")).unwrap();
    // What Kubernetes hands on: `$$` is `$`, and no variable is named in it.
    let words = command.as_array().unwrap().iter().map(|word| word.as_str().unwrap().replace("$$", "$"));
    let mut words: Vec<String> = words.collect();
    words[4] = image.to_str().unwrap().to_owned();
    words[5] = volume.to_str().unwrap().to_owned();
    let fill = || run(Command::new(&words[0]).args(&words[1..]));
    fill();
    assert_eq!(std::fs::read(volume.join("of the image")).unwrap(), b"1");
    std::fs::write(volume.join("of the image"), "2").unwrap();
    fill();
    assert_eq!(std::fs::read(volume.join("of the image")).unwrap(), b"2");
}

#[test]
fn a_colon_in_a_mount_path_is_refused() {
    let build = Build::new("app").dirs(&["/a:b"]).write(Op::Create, "/a:b/x");
    let result = render(Format::Kubernetes, &build.profile, &build.plan(), &Options::default());
    assert!(matches!(result, Err(FormatError::MountPath { target, .. }) if target == "/a:b"));
    for name in ["", "A", "-a", "a b", &"a".repeat(64)] {
        let options = Options { service: Some(name.to_owned()), ..Options::default() };
        let build = Build::new("app");
        let result = render(Format::Kubernetes, &build.profile, &build.plan(), &options);
        assert!(matches!(result, Err(FormatError::Label(_))), "{name:?}");
    }
}

#[test]
fn kubectl_lays_the_patch_over_a_deployment() {
    if !is_there("kubectl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("base.yaml");
    for build in expressible() {
        let options = Options { service: Some("app".to_owned()), ..Options::default() };
        let text = render(Format::Kubernetes, &build.profile, &build.plan(), &options).unwrap();
        std::fs::write(
            &base,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  selector: {matchLabels: {app: app}}\n  \
             template:\n    metadata: {labels: {app: app}}\n    spec:\n      containers: [{name: app, image: x, \
             volumeMounts: [{name: own, mountPath: /own}]}]\n      volumes: [{name: own, emptyDir: {}}]\n",
        )
        .unwrap();
        let merged = run(Command::new("kubectl")
            .args(["patch", "--local", "--output", "json", "--type", "strategic", "--filename"])
            .arg(&base)
            // Not --patch-file, which Debian 12's kubectl (1.20) does not have.
            .arg("--patch")
            .arg(&text)
            // No cluster and no configuration of the host.
            .env("KUBECONFIG", directory.path().join("none"))
            .env("HOME", directory.path()));
        let merged: Value = serde_json::from_str(&merged).unwrap();
        let pod = &merged["spec"]["template"]["spec"];
        assert_eq!(pod["containers"].as_array().unwrap().len(), 1, "{merged}");
        let container = &pod["containers"][0];
        assert_eq!(container["image"], "x");
        let mounts: Vec<_> = container["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["mountPath"].as_str().unwrap())
            .collect();
        let plan = build.plan();
        for target in plan.writable_targets() {
            assert!(mounts.contains(&target.as_str().unwrap()), "{target} in {merged}");
        }
        assert!(mounts.contains(&"/own"));
    }
}
