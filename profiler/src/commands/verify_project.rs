//! `writepath verify DIR`: a whole project again, its own files with the override file over them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::{Path, PathBuf},
    time::Instant,
};

use reports::{
    model::{Profile, Run},
    plan::recommend,
    project::{
        HARDENED_FILE, MANIFEST_FILE, Manifest, PROJECT_SCHEMA, ProjectFinding, ProjectReport, ServiceReport,
        render_project,
    },
    verify::{Comparison, Finding, FindingKind, Outcome, VerificationFormat, compare},
};

use super::{Status, compose, read_profile, run, verify};
use crate::{
    cli::{VerifyArgs, VerifyFormat},
    compose::{Project, ProjectTrained, ProjectTraining, ServiceTrained, Tool},
    failure::{Failure, Kind},
    interrupt::Interrupts,
    output,
    runtime::{Docker, docker::Pull},
    ui::Ui,
};

/// Runs the command.
pub(crate) async fn run(args: &VerifyArgs, ui: Ui) -> Result<Status, Failure> {
    check_options(args)?;
    let directory = &args.profile;
    let manifest = read_manifest(directory)?;
    let mut profiles = BTreeMap::new();
    for (service, kept) in &manifest.services {
        profiles.insert(service.clone(), read_profile(&directory.join(&kept.profile))?);
    }
    let options = verify::options(&args.course, &course_of(&profiles)?)?;
    run::require_host()?;
    let interrupts = run::listen()?;
    let docker = Docker::connect().await?;
    let tool = Tool::find().await?;
    check_images(args, &docker, &profiles, ui).await?;
    let project = project(directory, &manifest)?;
    let run_name = compose::run_name(&manifest.project);
    let definition = compose::definition(&tool, &project, &run_name).await?;
    let chosen = compose::chosen(&definition, &manifest.run, &manifest.profiles)?;
    let profiled: BTreeSet<String> = manifest.services.keys().cloned().collect();
    if let Some(gone) = profiled.iter().find(|service| !chosen.contains(*service)) {
        return Err(Failure::new(Kind::Usage, format!("the project has no service `{gone}` any more"))
            .hint("train again with `writepath compose`"));
    }
    let up = docker.members(&manifest.project).await?;
    if up.iter().any(|member| member.running) {
        return Err(Failure::new(Kind::Usage, format!("the project `{}` is up", manifest.project))
            .hint("stop it first: verification runs it with the same ports"));
    }
    let begin = Instant::now();
    let training = ProjectTraining {
        docker: &docker,
        tool: &tool,
        definition: &definition,
        user_name: &manifest.project,
        run_name: &run_name,
        run: &chosen,
        profiled: &profiled,
        jobs: &jobs(&profiles),
        options,
        ui,
        interrupts: interrupts.clone(),
    };
    let trained = training.run().await?;
    let report = report(&manifest, &profiles, trained, &interrupts, begin);
    let format = match args.format {
        VerifyFormat::Json => VerificationFormat::Json,
        VerifyFormat::Text | VerifyFormat::Junit => VerificationFormat::Text,
    };
    let text = render_project(format, &report, ui.color_on_stdout())
        .map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    output::to_stdout(text.as_bytes())?;
    Ok(verify::status_of(report.verdict))
}

/// What is not there for projects.
fn check_options(args: &VerifyArgs) -> Result<(), Failure> {
    let refused = [
        ("--fix", args.fix),
        ("--minimize", args.minimize),
        ("--check-load", args.check_load),
        ("--repeat", args.repeat != 1),
        ("--plan", args.plan.is_some()),
        ("--alternative", args.alternative.is_some()),
        ("--output", args.output.is_some()),
        ("--format junit", args.format == VerifyFormat::Junit),
    ];
    match refused.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::new(
            Kind::Usage,
            format!("{option} is for a single profile; {} is a project", args.profile.display()),
        )
        .hint(format!("change {HARDENED_FILE} there by hand, and verify again"))),
        None => Ok(()),
    }
}

pub(super) fn read_manifest(directory: &Path) -> Result<Manifest, Failure> {
    const LIMIT: u64 = 2 << 20;
    let path = directory.join(MANIFEST_FILE);
    let unreadable = |why: String| {
        Failure::new(Kind::Usage, format!("{}: {why}", path.display()))
            .hint("of directories, only those are taken that `writepath compose -o DIR` wrote")
    };
    let mut bytes = Vec::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(LIMIT).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    let manifest = Manifest::from_yaml(&bytes).map_err(|error| unreadable(error.to_string()))?;
    if !directory.join(HARDENED_FILE).is_file() {
        return Err(Failure::new(
            Kind::Usage,
            format!("{}: there is no such file", directory.join(HARDENED_FILE).display()),
        ));
    }
    Ok(manifest)
}

fn project(directory: &Path, manifest: &Manifest) -> Result<Project, Failure> {
    let paths = |texts: &[String]| texts.iter().map(PathBuf::from).collect::<Vec<_>>();
    let mut files = paths(&manifest.files);
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        return Err(Failure::new(Kind::Usage, format!("{}: there is no such file", missing.display()))
            .hint(format!("{MANIFEST_FILE} names the project's files; it can be edited")));
    }
    files.push(directory.join(HARDENED_FILE));
    // Relative paths are relative to the first file's directory, whatever is laid over it.
    Ok(Project {
        files,
        directory: manifest.directory.as_ref().map(PathBuf::from),
        env_files: paths(&manifest.env_files),
        profiles: manifest.profiles.clone(),
        name: Some(manifest.project.clone()),
    })
}

/// The course that says when a run is over: that of a service which had to be stopped, if there is one.
fn course_of(profiles: &BTreeMap<String, Profile>) -> Result<Run, Failure> {
    let mut runs = profiles.values().map(|profile| &profile.run);
    let stopped = |run: &&Run| run.exit.as_ref().is_none_or(|exit| exit.stopped);
    let any = profiles.values().map(|profile| &profile.run).next();
    runs.find(stopped)
        .or(any)
        .cloned()
        .ok_or_else(|| Failure::new(Kind::Usage, format!("{MANIFEST_FILE}: no service was profiled")))
}

/// The services that ended by themselves in training.
fn jobs(profiles: &BTreeMap<String, Profile>) -> BTreeSet<String> {
    let is_job = |profile: &Profile| profile.run.exit.as_ref().is_some_and(|exit| !exit.stopped);
    profiles.iter().filter(|(_, profile)| is_job(profile)).map(|(name, _)| name.clone()).collect()
}

/// The images must be those that were trained.
async fn check_images(
    args: &VerifyArgs,
    docker: &Docker,
    profiles: &BTreeMap<String, Profile>,
    ui: Ui,
) -> Result<(), Failure> {
    for (service, profile) in profiles {
        let Some(config) = &profile.subject.config else { continue };
        let image = docker.image(&config.image, Pull::Missing, None, |status| ui.detail(status)).await?;
        let Some(_) = profile.subject.image_id.as_ref().filter(|trained| **trained != image.id) else {
            continue;
        };
        let message = format!("service `{service}`: the image {} has changed since training", config.image);
        if !args.allow_changed_image {
            return Err(Failure::new(Kind::Usage, message)
                .hint("train again with `writepath compose`, or go on with --allow-changed-image"));
        }
        ui.warn(&message);
    }
    Ok(())
}

/// What the run shows, compared with training.
fn report(
    manifest: &Manifest,
    profiles: &BTreeMap<String, Profile>,
    trained: ProjectTrained,
    interrupts: &Interrupts,
    begin: Instant,
) -> ProjectReport {
    let ProjectTrained { services, finding } = trained;
    let mut findings: Vec<ProjectFinding> =
        finding.map(|failure| ProjectFinding { message: failure.message }).into_iter().collect();
    let mut reports = Vec::new();
    for ServiceTrained { service, replicas: _, restarts, profile, finding, last_lines } in services {
        let Some(training) = profiles.get(&service) else {
            // It runs, but nothing is known of it.
            findings.extend(finding.map(|failure| {
                let failure = compose::of_service(&service, failure, "");
                ProjectFinding { message: failure.message }
            }));
            continue;
        };
        let was_restarted = manifest.services.get(&service).is_some_and(|kept| kept.restarted);
        let mut report = service_report(service, training, profile, finding, &last_lines);
        if restarts != 0 && !was_restarted {
            let message = format!(
                "it ends and is restarted by its policy ({restarts} ×), which it was not in training"
            );
            report.findings.insert(0, Finding::of_run(FindingKind::Exit, message));
            report.verdict = Outcome::DoesNotHold;
        }
        reports.push(report);
    }
    let of = |outcome: Outcome| reports.iter().any(|report| report.verdict == outcome);
    let verdict = if interrupts.is_asked() {
        Outcome::Interrupted
    } else if !findings.is_empty() || of(Outcome::DoesNotHold) {
        Outcome::DoesNotHold
    } else if of(Outcome::Undecided) {
        Outcome::Undecided
    } else {
        Outcome::Holds
    };
    ProjectReport {
        schema: PROJECT_SCHEMA.to_owned(),
        project: manifest.project.clone(),
        verdict,
        duration_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        findings,
        services: reports,
    }
}

fn service_report(
    service: String,
    training: &Profile,
    under_plan: Option<Profile>,
    finding: Option<Failure>,
    last_lines: &str,
) -> ServiceReport {
    let Some(mut under_plan) = under_plan else {
        let message = finding.map_or_else(|| "it has no containers".to_owned(), |failure| failure.message);
        let finding = Finding::of_run(FindingKind::NotStarted, message);
        return ServiceReport {
            service,
            verdict: Outcome::DoesNotHold,
            findings: vec![finding],
            gaps: Vec::new(),
        };
    };
    // The load is the project's, and so is a load test that fails.
    under_plan.run.load = None;
    // And so is its readiness.
    under_plan.run.phases.clone_from(&training.run.phases);
    let plan = recommend(training);
    let mut findings = compare(&Comparison { training, under_plan: &under_plan, plan: &plan, last_lines });
    // Guesses go by the plan, and the override file may be another.
    findings.iter_mut().filter(|finding| finding.kind.is_hard()).for_each(|finding| finding.change = None);
    let gaps: Vec<String> = under_plan.coverage.gaps.iter().map(|gap| gap.message.clone()).collect();
    let verdict = if findings.iter().any(|finding| !finding.harmless) {
        Outcome::DoesNotHold
    } else if gaps.is_empty() {
        Outcome::Holds
    } else {
        Outcome::Undecided
    };
    ServiceReport { service, verdict, findings, gaps }
}
