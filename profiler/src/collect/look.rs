//! Looking at the subjects now and then: how large their files are, and who their processes run as.
//!
//! Owns the thread that looks, and the pace. With many files a look takes long: then the next one comes later, so that
//! looking never takes more than a hundredth of a processor. A file system of the subject's that does not answer keeps
//! this thread waiting, and nobody else: nothing is locked while it looks at files.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reports::model::{Phase, SubjectPath};
use rustix::time::{ClockId, clock_gettime};

use super::{Collected, Subjects, locked, sizes};

/// After a look there is none for so many times as long as it took.
const PAUSE: u32 = 100;

/// How often files are looked at that are open without a name any more. A sort of a database keeps such a file for a few
/// tenths of a second.
const UNLINKED_INTERVAL: Duration = Duration::from_millis(25);

/// What the thread is asked for.
#[derive(Debug, Default)]
pub(super) struct Looks {
    asked: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Asked {
    /// A look in this phase; whether it is to be the last.
    look: Option<(Phase, bool)>,
    /// How often somebody asked, and the last time that it was done for.
    number: u64,
    done: u64,
    stop: bool,
}

impl Looks {
    /// Asks for a look, not where it would be too soon after the last one. Where it is to be the last of a phase it is done
    /// in any case, and waited for, but not longer than `limit`.
    pub(super) fn ask(&self, phase: Phase, last: Option<Duration>) {
        let mut asked = self.lock();
        let was_last = asked.look.is_some_and(|(_, last)| last);
        asked.look = Some((phase, last.is_some() || was_last));
        asked.number += 1;
        let number = asked.number;
        self.changed.notify_all();
        if let Some(limit) = last {
            let pending = |asked: &mut Asked| asked.done < number && !asked.stop;
            drop(self.changed.wait_timeout_while(asked, limit, pending));
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// The thread.
    pub(super) fn serve(&self, subjects: &Subjects) {
        let mut eyes: Vec<Eyes> = Vec::new();
        loop {
            let pending = |asked: &mut Asked| asked.look.is_none() && !asked.stop;
            let waited = self.changed.wait_timeout_while(self.lock(), UNLINKED_INTERVAL, pending);
            let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if asked.stop {
                return;
            }
            let (look, number) = (asked.look.take(), asked.number);
            drop(asked);
            let subjects = subjects.all();
            eyes.resize_with(subjects.len(), Eyes::default);
            for (eyes, subject) in eyes.iter_mut().zip(&subjects) {
                match look {
                    Some((phase, last)) => eyes.look(subject, phase, last),
                    None => eyes.look_at_unlinked(subject, false),
                }
            }
            self.lock().done = number;
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of a subject from one look to the next.
#[derive(Debug, Default)]
struct Eyes {
    /// What files that have names came to, by directory, in bytes.
    named: HashMap<SubjectPath, u64>,
    not_before: Option<Instant>,
    unlinked_not_before: Option<Instant>,
}

impl Eyes {
    fn look(&mut self, shared: &Mutex<Collected>, phase: Phase, last: bool) {
        let begin = Instant::now();
        if !last && self.not_before.is_some_and(|not_before| begin < not_before) {
            return;
        }
        let survey = locked(shared).survey();
        if let Some(survey) = survey {
            self.named = survey.measure();
            locked(shared).sizes.raise_named(&self.named);
        }
        if last {
            self.look_at_unlinked(shared, last);
        }
        locked(shared).see_users(phase);
        self.not_before = Some(begin + begin.elapsed() * (PAUSE + 1));
    }

    /// Looks at files that are open and have no name any more, on top of what those with names came to; not where it
    /// would be too soon, unless it is to be the last time.
    fn look_at_unlinked(&mut self, shared: &Mutex<Collected>, last: bool) {
        if !last && self.unlinked_not_before.is_some_and(|not_before| Instant::now() < not_before) {
            return;
        }
        // On a busy host most of a look is waiting, which must not put off the next one.
        let begin = processor_time();
        let processes = locked(shared).view.as_ref().map(super::View::processes);
        let Some(processes) = processes else { return };
        let unlinked = sizes::of_unlinked(processes);
        locked(shared).sizes.raise_unlinked(&unlinked, &self.named);
        self.unlinked_not_before = Some(Instant::now() + processor_time().saturating_sub(begin) * PAUSE);
    }
}

/// What this thread has had of a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_look_of_a_phase_is_waited_for_and_a_thread_that_does_not_answer_is_not() {
        let (looks, subjects) = (Looks::default(), Subjects::default());
        subjects.get(1);
        // Nobody serves yet.
        looks.ask(Phase::Startup, Some(Duration::from_millis(1)));
        assert_eq!(looks.lock().done, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| looks.serve(&subjects));
            looks.ask(Phase::Startup, None);
            looks.ask(Phase::Steady, Some(Duration::from_secs(60)));
            assert_eq!(looks.lock().done, 3);
            looks.stop();
        });
    }
}
