//! The Compose override laid over a base file by docker-compose itself, where it is installed.

use std::process::Command;

use reports::format::{Format, Options, render};

use crate::subjects;

#[test]
fn docker_compose_accepts_the_override() {
    if Command::new("docker-compose").arg("version").output().is_err() {
        println!("skipped: docker-compose is not installed");
        return;
    }
    let directory = std::env::temp_dir().join(format!("writepath-compose-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let base = directory.join("compose.yaml");
    let snippet = directory.join("snippet.yaml");
    std::fs::write(&base, "version: \"3.7\"\nservices:\n  svc:\n    image: x\n    cap_add: [NET_ADMIN]\n")
        .unwrap();
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        let plan = build.plan();
        let options = Options { service: Some("svc".to_owned()), ..Options::default() };
        let text = render(Format::Compose, &build.profile, &plan, &options).unwrap();
        std::fs::write(&snippet, &text).unwrap();
        let output = Command::new("docker-compose")
            .arg("-f")
            .arg(&base)
            .arg("-f")
            .arg(&snippet)
            .arg("config")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}\n{text}");
        let merged: serde_json::Value = serde_saphyr::from_slice(&output.stdout).unwrap();
        let service = &merged["services"]["svc"];
        assert_eq!(service["image"], "x");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]));
        let listed: usize =
            ["tmpfs", "volumes"].map(|key| service[key].as_array().map_or(0, Vec::len)).iter().sum();
        let planned = plan.tmpfs.len() + plan.volumes.len() + plan.mounts_read_only.len();
        assert_eq!(listed, planned, "{merged}\n{text}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
