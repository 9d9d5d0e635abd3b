//! Which users the subject's processes run as, for a plan without root.
//!
//! Found by looking now and then at the processes in the subject's cgroup, and in any case at the end of each phase: a
//! process that comes and goes between two looks is not seen, one that serves is. Ids are those of the subject's own user
//! namespace. Never looks at a process of another cgroup.

use std::collections::{BTreeMap, BTreeSet};

use reports::model::{Phase, UserSeen};

use super::Collected;

/// The most processes looked at in one go, and the most users that are kept.
const MAX_PROCESSES: usize = 4096;
const MAX_USERS: usize = 1024;

/// A user with an executable: effective user and group id, and the path.
type User = (u32, u32, String);

/// What was seen of one.
#[derive(Debug, Default)]
struct Seen {
    processes: BTreeSet<u32>,
    phases: BTreeSet<Phase>,
}

/// Users by what they executed.
#[derive(Debug, Default)]
pub(super) struct Users(BTreeMap<User, Seen>);

impl Users {
    /// What was seen, sorted.
    pub(super) fn report(&self) -> Vec<UserSeen> {
        self.0
            .iter()
            .map(|((uid, gid, executable), seen)| UserSeen {
                uid: *uid,
                gid: *gid,
                executable: executable.clone(),
                count: u64::try_from(seen.processes.len()).unwrap_or(u64::MAX),
                phases: seen.phases.iter().copied().collect(),
            })
            .collect()
    }
}

impl Collected {
    /// Looks at every process of the subject.
    pub(super) fn see_users(&mut self, phase: Phase) {
        let Some(view) = &self.view else { return };
        for pid in view.processes().into_iter().take(MAX_PROCESSES) {
            let Some(user) = user_of(pid) else { continue };
            if self.users.0.len() < MAX_USERS || self.users.0.contains_key(&user) {
                let seen = self.users.0.entry(user).or_default();
                seen.processes.insert(pid);
                seen.phases.insert(phase);
            }
        }
    }
}

fn user_of(pid: u32) -> Option<User> {
    let process = format!("/proc/{pid}");
    // The name of a program may be any bytes.
    let status = std::fs::read(format!("{process}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let executable = std::fs::read_link(format!("{process}/exe")).ok()?;
    let inside = |name: &str, map: &str| {
        let outside = effective(&status, name)?;
        let map = std::fs::read_to_string(format!("{process}/{map}")).ok()?;
        id_inside(&map, outside)
    };
    let executable =
        reports::model::SubjectPath::from_bytes(executable.as_os_str().as_encoded_bytes()).ok()?;
    Some((inside("Uid:", "uid_map")?, inside("Gid:", "gid_map")?, executable.escaped()))
}

/// The effective id of a line of /proc/PID/status: real, effective, saved, file system (proc(5)).
fn effective(status: &str, name: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().nth(1)?.parse().ok()
}

/// What an id of our user namespace is in another, by its /proc/PID/uid_map: lines of first id inside, first id outside and
/// count (user_namespaces(7)).
fn id_inside(map: &str, outside: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().ok());
        let (first, first_outside, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let offset = outside.checked_sub(first_outside).filter(|offset| *offset < count)?;
        first.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_other_namespace() {
        let identity = "         0          0 4294967295\n";
        let shifted = "         0     100000      65536\n     70000          0          1\n";
        for (map, outside, inside) in [
            (identity, 999, Some(999)),
            (shifted, 100_999, Some(999)),
            (shifted, 0, Some(70_000)),
            (shifted, 999, None),
            ("", 0, None),
            ("x y z\n", 0, None),
        ] {
            assert_eq!(id_inside(map, outside), inside, "{map:?} {outside}");
        }
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";
        assert_eq!((effective(status, "Uid:"), effective(status, "Gid:")), (Some(2), Some(6)));
        assert_eq!(effective("Name:\tx\n", "Uid:"), None);
    }

    #[test]
    fn a_process_has_a_user() {
        let (uid, gid, executable) = user_of(std::process::id()).unwrap();
        assert_eq!((uid, gid), (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        assert_eq!(executable, std::env::current_exe().unwrap().to_str().unwrap());
    }
}
