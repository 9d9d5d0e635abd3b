//! `writepath verify`: the subject again, under its plan.

use std::{path::Path, time::Duration};

use reports::{
    model::{Profile, Run},
    plan::{OverrideError, Plan, recommend_with},
    text::printable,
    verify::{Outcome, VerificationFormat, VerificationReport, render},
};

use super::{Status, alternative, course_options, overrides::overrides, read_profile, run, verify_project};
use crate::{
    cli::{CourseArgs, VerifyArgs, VerifyFormat},
    failure::{Failure, Kind},
    output,
    runtime::{Docker, docker::Pull},
    training::TrainingOptions,
    ui::Ui,
    verify::{Session, Verifier, Wanted, read_plan},
};

/// Where an amended plan goes unless the user says otherwise.
const DEFAULT_OUTPUT: &str = "writepath.plan.json";
/// How many times longer than in training a run may take, and at least.
const SLACK: u32 = 10;
const LEAST: Duration = Duration::from_secs(60);

/// Runs the command.
pub(crate) async fn run(args: VerifyArgs, ui: Ui) -> Result<Status, Failure> {
    // What `compose` wrote.
    if args.profile.is_dir() {
        return verify_project::run(&args, ui).await;
    }
    let amends = args.fix || args.minimize;
    let target = args.output.as_deref().or(amends.then_some(Path::new(DEFAULT_OUTPUT)));
    if let Some(path) = target {
        output::check_writable(path)?;
    }
    let profile = read_profile(&args.profile)?;
    let name = args.profile.display();
    let Some(config) = &profile.subject.config else {
        return Err(Failure::new(
            Kind::Usage,
            format!("{name}: the profile is of a plain command, and verify runs containers"),
        )
        .hint("`writepath run` profiles a container"));
    };
    let plan = match &args.plan {
        Some(path) => read_plan(path)?,
        None => {
            let usage = |error: OverrideError| Failure::new(Kind::Usage, error.to_string());
            recommend_with(&profile, &overrides(&args.overrides)?).map_err(usage)?
        }
    };
    let plan = match &args.alternative {
        Some(kind) => alternative(&plan, kind)?,
        None => plan,
    };
    let options = options(&args.course, &profile.run)?;
    run::require_host()?;
    let interrupts = run::listen()?;
    let docker = Docker::connect().await?;
    let platform = config.platform.as_deref();
    let mut first = interrupts.clone();
    // A pull may take minutes.
    let image = tokio::select! {
        image = docker.image(&config.image, Pull::Missing, platform, |status| ui.detail(status)) => image?,
        () = first.asked(1) => {
            return Err(Failure::new(Kind::Finding, "interrupted before the subject was started"));
        }
    };
    check_image(&args, &profile, &image.id, ui)?;
    if !plan.complete {
        ui.warn("the plan comes from an incomplete profile: what was not seen then is not compared either");
    }
    let wanted = Wanted {
        fix: args.fix,
        minimize: args.minimize,
        keep_user: args.keep_user,
        check_load: args.check_load,
        max_runs: args.max_runs,
        repeat: args.repeat,
    };
    let verifier = Verifier::new(&docker, &profile, options, ui, interrupts);
    let mut session = Session::new(&profile, plan, verifier, wanted);
    session.run().await?;
    let report = session.report();
    // Half a plan is nobody's.
    let written = target.filter(|_| report.verdict != Outcome::Interrupted);
    conclude(&report, written, args.format, ui)?;
    Ok(status_of(report.verdict))
}

pub(super) fn status_of(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Holds => 0,
        Outcome::DoesNotHold | Outcome::Flaky | Outcome::Interrupted => Kind::Finding.status(),
        Outcome::Undecided => Kind::Incomplete.status(),
    }
}

/// Writes plan and report.
fn conclude(
    report: &VerificationReport,
    plan: Option<&Path>,
    format: VerifyFormat,
    ui: Ui,
) -> Result<(), Failure> {
    let format = match format {
        VerifyFormat::Text => VerificationFormat::Text,
        VerifyFormat::Json => VerificationFormat::Json,
        VerifyFormat::Junit => VerificationFormat::Junit,
    };
    let unwritable = |error: String| Failure::new(Kind::Usage, error);
    let text = render(format, report, ui.color_on_stdout()).map_err(|error| unwritable(error.to_string()))?;
    if let Some(path) = plan {
        output::write(path, &as_bytes(&report.plan).map_err(|error| unwritable(error.to_string()))?)?;
        if path == Path::new("-") {
            // Standard output has the plan, and nothing else.
            text.lines().for_each(|line| ui.note(line));
            return Ok(());
        }
        ui.note(&format!("wrote {}", path.display()));
    }
    output::to_stdout(text.as_bytes())
}

fn as_bytes(plan: &Plan) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(plan)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The image must be the one that was trained.
fn check_image(args: &VerifyArgs, profile: &Profile, id: &str, ui: Ui) -> Result<(), Failure> {
    let Some(trained) = profile.subject.image_id.as_deref().filter(|trained| *trained != id) else {
        return Ok(());
    };
    let name = printable(&profile.subject.name);
    let message =
        format!("the image {name} has changed: the profile is of {}, and now it is {id}", printable(trained));
    if args.allow_changed_image {
        ui.warn(&message);
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, message)
        .hint("train again with `writepath run`, or go on with --allow-changed-image"))
}

/// The course of every run: what the user gave, bounded by how long training took.
pub(super) fn options(args: &CourseArgs, trained: &Run) -> Result<TrainingOptions, Failure> {
    let mut options = course_options(args);
    let bound = LEAST.max(Duration::from_millis(trained.duration_ms) * SLACK);
    options.load_timeout = options.load_timeout.or(Some(bound));
    if args.load.is_some() || args.duration.is_some() {
        return Ok(options);
    }
    if trained.exit.as_ref().is_some_and(|exit| !exit.stopped) {
        // It ends by itself, unless something is wrong.
        options.duration = Some(bound);
        return Ok(options);
    }
    let failure = Failure::new(
        Kind::Usage,
        "nothing says when a run is over: the subject was stopped in training, and a command that a profile records is \
         never run",
    );
    Err(match &trained.load {
        Some(load) => failure.hint(match shlex::try_quote(&load.command) {
            Ok(quoted) => format!("the load test of the training was: --load {quoted}"),
            Err(_) => "give the load test again with --load CMD".to_owned(),
        }),
        None => failure.hint("give a load test (--load CMD), or a time (--duration 30s)"),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use reports::model::{Exit, Load};

    use super::*;
    use crate::cli::{Cli, Command};

    fn given(arguments: &[&str]) -> CourseArgs {
        let words = ["writepath", "verify", "p.json"].iter().chain(arguments);
        let Command::Verify(args) = Cli::try_parse_from(words).unwrap().command else { panic!("verify") };
        args.course
    }

    fn trained(load: Option<&str>, stopped: bool) -> Run {
        Run {
            duration_ms: 30_000,
            load: load.map(|command| Load { command: command.to_owned(), exit_status: Some(0) }),
            exit: Some(Exit { status: 0, oom_killed: false, stopped }),
            ..Run::default()
        }
    }

    #[test]
    fn a_recorded_command_is_shown_quoted_and_never_taken() {
        let failure = options(&given(&[]), &trained(Some("curl 'x' > $HOME"), true)).unwrap_err();
        assert_eq!(failure.kind, Kind::Usage);
        let (_, words) = failure.hints[0].split_once(": ").unwrap();
        assert_eq!(shlex::split(words).unwrap(), ["--load", "curl 'x' > $HOME"], "{words}");
        assert_eq!(options(&given(&[]), &trained(None, true)).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn every_run_is_bounded() {
        let by_itself = options(&given(&[]), &trained(Some("x"), false)).unwrap();
        assert_eq!((by_itself.load, by_itself.duration), (None, Some(Duration::from_secs(300))));
        let load = options(&given(&["--load", "y"]), &trained(Some("x"), true)).unwrap();
        assert_eq!(load.load.as_deref(), Some("y"));
        assert_eq!((load.load_timeout, load.duration), (Some(Duration::from_secs(300)), None));
        let limited =
            options(&given(&["--load", "y", "--load-timeout", "3s"]), &trained(None, true)).unwrap();
        assert_eq!(limited.load_timeout, Some(Duration::from_secs(3)));
        assert!(options(&given(&["--duration", "1s"]), &trained(None, true)).is_ok());
    }
}
