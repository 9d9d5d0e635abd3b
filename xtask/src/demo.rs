//! `cargo xtask demo`: the whole way on a small service of the project's own, from nothing to a hardened container.
//!
//! Makes one container and the volumes of its plan, and removes them again; the image stays. Where no container
//! runtime is there and none can be installed, a plain command is profiled instead.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::command::{self, say};
use crate::daemon::{Daemon, host};
use crate::http_load::request;
use crate::packages::{self, HostLacks};
use crate::{build, images, setup, waiting, workspace};

/// Requests that the load consists of.
const REQUESTS: u32 = 40;
/// How long the service may take to answer after its start.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// Runs the demo.
pub(crate) fn run() -> Result<()> {
    if !packages::is_root() {
        let what = "the demo loads BPF programs and needs root".to_owned();
        return Err(anyhow!(HostLacks { what, commands: vec!["cargo xtask demo".to_owned()] }));
    }
    setup::tool_chain()?;
    build::release()?;
    let directory = workspace::scratch().join("demo");
    fs::create_dir_all(&directory)?;
    match setup::container_runtime().and_then(|()| host::ensure()) {
        Ok(daemon) => with_container(&daemon, &directory),
        Err(error) if error.downcast_ref::<HostLacks>().is_some() => {
            say(&format!("{error:#}"));
            say("no container runtime: profiling a plain command instead");
            with_command(&directory)
        }
        Err(error) => Err(error),
    }
}

fn with_container(daemon: &dyn Daemon, directory: &Path) -> Result<()> {
    images::build_sample(daemon)?;
    let profile = directory.join("profile.json");
    let port = free_port()?;
    let url = format!("http://127.0.0.1:{port}/");

    headline("1. Profile the service under a load, from its first instruction to its exit");
    let own = std::env::current_exe()?;
    let own = own.to_str().context("the path of this program is no UTF-8")?;
    let load = shlex::try_join([own, "http-load", &url, &REQUESTS.to_string()])?;
    let publish = format!("127.0.0.1:{port}:8080");
    let mut training = daemon.command(&writepath()?);
    training.arg("run").arg("-o").arg(&profile).args(["-p", &publish, "--ready", &format!("http:{url}")]);
    command::run(training.args(["--load", &load, images::SAMPLE]))?;

    headline("2. The plan, with its reasons");
    recommend(daemon, &profile, "text")?;

    headline("3. The service under its plan, and nothing but its plan");
    let line =
        command::read(daemon.command(&writepath()?).args(["recommend", "--format", "docker"]).arg(&profile))?;
    println!("{line}");
    let service = Service::start(daemon, &line, &publish)?;
    waiting::until("an answer of the service", READY_LIMIT, || {
        service.must_run()?;
        Ok(request(&url, "GET", "/", "").is_ok_and(|answer| answer.status == 200))
    })?;
    let mut problems = Vec::new();
    for (method, path, body) in
        [("GET", "/", ""), ("POST", "/notes", "still works"), ("GET", "/rendered", "")]
    {
        let answer = request(&url, method, path, body)?;
        println!("{method} {path}: {} {}", answer.status, answer.body.trim().replace('\n', " "));
        if answer.status != 200 {
            problems.push(format!("{method} {path} failed under the plan"));
        }
    }

    headline("4. A write elsewhere, as an intruder would try it");
    let answer = request(&url, "POST", "/elsewhere", "")?;
    println!("POST /elsewhere: {} {}", answer.status, answer.body.trim());
    // EROFS, in the kernel's numbering as the service reports it.
    if answer.status != 500 || !answer.body.contains("os error 30") {
        problems.push("the write elsewhere did not fail with EROFS".to_owned());
    }
    drop(service);
    say(&format!(
        "the container and its volumes are removed; the image {} and {} stay",
        images::SAMPLE,
        profile.display()
    ));
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
}

fn with_command(directory: &Path) -> Result<()> {
    let subject = images::subject_program()?;
    let profile = directory.join("command.json");
    let written = tempfile::tempdir()?;
    let paths = ["a.pid", "b.tmp"].map(|name| written.path().join(name));
    headline("1. Profile a plain command");
    command::run(
        Command::new(writepath()?)
            .arg("exec")
            .arg("-o")
            .arg(&profile)
            .arg("--")
            .arg(subject)
            .arg("write")
            .args(paths),
    )?;
    headline("2. What it needs");
    command::run(Command::new(writepath()?).arg("recommend").arg(&profile))
}

fn recommend(daemon: &dyn Daemon, profile: &Path, format: &str) -> Result<()> {
    command::run(daemon.command(&writepath()?).args(["recommend", "--format", format]).arg(profile))
}

fn headline(text: &str) {
    println!("\n== {text}");
}

/// The words of a `docker` command line, as a shell takes it: line continuations, quotes and all.
fn words(line: &str) -> Result<Vec<String>> {
    let script = format!("docker() {{ printf '%s\\0' docker \"$@\"; }}\n{line}");
    let words = command::read(Command::new("sh").args(["-c", &script]))?;
    Ok(words.split_terminator('\0').map(str::to_owned).collect())
}

/// The release binary.
fn writepath() -> Result<String> {
    let path: PathBuf = workspace::target().join("release/writepath");
    Ok(path.to_str().context("the path of the target directory is no UTF-8")?.to_owned())
}

/// A port that nothing listens on, chosen by the kernel.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A container started from a printed command line; dropping it removes it and the volumes it brought into being.
struct Service<'a> {
    daemon: &'a dyn Daemon,
    name: String,
    /// Volumes that were there before it, and stay.
    older_volumes: Vec<String>,
}

impl<'a> Service<'a> {
    /// Runs the line as it stands, but for a name, `--detach`, and the published port where the line has none.
    fn start(daemon: &'a dyn Daemon, line: &str, publish: &str) -> Result<Self> {
        let name = format!("writepath-demo-{}", std::process::id());
        let words = words(line)?;
        let [program, run, rest @ ..] = words.as_slice() else { bail!("no command line was printed") };
        if (program.as_str(), run.as_str()) != ("docker", "run") {
            bail!("the printed command line starts with {program} {run}, not with docker run");
        }
        // Named first: whatever `docker run` leaves behind when it fails is removed too.
        let volumes = command::read(daemon.docker().args(["volume", "ls", "--quiet"]))?;
        let service = Self { daemon, name, older_volumes: volumes.lines().map(str::to_owned).collect() };
        let mut docker = daemon.docker();
        docker.args(["run", "--detach", "--name", &service.name]);
        if !rest.iter().any(|word| word == "-p" || word.starts_with("--publish")) {
            docker.args(["--publish", publish]);
        }
        command::read(docker.args(rest))?;
        Ok(service)
    }

    fn inspect(&self, format: &str) -> Result<String> {
        command::read(self.daemon.docker().args(["container", "inspect", "--format", format, &self.name]))
    }

    /// Fails, with its log, where the container has ended.
    fn must_run(&self) -> Result<()> {
        if self.inspect("{{.State.Running}}")? == "true" {
            return Ok(());
        }
        // What it wrote on both streams goes straight to the terminal.
        command::run(self.daemon.docker().args(["logs", &self.name]))?;
        bail!("the service ended under its plan")
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let format = "{{range .Mounts}}{{if eq .Type \"volume\"}}{{.Name}}\n{{end}}{{end}}";
        let volumes = self.inspect(format).unwrap_or_default();
        command::succeeds(self.daemon.docker().args(["rm", "--force", "--volumes", &self.name]));
        let is_ours = |name: &&str| !name.is_empty() && !self.older_volumes.iter().any(|older| older == name);
        for volume in volumes.lines().filter(is_ours) {
            command::succeeds(self.daemon.docker().args(["volume", "rm", "--force", volume]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_command_line_over_several_lines_is_one() {
        let line = "docker run \\\n  --mount 'a b' \\\n  image\n";
        assert_eq!(words(line).unwrap(), ["docker", "run", "--mount", "a b", "image"]);
    }
}
