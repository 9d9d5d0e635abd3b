//! The host's Compose tool: `docker compose` (v2) where it is installed, else `docker-compose` (1.29).
//!
//! Owns its command lines. It has a process group of its own, so that what is typed at the terminal does not interrupt it
//! in the middle of making containers, and is killed where nobody waits for it any more. What it says goes into messages,
//! bounded and printable.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::failure::{Failure, Kind};

/// The most that is shown of what the tool says, in bytes.
const MAX_MESSAGE: usize = 2000;

/// Which files a project is made of, as the user named them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    /// `-f`; none: as the tool finds them.
    pub(crate) files: Vec<PathBuf>,
    /// `--project-directory`.
    pub(crate) directory: Option<PathBuf>,
    /// `--env-file`.
    pub(crate) env_files: Vec<PathBuf>,
    /// `--profile`.
    pub(crate) profiles: Vec<String>,
    /// `-p`: the name that the user's own containers have.
    pub(crate) name: Option<String>,
}

impl Project {
    /// The project's directory, as the tool finds it: that of the first file.
    fn home(&self) -> PathBuf {
        let of_file = || self.files.first().and_then(|file| file.parent().map(Path::to_path_buf));
        let home = self.directory.clone().or_else(of_file).filter(|path| !path.as_os_str().is_empty());
        std::path::absolute(home.unwrap_or_else(|| PathBuf::from("."))).unwrap_or_default()
    }
}

/// The tool.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    words: &'static [&'static str],
    is_v2: bool,
}

impl Tool {
    /// Finds it.
    ///
    /// # Errors
    /// Where none is installed.
    pub(crate) async fn find() -> Result<Self, Failure> {
        const CANDIDATES: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        for words in CANDIDATES {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).args(["version", "--short"]).stdin(Stdio::null());
            let Ok(output) = command.output().await else { continue };
            if output.status.success() {
                let version = String::from_utf8_lossy(&output.stdout);
                // `docker-compose` may be either.
                let is_v2 = !version.trim().trim_start_matches('v').starts_with("1.");
                return Ok(Self { words, is_v2 });
            }
        }
        Err(Failure::new(
            Kind::Host,
            "no Compose tool is installed: neither `docker compose` nor `docker-compose`",
        )
        .hint("install one: apt-get install docker-compose"))
    }

    fn command(&self) -> Command {
        let (program, rest) = self.words.split_first().unwrap_or((&"docker-compose", &[]));
        let mut command = Command::new(program);
        command.args(rest).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        command
    }

    fn on(&self, project: &Project, name: Option<&str>) -> Command {
        let mut command = self.command();
        for file in &project.files {
            command.arg("-f").arg(file);
        }
        if let Some(directory) = &project.directory {
            command.arg("--project-directory").arg(directory);
        }
        for file in &project.env_files {
            command.arg("--env-file").arg(file);
        }
        for profile in &project.profiles {
            command.arg("--profile").arg(profile);
        }
        if let Some(name) = name.or(project.name.as_deref()) {
            command.arg("-p").arg(name);
        }
        command
    }

    /// The project resolved, as it is for a project of this name.
    ///
    /// # Errors
    /// What the tool says of a project that is invalid.
    pub(crate) async fn resolve(&self, project: &Project, name: &str) -> Result<Vec<u8>, Failure> {
        let mut command = self.on(project, Some(name));
        let output = run(command.arg("config")).await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let failure =
            Failure::new(Kind::Usage, format!("the Compose project cannot be used: {}", message_of(&output)));
        Err(failure.hint(format!("`{} config` checks it; name its file with -f FILE", self.words.join(" "))))
    }

    /// The name that the user's own containers have.
    pub(crate) async fn name(&self, project: &Project) -> String {
        if let Some(name) = &project.name {
            return name.clone();
        }
        if self.is_v2
            && let Ok(output) = run(self.on(project, None).args(["config", "--format", "json"])).await
            && let Ok(document) = serde_json::from_slice::<serde_json::Value>(&output.stdout)
            && let Some(name) = document["name"].as_str()
        {
            return name.to_owned();
        }
        let given = std::env::var("COMPOSE_PROJECT_NAME").ok().filter(|name| !name.is_empty());
        let home = project.home();
        let named = given.unwrap_or_else(|| {
            home.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        });
        // As docker-compose 1.29 does it (compose/cli/command.py, normalize_name).
        let name: String =
            named.to_lowercase().chars().filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')).collect();
        if name.is_empty() { "default".to_owned() } else { name }
    }

    /// What the image is called that a service's build section makes.
    pub(crate) fn built_image(&self, project: &str, service: &str) -> String {
        format!("{project}{}{service}", if self.is_v2 { '-' } else { '_' })
    }

    /// How to build a project's images, for people.
    pub(crate) fn build_hint(&self, service: &str) -> String {
        format!("build it: {} build {service}", self.words.join(" "))
    }

    /// A command on a project that is resolved and goes to standard input: it holds the environment of every service, and
    /// no file is left of it. Nor is an `.env` of anybody's read once more.
    async fn on_resolved(
        &self,
        file: &str,
        name: &str,
        words: impl IntoIterator<Item = &str>,
    ) -> Result<Output, Failure> {
        let mut command = self.command();
        command.args(["-f", "-", "--project-directory", "/", "-p", name]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| not_started(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Where it ends early it says why.
            let _ = stdin.write_all(file.as_bytes()).await;
        }
        child.wait_with_output().await.map_err(|error| not_started(&error))
    }

    /// Makes the containers of these services, with networks and volumes, and starts none.
    ///
    /// # Errors
    /// What the tool says.
    pub(crate) async fn create(&self, file: &str, name: &str, services: &[String]) -> Result<(), Failure> {
        let services = services.iter().map(String::as_str);
        let words = ["up", "--no-start", "--no-build"].into_iter().chain(services);
        let output = self.on_resolved(file, name, words).await?;
        if output.status.success() {
            return Ok(());
        }
        Err(Failure::new(Kind::Usage, format!("the project cannot be made: {}", message_of(&output))))
    }

    /// Starts the containers of a service that were made.
    ///
    /// # Errors
    /// What the tool says.
    pub(crate) async fn start(&self, file: &str, name: &str, service: &str) -> Result<(), String> {
        let output =
            self.on_resolved(file, name, ["start", service]).await.map_err(|failure| failure.message)?;
        // 1.29 ends with 0 although the daemon refused.
        let said = message_of(&output);
        if output.status.success() && !said.contains("ERROR:") { Ok(()) } else { Err(said) }
    }
}

async fn run(command: &mut Command) -> Result<Output, Failure> {
    command.output().await.map_err(|error| not_started(&error))
}

fn not_started(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Host, format!("the Compose tool cannot be started: {error}"))
}

/// What it said, as far as it fits; of a Python traceback the last line.
fn message_of(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim();
    let text = match text.rfind("Traceback (most recent call last)") {
        Some(_) => text.lines().last().unwrap_or_default(),
        None => text,
    };
    let mut end = text.len().min(MAX_MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if text.is_empty() { format!("it ended with {}", output.status) } else { text[..end].to_owned() }
}
