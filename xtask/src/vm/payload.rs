//! What a machine is given to do: files, images, and jobs in their order. Everything that is run in machines is put
//! together here; the rest of `vm` does not know what it runs.
//!
//! Files appear in the guest under the paths that they have on the host, since test programs know the binary under
//! test by its absolute path.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::disk;
use crate::command;
use crate::daemon::Daemon;
use crate::{images, workspace};

/// The script that the guest starts with.
const INIT: &str = include_str!("guest/init.sh");
/// The same for a guest whose first process is systemd.
const UNIT: &str = include_str!("guest/vm-test.service");

/// The test program that takes all images.
const APPLICATIONS: &str = "applications";
/// How the names of those profiles begin, among the results, from which is told what sensors were used.
pub(super) const SENSORS: &str = "sensors";
/// How the names of the directories begin, among the results, that hold what is compared between places.
pub(super) const COMPARED: &str = "compared";

/// How long one test program may take: under a processor that is translated everything is slow.
const TEST_LIMIT: Duration = Duration::from_secs(1800);

/// How much more patience tests are asked to have, and how much less load to make. Under KVM it does no harm.
const SLOWNESS: &str = "10";

/// What a machine is given to do.
pub(super) struct Payload {
    /// Files of the host, with absolute paths.
    files: Vec<PathBuf>,
    /// Images on the host's daemon.
    images: Vec<&'static str>,
    /// One after the other.
    jobs: Vec<Job>,
}

/// A command in the guest.
struct Job {
    name: String,
    environment: Vec<(&'static str, String)>,
    /// Lines for a shell.
    script: String,
    limit: Duration,
    /// The number of the group that it belongs to.
    group: usize,
    /// Nothing that comes later in its group makes sense where it ends with status 3: the host cannot do it.
    vital: bool,
}

impl Payload {
    /// The integration tests with these names, or all of them, once with each kind of sensors.
    pub(super) fn tests(names: &[String], filter: &[String], sensors: &[String]) -> Result<Self> {
        let names = match names {
            [] => all_tests()?,
            names => names.to_vec(),
        };
        let programs = build_tests(&names)?;
        let binary = shell(&[&programs.binary.display().to_string()])?;
        let mut jobs = Vec::new();
        for (group, kind) in (1..).zip(sensors) {
            let sensor = ("WRITEPATH_SENSOR", kind.clone());
            jobs.push(Job {
                name: format!("{SENSORS}-{kind}"),
                environment: vec![sensor.clone()],
                script: format!(
                    "{binary} doctor > \"$WRITEPATH_VM_RESULTS/doctor-{kind}.txt\" 2>&1\n\
                     exec {binary} -v run -o \"$WRITEPATH_VM_RESULTS/{SENSORS}-{kind}.json\" {} mkdir /tmp/x",
                    images::SUBJECT
                ),
                limit: Duration::from_secs(300),
                group,
                vital: true,
            });
            for (name, program) in &programs.tests {
                let environment = vec![
                    ("WRITEPATH_TEST_REQUIRE", "1".to_owned()),
                    ("WRITEPATH_TEST_DAEMON", "vm".to_owned()),
                    ("WRITEPATH_TEST_SLOWNESS", SLOWNESS.to_owned()),
                    // One at a time comes to its end sooner than several that wait for each other.
                    ("RUST_TEST_THREADS", "1".to_owned()),
                    sensor.clone(),
                ];
                let program = program.display().to_string();
                let words = [program.as_str()].into_iter().chain(filter.iter().map(String::as_str));
                jobs.push(Job {
                    name: format!("{name}-{kind}"),
                    environment,
                    script: format!(
                        "export WRITEPATH_TEST_RESULTS=\"$WRITEPATH_VM_RESULTS/{COMPARED}-{kind}\"\nexec {}",
                        shell(&words.collect::<Vec<_>>())?
                    ),
                    limit: TEST_LIMIT,
                    group,
                    vital: false,
                });
            }
        }
        let files = programs.tests.into_iter().map(|(_, program)| program).chain([programs.binary]).collect();
        let images = match names.iter().any(|name| name == APPLICATIONS) {
            true => images::names(),
            false => vec![images::SUBJECT],
        };
        Ok(Self { files, images, jobs })
    }

    /// How long all of it may take, besides booting.
    pub(super) fn limit(&self) -> Duration {
        self.jobs.iter().map(|job| job.limit).sum()
    }

    /// Builds the images that it needs, as far as they are missing.
    pub(super) fn build_images(&self, daemon: &dyn Daemon) -> Result<()> {
        if self.images == [images::SUBJECT] {
            images::build_subject(daemon)
        } else {
            images::build_all(daemon)
        }
    }

    /// Writes it to a disk; `work` is for the pieces.
    pub(super) fn write(&self, image: &Path, work: &Path, daemon: &dyn Daemon) -> Result<()> {
        let content = work.join("payload");
        for directory in ["tree", "jobs"] {
            fs::create_dir_all(content.join(directory))?;
        }
        let init = content.join("init");
        fs::write(&init, INIT)?;
        fs::write(content.join("vm-test.service"), UNIT)?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
        for file in &self.files {
            let place =
                content.join("tree").join(file.strip_prefix("/").context("a payload's paths are absolute")?);
            fs::create_dir_all(place.parent().unwrap_or(&content))?;
            fs::copy(file, &place).with_context(|| format!("{} cannot be copied", file.display()))?;
        }
        for (number, job) in self.jobs.iter().enumerate() {
            job.write(&content.join("jobs").join(format!("{number:02}-{}", job.name)))?;
        }
        if !self.images.is_empty() {
            let archive = content.join("images.tar");
            command::read(daemon.docker().arg("save").arg("--output").arg(&archive).args(&self.images))?;
        }
        disk::make(image, "payload", &content, disk::Size::Fitting)?;
        Ok(fs::remove_dir_all(&content)?)
    }
}

impl Job {
    fn write(&self, directory: &Path) -> Result<()> {
        fs::create_dir(directory)?;
        let mut script = String::new();
        for (name, value) in &self.environment {
            script.push_str(&format!("export {name}={}\n", shell(&[value])?));
        }
        script.push_str(&self.script);
        script.push('\n');
        fs::write(directory.join("run"), script)?;
        fs::write(directory.join("limit"), self.limit.as_secs().to_string())?;
        fs::write(directory.join("group"), self.group.to_string())?;
        if self.vital {
            fs::write(directory.join("vital"), "")?;
        }
        Ok(())
    }
}

/// The words as a shell takes them.
fn shell(words: &[&str]) -> Result<String> {
    shlex::try_join(words.iter().copied()).context("a word for a shell cannot hold a NUL")
}

/// Test programs, and the binary that they test.
#[derive(Debug, PartialEq, Eq)]
struct Programs {
    binary: PathBuf,
    /// Name and file.
    tests: Vec<(String, PathBuf)>,
}

/// The names of all integration tests: the files of `profiler/tests`.
fn all_tests() -> Result<Vec<String>> {
    let directory = workspace::root().join("profiler/tests");
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("{}", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Builds the tests as they would be shipped: a translated processor is slow enough.
fn build_tests(names: &[String]) -> Result<Programs> {
    let mut cargo = workspace::cargo();
    cargo.args([
        "test",
        "--release",
        "--no-run",
        "--package",
        "profiler",
        "--message-format=json-render-diagnostics",
    ]);
    for name in names {
        cargo.args(["--test", name]);
    }
    command::say(&format!("running {}", command::shown(&cargo)));
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("`{}` failed: {}", command::shown(&cargo), output.status);
    }
    let programs = programs(&String::from_utf8_lossy(&output.stdout))?;
    match names.iter().find(|name| !programs.tests.iter().any(|(built, _)| built == *name)) {
        Some(name) => bail!("cargo built no test program {name}"),
        None => Ok(programs),
    }
}

/// Reads cargo's messages.
fn programs(messages: &str) -> Result<Programs> {
    let (mut binary, mut tests) = (None, Vec::new());
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).with_context(|| format!("cargo said: {line}"))?;
        let (Some(name), Some(file)) = (message["target"]["name"].as_str(), message["executable"].as_str())
        else {
            continue;
        };
        if message["profile"]["test"] == true {
            tests.push((name.to_owned(), PathBuf::from(file)));
        } else if name == "writepath" {
            binary = Some(PathBuf::from(file));
        }
    }
    // Those that take long come last, so that the others' results are there soon.
    tests.sort_by_key(|(name, _)| (name == APPLICATIONS, name.clone()));
    Ok(Programs { binary: binary.context("cargo built no writepath")?, tests })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_messages_name_the_programs() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"writepath"},"profile":{"test":false},"executable":"/t/writepath"}
{"reason":"compiler-artifact","target":{"name":"operations"},"profile":{"test":true},"executable":"/t/deps/operations-1"}
{"reason":"build-finished","success":true}"#;
        let tests = vec![("operations".to_owned(), PathBuf::from("/t/deps/operations-1"))];
        assert_eq!(programs(messages).unwrap(), Programs { binary: PathBuf::from("/t/writepath"), tests });
        assert!(programs("{}").is_err());
    }

    #[test]
    fn all_tests_are_found() {
        let names = all_tests().unwrap();
        assert!(names.contains(&APPLICATIONS.to_owned()) && names.contains(&"operations".to_owned()));
        assert!(!names.contains(&"common".to_owned()), "{names:?}");
    }

    #[test]
    fn a_job_is_a_script_with_its_environment() {
        let directory = tempfile::tempdir().unwrap();
        let job = Job {
            name: "x".to_owned(),
            environment: vec![("KIND", "a b".to_owned())],
            script: "exec true".to_owned(),
            limit: Duration::from_secs(7),
            group: 1,
            vital: true,
        };
        let place = directory.path().join("00-x");
        job.write(&place).unwrap();
        assert_eq!(fs::read_to_string(place.join("run")).unwrap(), "export KIND='a b'\nexec true\n");
        assert_eq!(fs::read_to_string(place.join("limit")).unwrap(), "7");
        assert!(place.join("vital").exists());
    }
}
