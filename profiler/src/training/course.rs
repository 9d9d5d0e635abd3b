//! The part of a run that every subject has in common: until it is ready, under load, until something ends it.

use std::{future::Future, process::ExitStatus, time::Duration};

use reports::model::{Load, Phase};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::{TrainingOptions, Watch, load::LoadTest, ready::ReadyError};
use crate::{
    failure::{Failure, Kind},
    interrupt::Interrupts,
    ui::LiveLine,
};

/// How often sizes are measured and figures shown.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(400);

/// How long the end of a subject may take that cannot be asked any more.
const ENDING: Duration = Duration::from_secs(5);

/// What ended the time of watching. `E` is how a subject ends.
#[derive(Debug)]
pub(crate) enum Ending<E> {
    /// The subject ended by itself, at this point of the course.
    Subject(E, Point),
    /// The load test ended.
    Load(ExitStatus),
    /// The load test was ended because it took too long.
    LoadHung,
    /// `--duration` was over.
    Duration,
    /// The user asked to end.
    Interrupt,
    /// The subject was not ready in time.
    NotReady,
}

/// A point of the course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before the subject was ready.
    BeforeReady,
    /// While the load test was running.
    UnderLoad,
    /// With nothing more to wait for.
    Watching,
}

impl Point {
    /// When that is, to be put behind what happened then; nothing where it is how a run may end.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::BeforeReady => " before it was ready",
            Self::UnderLoad => " while the load test was running",
            Self::Watching => "",
        }
    }
}

/// Watches until something ends it. `ended` completes with the subject's end, `ready` when the subject is ready.
///
/// # Errors
/// Where readiness can never come, or no load test can be started.
pub(crate) async fn watch_until<E>(
    options: &TrainingOptions,
    mut interrupts: Interrupts,
    watch: &mut Watch,
    line: &LiveLine,
    ended: impl Future<Output = E>,
    ready: Option<impl Future<Output = Result<(), ReadyError>>>,
) -> Result<(Ending<E>, Option<Load>), Failure> {
    let mut ended = std::pin::pin!(ended);
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

    if let Some(ready) = ready {
        let mut waiting = std::pin::pin!(timeout(options.ready_timeout, ready));
        loop {
            tokio::select! {
                biased;
                end = &mut ended => return Ok((Ending::Subject(end, Point::BeforeReady), None)),
                () = interrupts.asked(1) => return Ok((Ending::Interrupt, None)),
                held = &mut waiting => match held {
                    Ok(Ok(())) => break,
                    // Perhaps it is ending; how tells more.
                    Ok(Err(ReadyError::Runtime(error))) => {
                        return match timeout(ENDING, ended).await {
                            Ok(end) => Ok((Ending::Subject(end, Point::BeforeReady), None)),
                            Err(_) => Err(error.into()),
                        };
                    }
                    Ok(Err(error)) => return Err(Failure::new(Kind::Usage, error.to_string())),
                    Err(_) => return Ok((Ending::NotReady, None)),
                },
                _ = ticks.tick() => watch.look(line),
            }
        }
    }

    // What was there only to start, and who was there.
    watch.look_well(line);
    watch.enter(Phase::Steady)?;
    line.phase(Phase::Steady, if options.load.is_some() { "running the load test" } else { "watching" });
    let mut load = match &options.load {
        Some(command) => Some(LoadTest::start(command).map_err(|error| {
            Failure::new(Kind::Host, format!("--load: no shell can be started: {error}"))
        })?),
        None => None,
    };
    let report = |status: Option<ExitStatus>| {
        options
            .load
            .clone()
            .map(|command| Load { command, exit_status: status.and_then(|status| status.code()) })
    };
    let after = |limit: Duration| Instant::now() + limit;
    let deadline = options.duration.map(after);
    let load_deadline = options.load_timeout.filter(|_| load.is_some()).map(after);
    loop {
        tokio::select! {
            biased;
            end = &mut ended => {
                let point = if load.is_some() { Point::UnderLoad } else { Point::Watching };
                end_load(load).await;
                return Ok((Ending::Subject(end, point), report(None)));
            }
            () = interrupts.asked(1) => {
                end_load(load).await;
                return Ok((Ending::Interrupt, report(None)));
            }
            status = async {
                match &mut load {
                    Some(load) => load.wait().await,
                    None => std::future::pending().await,
                }
            } => {
                let status = status.map_err(|error| Failure::new(Kind::Host, format!("--load: {error}")))?;
                return Ok((Ending::Load(status), report(Some(status))));
            }
            () = at(deadline) => {
                end_load(load).await;
                return Ok((Ending::Duration, report(None)));
            }
            () = at(load_deadline) => {
                end_load(load).await;
                return Ok((Ending::LoadHung, report(None)));
            }
            _ = ticks.tick() => watch.look(line),
        }
    }
}

async fn end_load(load: Option<LoadTest>) {
    if let Some(load) = load {
        load.end().await;
    }
}

/// Waits for a moment, if there is one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What an ending means, beside what the subject's own end does: nothing where it is how such a run ends.
pub(crate) fn finding_of<E>(ending: &Ending<E>, options: &TrainingOptions) -> Option<Failure> {
    let finding = |message: String| Some(Failure::new(Kind::Finding, message));
    match ending {
        Ending::Subject(..) => None,
        Ending::Load(status) if status.success() => None,
        Ending::Load(status) => finding(match status.code() {
            Some(code) => format!("the load test failed with status {code}"),
            None => "the load test was ended by a signal".to_owned(),
        }),
        Ending::LoadHung => Some(
            Failure::new(
                Kind::Finding,
                format!(
                    "the load test did not end within {}, and was ended with all its children",
                    humantime::format_duration(options.load_timeout.unwrap_or_default())
                ),
            )
            .hint("allow more time with --load-timeout, or let the load test give up by itself"),
        ),
        Ending::Duration if options.load.is_some() => {
            finding("the load test had not ended when --duration was over".to_owned())
        }
        Ending::Duration => None,
        // Without anything else to end it an interrupt is how a run ends.
        Ending::Interrupt if options.load.is_none() && options.duration.is_none() => None,
        Ending::Interrupt => finding("interrupted: the training was cut short".to_owned()),
        Ending::NotReady => {
            let limit = humantime::format_duration(options.ready_timeout);
            Some(
                Failure::new(Kind::Finding, format!("the subject was not ready within {limit}"))
                    .hint("check the --ready condition, or allow more time with --ready-timeout"),
            )
        }
    }
}
