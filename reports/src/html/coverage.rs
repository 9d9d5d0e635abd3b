//! What a report does not know: gaps of the profile, and what the training run did not do.

use super::words;
use crate::model::{Gap, Profile};
use crate::plan::listed;

/// Something that a reader should know.
pub(super) struct Remark {
    /// A stable name, where there is one.
    pub(super) code: String,
    pub(super) text: String,
    /// Whether the plan may lack something because of it.
    pub(super) grave: bool,
}

/// Everything that was not seen, lost, or not done.
pub(super) fn remarks(profile: &Profile) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = profile.coverage.gaps.iter().map(gap).collect();
    let mut remark = |code: &str, grave: bool, text: String| {
        remarks.push(Remark { code: code.to_owned(), text, grave });
    };
    if !profile.coverage.complete && profile.coverage.gaps.is_empty() {
        remark("incomplete", true, "The profile says that not everything was seen, and not what.".to_owned());
    }
    match &profile.run.load {
        None => remark(
            "no-load",
            false,
            "There was no load test: what the run did not do the plan does not allow.".to_owned(),
        ),
        Some(load) if load.exit_status != Some(0) => remark(
            "load-failed",
            true,
            match load.exit_status {
                Some(status) => format!("The load test failed with status {status}."),
                None => "The load test was ended by a signal.".to_owned(),
            },
        ),
        Some(_) => {}
    }
    if let Some(exit) = &profile.run.exit {
        if exit.oom_killed {
            remark("oom-killed", true, "The kernel ended the subject because memory ran out.".to_owned());
        } else if exit.status != 0 && !exit.stopped {
            remark("ended-early", true, format!("The subject ended by itself with status {}.", exit.status));
        }
    }
    let collapsed = profile.writes.iter().filter(|write| write.collapsed);
    let directories: std::collections::BTreeSet<String> =
        collapsed.map(|write| write.path.to_string()).collect();
    if !directories.is_empty() {
        let names = listed(directories.iter().map(String::as_str), 3);
        remark(
            "names-not-kept",
            false,
            format!(
                "So many names were used in {} that they were counted and not kept.",
                words::short(&names)
            ),
        );
    }
    let cut: Vec<String> = profile.subject.image_cut.iter().map(ToString::to_string).collect();
    if !cut.is_empty() {
        let names = listed(cut.iter().map(String::as_str), 3);
        remark(
            "image-not-listed",
            false,
            format!("The image holds too much to be listed in {}.", words::short(&names)),
        );
    }
    if profile.tool.is_newer() {
        remark(
            "newer-tool",
            false,
            format!(
                "The profile was written by version {}, which is newer than the {} that made this page: what only the newer \
                 one knows of is not here.",
                words::short(&profile.tool.version),
                env!("CARGO_PKG_VERSION")
            ),
        );
    }
    remarks
}

fn gap(gap: &Gap) -> Remark {
    let Gap { code, message, count } = gap;
    let times = if *count == 0 { String::new() } else { format!(" ({}×)", words::number(*count)) };
    Remark { code: words::short(code), text: format!("{}{times}", words::passage(message)), grave: true }
}
