//! A training run of whatever runs in a cgroup already. Nothing is started or stopped.

use std::time::Duration;

use reports::model::{Phase, Subject};

use super::{
    Course, Trained, TrainingOptions, Watch, assemble,
    container::{shutdown_not_seen, startup_not_seen},
    course::{self, Ending},
    ready::Ready,
    timestamp,
};
use crate::{cgroup::Cgroup, failure::Failure, interrupt::Interrupts, ui::Ui};

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
        let mut watch = Watch::start(self.options.sensor.clone()).await?;
        watch.follow_cgroup(&self.cgroup)?;
        let line = self.ui.live_line();
        let mut course = Course { started: timestamp(), gaps: vec![startup_not_seen()], ..Course::default() };
        watch.begin()?;
        let processes = watch.adopt(&self.cgroup)?;
        let name = self.cgroup.path().display().to_string();
        line.phase(Phase::Startup, &format!("attached to {name} ({processes} processes)"));
        let gone = async {
            while self.cgroup.id().is_ok() {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        let ready = self.options.ready.as_ref().map(Ready::wait_on_host);
        let (ending, load) =
            course::watch_until(&self.options, self.interrupts, &mut watch, &line, gone, ready).await?;
        course.load = load;
        let finding = course::finding_of(&ending, &self.options);
        if !matches!(ending, Ending::Subject(..)) {
            course.gaps.push(shutdown_not_seen());
        }
        watch.look(&line);
        drop(line);
        let profile = assemble(watch.finish()?, course, Subject { name, ..Subject::default() });
        Ok(Trained { profile, finding })
    }
}
