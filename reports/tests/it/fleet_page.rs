//! `docs/fleet.md` and the recipes of `docs/deploy`: the manifests are of the Kubernetes API, every recipe gives the
//! privileges that `docs/install.md` lists and no others, and what is shell in them works, with stand-ins for Docker and
//! for a node. Nothing is applied to a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::page::{blocks, docs, text};

const MANIFESTS: [&str; 2] = ["daemonset.yaml", "job.yaml"];

fn manifest(name: &str) -> Value {
    serde_saphyr::from_str(&text(&format!("deploy/{name}"))).unwrap()
}

fn pod(name: &str) -> Value {
    manifest(name)["spec"]["template"]["spec"].take()
}

/// The options of the first `docker run` of a page or script, without the image and what follows it.
fn docker_options(text: &str) -> BTreeSet<String> {
    let command = text.split_once("\ndocker run ").unwrap().1.split("\n\n").next().unwrap();
    let words = shlex::split(&command.replace("\\\n", " ")).unwrap();
    let options: BTreeSet<_> =
        words.into_iter().take_while(|word| word.starts_with("--")).filter(|word| word != "--rm").collect();
    assert!(!options.is_empty());
    options
}

/// What `docs/install.md` lists.
fn privileges() -> BTreeSet<String> {
    docker_options(&text("install.md"))
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// As the API's type has it: what that does not know is not in it.
fn as_typed(name: &str, value: &Value) -> Value {
    match name {
        "daemonset.yaml" => {
            serde_json::to_value(serde_json::from_value::<DaemonSet>(value.clone()).unwrap()).unwrap()
        }
        _ => serde_json::to_value(serde_json::from_value::<Job>(value.clone()).unwrap()).unwrap(),
    }
}

#[test]
fn the_api_knows_every_field() {
    for name in MANIFESTS {
        let ours = manifest(name);
        assert_eq!(as_typed(name, &ours), ours, "{name}");
        let mut misspelt = ours.clone();
        misspelt["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] =
            json!(true);
        assert_ne!(as_typed(name, &misspelt), misspelt, "{name}");
    }
}

#[test]
fn a_manifest_gives_the_least_privileges() {
    let privileges = privileges();
    let added: Vec<&str> = privileges.iter().filter_map(|option| option.strip_prefix("--cap-add=")).collect();
    for option in ["--pid=host", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"] {
        assert!(privileges.contains(option), "{option}");
    }
    for name in MANIFESTS {
        let pod = pod(name);
        assert_eq!(pod["hostPID"], true, "{name}");
        for field in ["hostNetwork", "hostIPC"] {
            assert!(pod[field].is_null(), "{name}: {field}");
        }
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let container = &pod["containers"][0];
        let mut security = container["securityContext"].clone();
        let mut capabilities = strings(&security["capabilities"]["add"]);
        capabilities.sort_unstable();
        assert_eq!(capabilities, added, "{name}");
        security["capabilities"]["add"].take();
        let expected = json!({
            "runAsUser": 0,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"], "add": null },
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        assert_eq!(security, expected, "{name}");
        // Of the host: the cgroups, and a directory for profiles.
        let mounts = container["volumeMounts"].as_array().unwrap();
        let writable = mounts.iter().filter(|mount| mount["readOnly"] != true);
        let writable: Vec<_> = writable.map(|mount| mount["mountPath"].as_str().unwrap()).collect();
        assert_eq!(writable, ["/profiles"], "{name}");
        let cgroup = json!({ "name": "cgroup", "mountPath": "/sys/fs/cgroup", "readOnly": true });
        assert!(mounts.contains(&cgroup), "{name}");
        assert!(privileges.contains("--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro"));
        for init in pod["initContainers"].as_array().into_iter().flatten() {
            let security = &init["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
        }
    }
}

#[test]
fn the_recipe_for_docker_gives_the_same() {
    assert_eq!(docker_options(&text("deploy/docker-run.sh")), privileges());
}

#[test]
fn every_option_is_one_of_attach() {
    let commands = text("commands.md");
    let attach = commands.split_once("\n## attach\n").unwrap().1.split("\n## ").next().unwrap();
    let recipe = text("deploy/docker-run.sh");
    let recipe = recipe.split_once("\"$image\" ").unwrap().1.lines().next().unwrap().to_owned();
    let recipe: Vec<String> = shlex::split(&recipe).unwrap();
    let mut all = vec![recipe];
    for name in MANIFESTS {
        let pod = pod(name);
        all.push(strings(&pod["containers"][0]["args"]).into_iter().map(str::to_owned).collect());
    }
    for arguments in all {
        assert_eq!(arguments[0], "attach");
        let options = arguments.iter().filter(|word| word.starts_with("--") && *word != "--");
        for option in options {
            let (name, _) = option.split_once('=').unwrap();
            assert!(attach.contains(&format!("{name} <")), "{option}");
        }
    }
}

#[test]
fn the_page_tells_all_of_it() {
    let page = text("fleet.md");
    let mut recipes = String::new();
    for entry in fs::read_dir(docs().join("deploy")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(page.contains(&format!("(deploy/{name})")), "{name}");
        recipes += &text(&format!("deploy/{name}"));
    }
    for option in privileges() {
        assert!(page.contains(&format!("\n| `{option}` | ")), "{option}");
    }
    let excerpts = blocks(&page, "yaml");
    assert!(!excerpts.is_empty());
    for excerpt in &excerpts {
        assert!(recipes.contains(excerpt), "not in a recipe: {excerpt}");
    }
}

/// A script that is there to be executed.
fn executable(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_recipe_for_docker_leaves_a_whole_profile_or_none() {
    // What the stand-in for Docker prints and ends with, and how many files are left.
    for (printed, status, left) in
        [("{}", 0, 1), ("{}", 4, 1), ("{}", 1, 1), ("", 1, 0), ("", 3, 0), ("{", 137, 0)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (profiles, arguments) = (folder.path().join("the profiles"), folder.path().join("arguments"));
        executable(
            &folder.path().join("docker"),
            &format!(
                "#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\nprintf %s '{printed}'\nexit {status}\n",
                arguments.display()
            ),
        );
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .arg(docs().join("deploy/docker-run.sh"))
            .arg("my container")
            .args([profiles.as_os_str(), "5s".as_ref()])
            .env("PATH", path)
            .env("WRITEPATH_IMAGE", "writepath:test")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{error}");
        let names = fs::read_dir(&profiles).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        assert_eq!(names.len(), left, "{printed:?} {status}: {names:?}");
        for name in names {
            assert!(!name.starts_with('.') && name.contains("-my container-"), "{name}");
            assert!(name.ends_with(".json"), "{name}");
            assert_eq!(fs::read_to_string(profiles.join(name)).unwrap(), printed);
        }
        let arguments = fs::read_to_string(arguments).unwrap();
        let behind = "writepath:test\nattach\n--output=-\n--duration=5s\n--\nmy container\n";
        assert!(arguments.ends_with(behind), "{arguments}");
    }
}

#[test]
fn the_recipe_for_docker_tells_how_it_is_used() {
    let recipe = docs().join("deploy/docker-run.sh");
    let output = Command::new("sh").arg(&recipe).arg("container").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("docker-run.sh CONTAINER DIRECTORY"));
    let output = Command::new("sh")
        .arg(&recipe)
        .args(["container", "x"])
        .env_remove("WRITEPATH_IMAGE")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("name the image"));
}

/// The init container's script, on a node that is a temporary directory.
#[test]
fn the_cgroup_is_found_under_every_driver() {
    let pod = pod("daemonset.yaml");
    let init = &pod["initContainers"][0];
    let script = init["args"][0].as_str().unwrap();
    // Kubernetes expands `$(NAME)` in arguments, and takes `$$` for `$`.
    assert!(!script.contains("$(") && !script.contains("$$"), "{script}");
    let variable = |name: &str| {
        let variables = init["env"].as_array().unwrap().iter();
        let mut found =
            variables.filter(|variable| variable["name"] == name).map(|variable| &variable["value"]);
        found.next_back().unwrap().as_str().unwrap().to_owned()
    };
    let container = variable("CONTAINER");
    let arguments = strings(&pod["containers"][0]["args"]);
    assert!(arguments.contains(&format!("--cgroup=/subject/{container}").as_str()), "{arguments:?}");

    let (id, other, gone) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));
    let (uid, uid_of_systemd) = ("pod1234-5678", "pod1234_5678");
    let slice = format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{uid_of_systemd}.slice");
    for cgroup in [
        format!("{slice}/cri-containerd-{id}.scope"),
        format!("{slice}/crio-{id}.scope"),
        format!("kubepods/burstable/{uid}/{id}"),
        format!("unified/kubepods/{uid}/{id}"),
    ] {
        let node = tempfile::tempdir().unwrap();
        let at = |path: &str| node.path().join(path);
        let (cgroups, logs, subject) = (at("cgroup"), at("logs"), at("subject"));
        for directory in [&cgroups, &logs, &subject] {
            fs::create_dir(directory).unwrap();
        }
        let make = |path: &str, version_2: bool| {
            let directory = cgroups.join(path);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("cgroup.procs"), "").unwrap();
            if version_2 {
                fs::write(directory.join("cgroup.controllers"), "").unwrap();
            }
        };
        make(&cgroup, true);
        make(&format!("{slice}/crio-conmon-{id}.scope"), true);
        make(&format!("kubepods/{uid}/{other}"), true);
        // Of version 1, on a hybrid host.
        make(&format!("memory/kubepods/{uid}/{id}"), false);
        let (name, namespace) = (variable("POD"), variable("NAMESPACE"));
        for log in [
            format!("{name}x_{namespace}_{container}-{id}.log"),
            // One that ran before it in the same pod, and others.
            format!("{name}x_{namespace}_{container}-{gone}.log"),
            format!("{name}x_{namespace}_sidecar-{other}.log"),
            format!("{name}x_elsewhere_{container}-{other}.log"),
            format!("another_{namespace}_{container}-{other}.log"),
        ] {
            symlink("/nonexistent/0.log", logs.join(log)).unwrap();
        }
        let script = script
            .replace("/sys/fs/cgroup", cgroups.to_str().unwrap())
            .replace("/var/log/containers", logs.to_str().unwrap())
            .replace("/subject", subject.to_str().unwrap());
        let mut command = Command::new("timeout");
        command.arg("60").args(strings(&init["command"])).arg(script);
        for variable in ["POD", "NAMESPACE", "CONTAINER"].map(|name| (name, variable(name))) {
            command.env(variable.0, variable.1);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{cgroup}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read_link(subject.join(&container)).unwrap(), cgroups.join(&cgroup));
    }
}
