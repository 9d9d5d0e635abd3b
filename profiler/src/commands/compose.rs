//! `writepath compose`: all services of a project, from their first instruction to their end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use reports::{
    model::Profile,
    plan::recommend,
    project::{
        Definition, HARDENED_FILE, MANIFEST_FILE, MANIFEST_SCHEMA, Manifest, ManifestService, ServiceProfile,
        hardened,
    },
};

use super::{Status, course_options, run};
use crate::{
    cli::ComposeArgs,
    compose::{Project, ProjectTrained, ProjectTraining, ServiceTrained, Tool, compose_files},
    failure::{Failure, Kind},
    output,
    runtime::Docker,
    ui::Ui,
};

/// Runs the command.
pub(crate) async fn run(args: ComposeArgs, ui: Ui) -> Result<Status, Failure> {
    check_directory(&args.output)?;
    let project = project(&args)?;
    run::require_host()?;
    let interrupts = run::listen()?;
    let docker = Docker::connect().await?;
    let tool = Tool::find().await?;
    let user_name = tool.name(&project).await;
    let run_name = if args.attach { user_name.clone() } else { run_name(&user_name) };
    let definition = definition(&tool, &project, &run_name).await?;
    let chosen = chosen(&definition, &args.services, &project.profiles)?;
    let profiled = profiled(&definition, &chosen, &args.service)?;
    check_outputs(&args.output, &profiled, args.force)?;

    let up: Vec<_> = docker.members(&user_name).await?.into_iter().filter(|member| member.running).collect();
    let training = ProjectTraining {
        docker: &docker,
        tool: &tool,
        definition: &definition,
        user_name: &user_name,
        run_name: &run_name,
        run: &chosen,
        profiled: &profiled,
        jobs: &BTreeSet::new(),
        options: course_options(&args.course),
        ui,
        interrupts,
    };
    let trained = match (args.attach, up.is_empty()) {
        (true, false) => training.attach(up).await?,
        (false, true) => training.run().await?,
        (true, true) => {
            return Err(Failure::new(Kind::Usage, format!("--attach: the project `{user_name}` is not up"))
                .hint("without --attach it is started here, under another name"));
        }
        (false, false) => {
            return Err(Failure::new(
                Kind::Usage,
                format!("the project `{user_name}` is up already, with {} containers", up.len()),
            )
            .hint("stop it first, so that its start-up is seen and its ports are free, or profile it as it runs with --attach"));
        }
    };
    conclude(&args, &project, &definition, &user_name, trained, ui)
}

/// The files and choices of the command line, with paths that hold from any directory.
fn project(args: &ComposeArgs) -> Result<Project, Failure> {
    let absolute = |path: &PathBuf| {
        std::path::absolute(path)
            .map_err(|error| Failure::new(Kind::Usage, format!("{}: {error}", path.display())))
    };
    let files = if args.file.is_empty() { compose_files()? } else { args.file.clone() };
    let mut project = Project {
        files: files.iter().map(absolute).collect::<Result<_, _>>()?,
        directory: args.project_directory.as_ref().map(absolute).transpose()?,
        env_files: args.env_file.iter().map(absolute).collect::<Result<_, _>>()?,
        profiles: args.profile.clone(),
        name: args.project_name.clone(),
    };
    if let Some(missing) = project.files.iter().chain(&project.env_files).find(|file| !file.is_file()) {
        return Err(Failure::new(Kind::Usage, format!("{}: there is no such file", missing.display())));
    }
    let chosen = std::env::var("COMPOSE_PROFILES").unwrap_or_default();
    project.profiles.extend(chosen.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
    Ok(project)
}

/// A project's name for one run: by it a later run sees whose containers these are, too.
pub(super) fn run_name(user_name: &str) -> String {
    let short: String = user_name.chars().take(40).collect();
    format!("writepath-{}-{short}", std::process::id())
}

/// The project, resolved.
pub(super) async fn definition(tool: &Tool, project: &Project, name: &str) -> Result<Definition, Failure> {
    let resolved = tool.resolve(project, name).await?;
    Definition::parse(&resolved).map_err(|error| {
        let files: Vec<String> = project.files.iter().map(|file| file.display().to_string()).collect();
        Failure::new(Kind::Usage, format!("{}: {error}", files.join(", ")))
    })
}

/// The services that are run.
pub(super) fn chosen(
    definition: &Definition,
    services: &[String],
    profiles: &[String],
) -> Result<BTreeSet<String>, Failure> {
    let chosen = definition.chosen(services, profiles).map_err(|name| no_service(definition, &name))?;
    if chosen.is_empty() {
        return Err(Failure::new(Kind::Usage, "every service of the project takes a profile")
            .hint("choose one with --profile NAME, or name the services"));
    }
    Ok(chosen)
}

fn no_service(definition: &Definition, name: &str) -> Failure {
    let known: Vec<&str> = definition.services.keys().map(String::as_str).collect();
    Failure::new(Kind::Usage, format!("the project has no service `{name}`"))
        .hint(format!("it has {}", known.join(", ")))
}

fn profiled(
    definition: &Definition,
    chosen: &BTreeSet<String>,
    named: &[String],
) -> Result<BTreeSet<String>, Failure> {
    for name in named {
        if !definition.services.contains_key(name) {
            return Err(no_service(definition, name));
        }
        if !chosen.contains(name) {
            return Err(Failure::new(
                Kind::Usage,
                format!("--service {name}: this service is not among those that are run"),
            ));
        }
    }
    Ok(if named.is_empty() { chosen.clone() } else { named.iter().cloned().collect() })
}

/// The file of a service's profile.
fn file_of(service: &str) -> String {
    format!("{service}.json")
}

/// Looks before minutes of training whether there can be such a directory.
fn check_directory(directory: &Path) -> Result<(), Failure> {
    if directory == Path::new("-") {
        return Err(Failure::new(
            Kind::Usage,
            "--output -: a project has several profiles, so it takes a directory",
        ));
    }
    if directory.exists() && !directory.is_dir() {
        return Err(Failure::new(
            Kind::Usage,
            format!("--output {}: it is no directory", directory.display()),
        )
        .hint("every service gets a profile of its own: name a directory"));
    }
    // What is not there is made in one that is.
    let ancestors =
        directory.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    match ancestors.into_iter().find(|path| path.exists()) {
        Some(there) => output::check_writable(&there.join(MANIFEST_FILE)),
        None => Ok(()),
    }
}

fn check_outputs(directory: &Path, profiled: &BTreeSet<String>, force: bool) -> Result<(), Failure> {
    let names = profiled.iter().map(|service| file_of(service));
    for name in names.chain([HARDENED_FILE.to_owned(), MANIFEST_FILE.to_owned()]) {
        let path = directory.join(name);
        if path.is_dir() {
            return Err(Failure::new(Kind::Usage, format!("{}: it is a directory", path.display())));
        }
        if !force && path.exists() {
            return Err(Failure::new(Kind::Usage, format!("{} exists", path.display()))
                .hint("write into another directory with -o DIR, or over it with --force"));
        }
    }
    Ok(())
}

/// Writes profiles, override and manifest, and tells what it amounts to.
fn conclude(
    args: &ComposeArgs,
    project: &Project,
    definition: &Definition,
    user_name: &str,
    trained: ProjectTrained,
    ui: Ui,
) -> Result<Status, Failure> {
    let directory = &args.output;
    std::fs::create_dir_all(directory)
        .map_err(|error| Failure::new(Kind::Usage, format!("{}: {error}", directory.display())))?;
    let ProjectTrained { services, finding } = trained;
    let mut findings = Vec::new();
    let mut seen: Vec<(String, usize, Profile)> = Vec::new();
    let mut restarted = BTreeSet::new();
    for ServiceTrained { service, replicas, restarts, profile, finding, last_lines } in services {
        if restarts != 0 {
            restarted.insert(service.clone());
        }
        if let Some(failure) = finding {
            findings.push(of_service(&service, failure, &last_lines));
        }
        let Some(profile) = profile else { continue };
        let bytes = profile.to_json().map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
        let path = directory.join(file_of(&service));
        output::write(&path, &bytes)?;
        let containers = if replicas > 1 { format!(", {replicas} containers") } else { String::new() };
        ui.note(&format!(
            "wrote {}: {} operations, {} capabilities{containers}",
            path.display(),
            profile.writes.len(),
            profile.capabilities.len(),
        ));
        for gap in &profile.coverage.gaps {
            ui.warn(&format!(
                "service `{service}`: incomplete: {} × {} ({})",
                gap.count, gap.message, gap.code
            ));
        }
        seen.push((service, replicas, profile));
    }
    let plans: Vec<_> = seen.iter().map(|(_, _, profile)| recommend(profile)).collect();
    let profiles: Vec<ServiceProfile<'_>> = seen
        .iter()
        .zip(&plans)
        .map(|((name, replicas, profile), plan)| ServiceProfile { name, profile, plan, replicas: *replicas })
        .collect();
    if !profiles.is_empty() {
        let text = hardened(definition, &profiles)
            .map_err(|error| Failure::new(Kind::Usage, format!("{HARDENED_FILE}: {error}")))?;
        let path = directory.join(HARDENED_FILE);
        output::write(&path, text.as_bytes())?;
        let manifest = manifest(args, project, user_name, &profiles, &restarted)?;
        output::write(&directory.join(MANIFEST_FILE), manifest.as_bytes())?;
        ui.note(&format!(
            "wrote {}; prove it with `writepath verify {}` and the same --load",
            path.display(),
            directory.display()
        ));
    }
    let incomplete = profiles.iter().any(|service| !service.profile.coverage.complete);
    findings.extend(finding);
    let mut findings = findings.into_iter();
    match findings.next() {
        Some(first) => {
            // The first of them ends the command; the others are told all the same.
            findings.for_each(|failure| ui.fail(&failure));
            Err(first)
        }
        None if incomplete => Ok(Kind::Incomplete.status()),
        None => Ok(0),
    }
}

/// A finding with its service's name.
pub(super) fn of_service(service: &str, failure: Failure, last_lines: &str) -> Failure {
    let mut message = format!("service `{service}`: {}", failure.message);
    if !last_lines.trim().is_empty() {
        message += &format!("; its last lines:\n{}", last_lines.trim_end());
    }
    Failure { message, ..failure }
}

fn manifest(
    args: &ComposeArgs,
    project: &Project,
    user_name: &str,
    profiles: &[ServiceProfile<'_>],
    restarted: &BTreeSet<String>,
) -> Result<String, Failure> {
    let text = |path: &PathBuf| {
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(Kind::Usage, format!("{}: the path is no UTF-8", path.display())))
    };
    let services: BTreeMap<_, _> = profiles
        .iter()
        .map(|service| {
            let kept = ManifestService {
                profile: file_of(service.name),
                replicas: service.replicas,
                restarted: restarted.contains(service.name),
            };
            (service.name.to_owned(), kept)
        })
        .collect();
    let manifest = Manifest {
        schema: MANIFEST_SCHEMA.to_owned(),
        project: user_name.to_owned(),
        files: project.files.iter().map(text).collect::<Result<_, _>>()?,
        directory: project.directory.as_ref().map(text).transpose()?,
        env_files: project.env_files.iter().map(text).collect::<Result<_, _>>()?,
        profiles: project.profiles.clone(),
        run: args.services.clone(),
        services,
    };
    manifest.to_yaml().map_err(|error| Failure::new(Kind::Usage, error))
}
