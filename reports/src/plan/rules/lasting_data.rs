//! Data on a tmpfs that looks worth keeping.

use std::collections::BTreeSet;

use super::tmpfs_or_volume::is_volatile;
use super::{Case, Draft, Rule};
use crate::model::{ObjectKind, Op, SubjectPath};

/// How the names of files end that databases keep their data in.
const DATA: &[&[u8]] = &[
    b".db",
    b".db3",
    b".sqlite",
    b".sqlite3",
    b".rdb",
    b".aof",
    b".mdb",
    b".ibd",
    b".dump",
    b".bak",
    b".h2.db",
];

pub(super) const RULE: Rule = Rule {
    id: "lasting-data",
    about: "Data on a tmpfs that looks worth keeping is warned about: it is gone with the container.",
    doc: "The convention of a path may say \"temporary\" of something that is not. The signs looked for on every \
          tmpfs of the plan: files that were synced (fsync and its kin) anywhere but in `/run`, `/var/lock` and \
          `/dev/shm`, which no program expects to last, and files named like a database's that were still there at \
          the end. `--volume PATH` settles it.",
    warnings: &["tmpfs-may-lose-data"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let gone: BTreeSet<&SubjectPath> = case
        .profile
        .writes
        .iter()
        .filter(|write| write.succeeded() && !write.collapsed)
        .filter_map(|write| match write.op {
            Op::Unlink => Some(&write.path),
            Op::Rename => write.from.as_ref(),
            _ => None,
        })
        .filter(|path| is_named_like_data(path))
        .collect();
    let mut warnings = Vec::new();
    for target in draft.layout.targets.iter().filter(|target| target.storage.tmpfs) {
        if case.told(&target.directory).is_some() {
            continue;
        }
        let data = target
            .writes
            .iter()
            .filter(|write| {
                !write.collapsed && matches!(write.object, ObjectKind::File | ObjectKind::Unknown)
            })
            .map(|write| &write.path)
            .filter(|path| is_named_like_data(path) && !gone.contains(path))
            .min();
        let syncs = if is_volatile(&target.directory) { 0 } else { target.syncs };
        let sign = match (data, syncs) {
            (None, 0) => continue,
            (Some(first), _) => format!("{first} is named like a database's file"),
            (None, 1) => "data there was synced once".to_owned(),
            (None, syncs) => format!("data there was synced {syncs} times"),
        };
        let directory = target.directory.clone();
        let message = format!(
            "{directory} is a tmpfs ({}), but {sign}: if it is to outlive the container, use --volume {directory}",
            target.storage.reason
        );
        warnings.push((message, directory));
    }
    for (message, directory) in warnings {
        draft.warn("tmpfs-may-lose-data", message, Some(directory));
    }
}

/// Whether a name ends like that of a database's file. No end holds a slash, so that the path ends like its last name.
fn is_named_like_data(path: &SubjectPath) -> bool {
    DATA.iter().any(|end| path.as_bytes().ends_with(end))
}
