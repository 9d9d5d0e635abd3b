//! A training run of whatever runs in a cgroup already. Nothing is started or stopped.

use std::time::Duration;

use reports::model::{Phase, Subject};

use super::{
    Course, Loading, Trained, TrainingOptions, Watch, assemble,
    container::{shutdown_not_seen, startup_not_seen},
    course::{self, Ending, Point},
    interrupted_early,
    ready::Ready,
    timestamp,
};
use crate::{
    cgroup::Cgroup,
    failure::{Failure, Kind},
    interrupt::Interrupts,
    ui::Ui,
};

/// How often it is looked whether the cgroup is there still.
const INTERVAL: Duration = Duration::from_millis(200);

/// A training run of a cgroup.
pub(crate) struct CgroupTraining {
    pub(crate) cgroup: Cgroup,
    pub(crate) options: TrainingOptions,
    pub(crate) ui: Ui,
    pub(crate) interrupts: Interrupts,
}

impl CgroupTraining {
    /// Runs it, until its load test, duration, the cgroup or the user ends it.
    ///
    /// # Errors
    /// Where there is no profile.
    pub(crate) async fn run(self) -> Result<Trained, Failure> {
        let name = self.cgroup.path().display().to_string();
        let id = self.cgroup.id().map_err(|error| Failure::new(Kind::Usage, format!("{name}: {error}")))?;
        let mut watch = Watch::start(Loading::begin(self.options.sensor.clone())).await?;
        // Another of the same name is another subject.
        let is_there = || self.cgroup.id().is_ok_and(|now| now == id);
        if !is_there() {
            return Err(Failure::new(
                Kind::Usage,
                format!("{name}: the cgroup was removed before anything of it could be seen"),
            )
            .hint(
                "attach while its processes run; `writepath exec` starts a command in a cgroup of its own",
            ));
        }
        if self.interrupts.is_asked() {
            return Err(interrupted_early());
        }
        watch.follow_cgroup(&self.cgroup)?;
        let line = self.ui.live_line();
        let mut course = Course { started: timestamp(), gaps: vec![startup_not_seen()], ..Course::default() };
        watch.begin()?;
        let processes = watch.adopt(&self.cgroup)?;
        line.phase(Phase::Startup, &format!("attached to {name} ({processes} processes)"));
        let gone = async {
            while is_there() {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        let ready = self.options.ready.as_ref().map(Ready::wait_on_host);
        let (ending, load) =
            course::watch_until(&self.options, self.interrupts, &mut watch, &line, gone, ready).await?;
        course.load = load;
        let finding = match &ending {
            Ending::Subject(_, Point::Watching) => None,
            Ending::Subject(_, point) => {
                Some(Failure::new(Kind::Finding, format!("{name}: the cgroup was removed{}", point.words())))
            }
            _ => {
                course.gaps.push(shutdown_not_seen());
                course::finding_of(&ending, &self.options)
            }
        };
        watch.look_well(&line);
        drop(line);
        let profile = assemble(watch.finish()?, course, Subject { name, ..Subject::default() });
        Ok(Trained { profile, finding, last_lines: String::new() })
    }
}
