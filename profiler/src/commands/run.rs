//! `writepath run`: a container, from its first instruction to its exit.

use std::{collections::BTreeMap, path::Path};

use reports::model::{ContainerConfig, MountFlag, MountOption};

use super::{Status, conclude, training_options};
use crate::{
    cgroup,
    cli::{ContainerArgs, RunArgs},
    failure::{Failure, Kind},
    host,
    interrupt::Interrupts,
    output,
    runtime::Docker,
    training::{Loading, container::Training},
    ui::Ui,
};

/// Runs the command.
pub(crate) async fn run(args: RunArgs, ui: Ui) -> Result<Status, Failure> {
    let RunArgs { training, container, image_and_args, .. } = args;
    let mut words = image_and_args.into_iter();
    let image = words.next().unwrap_or_default();
    // No reference begins with a hyphen: it is an option that is not known.
    if image.starts_with('-') || image.is_empty() {
        return Err(Failure::new(Kind::Usage, format!("{image:?} is neither an option nor an image"))
            .hint("`writepath run --help` lists the options; they are spelled as for `docker run`"));
    }
    let args = words.collect();
    output::check_writable(&training.output)?;
    let pull = container.pull;
    let config = configuration(container, image, args)?;
    require_host()?;
    let interrupts = listen()?;
    let options = training_options(&training);
    // Loaded while the daemon is asked.
    let sensors = Some(Loading::begin(options.sensor.clone()));
    let docker = Docker::connect().await?;
    let trained = Training { docker: &docker, config, pull, options, sensors, ui, interrupts }.run().await?;
    conclude(trained, &training.output, ui)
}

/// What every training run takes, asked before anything is made: root, for loading BPF programs and looking into other
/// processes' roots, and cgroups by which subjects are told from everything else.
pub(super) fn require_host() -> Result<(), Failure> {
    if !host::is_root() {
        return Err(Failure::new(
            Kind::Host,
            "profiling takes root: BPF programs are loaded into the kernel",
        )
        .hint("run it with sudo"));
    }
    if let Some(why) = host::blindness() {
        return Err(Failure::new(
            Kind::Host,
            format!("subjects cannot be looked into: this process is {why}"),
        )
        .hint(host::IN_A_CONTAINER));
    }
    cgroup::root().map(drop)
}

pub(super) fn listen() -> Result<Interrupts, Failure> {
    Interrupts::listen()
        .map_err(|error| Failure::new(Kind::Host, format!("signals cannot be handled: {error}")))
}

fn configuration(
    container: ContainerArgs,
    image: String,
    args: Vec<String>,
) -> Result<ContainerConfig, Failure> {
    let ContainerArgs {
        name,
        env,
        env_file,
        publish,
        volume,
        mount,
        tmpfs,
        user,
        workdir,
        entrypoint,
        network,
        cap_add,
        cap_drop,
        security_opt,
        sysctl,
        init,
        hostname,
        add_host,
        privileged,
        platform,
        pull: _,
    } = container;
    let of = |flag: MountFlag| move |value: String| MountOption { flag, value };
    Ok(ContainerConfig {
        image,
        args,
        entrypoint,
        name,
        env: environment(&env_file, env)?,
        publish,
        mounts: volume
            .into_iter()
            .map(of(MountFlag::Volume))
            .chain(mount.into_iter().map(of(MountFlag::Mount)))
            .chain(tmpfs.into_iter().map(of(MountFlag::Tmpfs)))
            .collect(),
        user,
        image_user: String::new(),
        workdir,
        network,
        hostname,
        add_host,
        cap_add,
        cap_drop,
        security_opt,
        sysctl: sysctls(&sysctl)?,
        init,
        privileged,
        read_only: false,
        platform,
        image_volumes: Vec::new(),
    })
}

/// The environment as `docker run` puts it together: files first, then `--env`; a name alone passes on a variable of
/// this process, if it is set.
fn environment(files: &[std::path::PathBuf], given: Vec<String>) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for file in files {
        all.extend(environment_file(file)?);
    }
    all.extend(given);
    let mut environment = Vec::new();
    for entry in all {
        if entry.is_empty() || entry.starts_with('=') {
            return Err(Failure::new(Kind::Usage, format!("--env {entry:?}: it takes NAME=VALUE or NAME")));
        }
        if entry.contains('=') {
            environment.push(entry);
        } else if let Ok(value) = std::env::var(&entry) {
            environment.push(format!("{entry}={value}"));
        }
    }
    Ok(environment)
}

fn environment_file(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Kind::Usage, format!("--env-file {}: {error}", path.display())))?;
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn sysctls(values: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    values
        .iter()
        .map(|value| match value.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(Failure::new(Kind::Usage, format!("--sysctl {value:?}: it takes NAME=VALUE"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_files_are_read_as_docker_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        std::fs::write(&file, "# comment\nA=1\n\n  B=two words\nWRITEPATH_SURELY_UNSET\n").unwrap();
        let environment = environment(&[file], vec!["C=3".to_owned(), "PATH".to_owned()]).unwrap();
        assert_eq!(environment[..3], ["A=1", "B=two words", "C=3"]);
        assert!(environment[3].starts_with("PATH="));
        assert!(super::environment(&[], vec!["=x".to_owned()]).is_err());
        assert!(
            super::environment(&["/nonexistent/env".into()], vec![])
                .unwrap_err()
                .message
                .contains("/nonexistent/env")
        );
    }
}
