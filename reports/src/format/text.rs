//! The plan for people: what to do, why, and what to know before doing it.
//!
//! Owns the layout on screen: 80 columns, names in front of what is said of them. Colour only where asked for; every name is made printable, so that one from the
//! subject cannot drive the terminal.

use unicode_width::UnicodeWidthStr as _;

use super::comment::size;
use super::page::{Cell, Page, Style, column, phase};
use super::{FormatError, Options};
use crate::model::{Profile, Verdict};
use crate::plan::{Confidence, Grounds, Plan};
use crate::text::printable;

/// The widest column of targets; what is wider stands on a line of its own.
const WIDEST_TARGET: usize = 26;
/// The widest column of capabilities' names.
const WIDEST_NAME: usize = 18;

pub(super) fn render(profile: &Profile, plan: &Plan, options: &Options) -> Result<String, FormatError> {
    let mut page = Page::new(options.color);
    page.head(profile, plan);
    page.root(plan);
    page.mounts(plan);
    page.capabilities(plan);
    page.warnings(plan);
    page.alternatives(plan);
    Ok(page.text)
}

impl Page {
    fn head(&mut self, profile: &Profile, plan: &Plan) {
        let Style { bold, good, bad, off, .. } = self.style;
        self.name(0, bold, &format!("Plan for {}", printable(&plan.subject)));
        let seconds = profile.run.duration_ms / 1000;
        let tenths = profile.run.duration_ms % 1000 / 100;
        if plan.complete {
            self.line(format_args!(
                "{good}Complete{off}: nothing was lost in a training run of {seconds}.{tenths} s."
            ));
        } else {
            self.line(format_args!(
                "{bad}Incomplete{off}: not everything was seen in a training run of {seconds}.{tenths} s;"
            ));
            self.line(format_args!("the plan may lack something."));
        }
    }

    fn root(&mut self, plan: &Plan) {
        let Style { good, bad, off, .. } = self.style;
        self.heading("Root file system");
        if plan.read_only {
            self.line(format_args!("  {good}read-only{off}"));
        } else {
            self.line(format_args!("  {bad}stays writable{off} (see the warnings)"));
        }
    }

    fn mounts(&mut self, plan: &Plan) {
        let Style { dim, bold, .. } = self.style;
        self.heading("Writable places");
        let targets: Vec<String> = plan.writable_targets().iter().map(ToString::to_string).collect();
        let width = column(targets.iter().map(String::as_str), WIDEST_TARGET);
        let kind = |text| Cell { text, style: "", width: "volume".len() };
        if plan.tmpfs.is_empty() && plan.volumes.is_empty() {
            self.line(format_args!("  none"));
        }
        for mount in &plan.tmpfs {
            let target = mount.target.to_string();
            let options = format!(
                "{}, {} {}:{}, {},{},{}",
                size(mount.size),
                mount.mode,
                mount.uid,
                mount.gid,
                if mount.exec { "exec" } else { "noexec" },
                if mount.suid { "suid" } else { "nosuid" },
                if mount.dev { "dev" } else { "nodev" },
            );
            self.row(2, &[Cell { text: &target, style: bold, width }, kind("tmpfs")], &printable(&options));
            self.paragraph(6, &mount.why);
            self.doubts(&mount.grounds);
        }
        for volume in &plan.volumes {
            let target = volume.target.to_string();
            let name = format!(
                "{}{}",
                printable(&volume.name),
                if volume.seed_from_image { ", starts as in the image" } else { "" }
            );
            self.row(2, &[Cell { text: &target, style: bold, width }, kind("volume")], &name);
            if let Some(owner) = &volume.owner {
                self.paragraph(
                    6,
                    &format!("must belong to {owner}, with all in it, before the subject starts"),
                );
            }
            self.paragraph(6, &volume.why);
            self.doubts(&volume.grounds);
        }
        if !plan.mounts_read_only.is_empty() {
            self.heading("Mounts that were only read");
            for target in &plan.mounts_read_only {
                let target = target.to_string();
                let width = target.width();
                self.row(
                    2,
                    &[
                        Cell { text: &target, style: "", width },
                        Cell { text: "read-only", style: dim, width: 9 },
                    ],
                    "",
                );
            }
        }
    }

    fn capabilities(&mut self, plan: &Plan) {
        let Style { bold, .. } = self.style;
        self.heading("Capabilities");
        if plan.cap_add.is_empty() {
            self.line(format_args!("  drop all; none was needed"));
        } else {
            self.line(format_args!("  drop all but"));
        }
        let width = column(plan.cap_add.iter().map(|add| add.cap.as_str()), WIDEST_NAME);
        for add in &plan.cap_add {
            let name = printable(&add.cap);
            let phase = Cell { text: phase(add.phase), style: "", width: "shutdown".len() };
            self.row(2, &[Cell { text: &name, style: bold, width }, phase], &printable(&add.why));
            self.doubts(&add.grounds);
        }
        if !plan.cap_dropped.is_empty() {
            self.heading("What dropping takes from an attacker in the container");
            let width = column(plan.cap_dropped.iter().map(|dropped| dropped.cap.as_str()), WIDEST_NAME);
            for dropped in &plan.cap_dropped {
                let seen = match dropped.seen {
                    None | Some(Verdict::Required) => "",
                    Some(Verdict::Attempted) => " (asked for in training, refused)",
                    Some(Verdict::Opportunistic) => " (asked for in training, made no difference)",
                };
                let name = printable(&dropped.cap);
                let text = printable(&format!("{}{seen}", dropped.gives_attacker));
                self.row(2, &[Cell { text: &name, style: "", width }], &text);
            }
        }
        self.heading("Privileges");
        self.line(format_args!(
            "  no-new-privileges {}",
            if plan.no_new_privileges { "set" } else { "not set (see the warnings)" }
        ));
        if let Some(user) = &plan.user {
            self.paragraph(2, &format!("user {user}"));
        }
    }

    /// What leaves little confidence in an element; doubts that leave more are for `--explain`.
    fn doubts(&mut self, grounds: &Grounds) {
        if grounds.confidence == Confidence::Low && !grounds.doubts.is_empty() {
            self.paragraph(6, &format!("low confidence: {}", grounds.doubts.join(", ")));
        }
    }

    fn warnings(&mut self, plan: &Plan) {
        if plan.warnings.is_empty() {
            return;
        }
        let Style { bad, .. } = self.style;
        self.heading("Warnings");
        for warning in &plan.warnings {
            self.name(2, bad, &printable(&warning.code));
            self.paragraph(6, &warning.message);
        }
    }

    fn alternatives(&mut self, plan: &Plan) {
        if plan.alternatives.is_empty() {
            return;
        }
        self.heading("Alternatives");
        for alternative in &plan.alternatives {
            let user = alternative.user.as_ref().map(|user| format!("user {user}")).unwrap_or_default();
            let kind = printable(&alternative.kind);
            self.row(2, &[Cell { text: &kind, style: "", width: kind.width() }], &printable(&user));
            self.paragraph(6, &alternative.message);
        }
    }
}
