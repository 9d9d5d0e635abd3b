//! The plan for people: what to do, why, and what to know before doing it.
//!
//! Owns the layout on screen. Colour only where asked for; every name is made printable, so that one from the
//! subject cannot drive the terminal. Meaning never hangs on colour.

use std::fmt::Write as _;

use super::comment::size;
use super::{FormatError, Options};
use crate::model::{Phase, Profile, Verdict};
use crate::plan::Plan;
use crate::text::printable;

/// How wide text is wrapped, in columns.
const WIDTH: usize = 100;

/// ANSI styles, empty where colour is off.
struct Style {
    bold: &'static str,
    dim: &'static str,
    good: &'static str,
    bad: &'static str,
    off: &'static str,
}

impl Style {
    fn new(color: bool) -> Self {
        if color {
            Self { bold: "\x1b[1m", dim: "\x1b[2m", good: "\x1b[32m", bad: "\x1b[33m", off: "\x1b[0m" }
        } else {
            Self { bold: "", dim: "", good: "", bad: "", off: "" }
        }
    }
}

pub(super) fn render(profile: &Profile, plan: &Plan, options: &Options) -> Result<String, FormatError> {
    let mut page = Page { text: String::new(), style: Style::new(options.color) };
    page.head(profile, plan);
    page.root(plan);
    page.mounts(plan);
    page.capabilities(plan);
    page.warnings(plan);
    page.alternatives(plan);
    Ok(page.text)
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    /// Writes a line; writing to a string does not fail.
    fn line(&mut self, args: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(args);
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str) {
        let Style { bold, off, .. } = self.style;
        self.line(format_args!("\n{bold}{title}{off}"));
    }

    /// Text wrapped at [`WIDTH`], every line behind `indent` columns.
    fn paragraph(&mut self, indent: usize, text: &str) {
        let text = printable(text);
        let room = WIDTH.saturating_sub(indent);
        let mut line = String::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                self.line(format_args!("{:indent$}{line}", ""));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(format_args!("{:indent$}{line}", ""));
        }
    }

    fn head(&mut self, profile: &Profile, plan: &Plan) {
        let Style { bold, good, bad, off, .. } = self.style;
        self.line(format_args!("{bold}Plan for {}{off}", printable(&plan.subject)));
        let seconds = profile.run.duration_ms / 1000;
        let tenths = profile.run.duration_ms % 1000 / 100;
        if plan.complete {
            self.line(format_args!(
                "{good}Complete{off}: nothing was lost in a training run of {seconds}.{tenths} s."
            ));
        } else {
            self.line(format_args!(
                "{bad}Incomplete{off}: not everything was seen in a training run of {seconds}.{tenths} s; the plan may lack something."
            ));
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
        let Style { dim, bold, off, .. } = self.style;
        self.heading("Writable places");
        let width = plan
            .writable_targets()
            .iter()
            .map(|target| target.to_string().chars().count())
            .max()
            .unwrap_or(0)
            .clamp(8, 44);
        if plan.tmpfs.is_empty() && plan.volumes.is_empty() {
            self.line(format_args!("  none"));
        }
        for mount in &plan.tmpfs {
            let target = mount.target.to_string();
            self.line(format_args!(
                "  {bold}{target:width$}{off}  tmpfs   {}, {} {}:{}, {},{},{}",
                size(mount.size),
                mount.mode,
                mount.uid,
                mount.gid,
                if mount.exec { "exec" } else { "noexec" },
                if mount.suid { "suid" } else { "nosuid" },
                if mount.dev { "dev" } else { "nodev" },
            ));
            self.paragraph(6, &mount.why);
        }
        for volume in &plan.volumes {
            let target = volume.target.to_string();
            self.line(format_args!(
                "  {bold}{target:width$}{off}  volume  {}{}",
                printable(&volume.name),
                if volume.seed_from_image { ", starts as in the image" } else { "" }
            ));
            self.paragraph(6, &volume.why);
        }
        if !plan.mounts_read_only.is_empty() {
            self.heading("Mounts that were only read");
            for target in &plan.mounts_read_only {
                self.line(format_args!("  {target}  {dim}read-only{off}"));
            }
        }
    }

    fn capabilities(&mut self, plan: &Plan) {
        let Style { dim, bold, off, .. } = self.style;
        self.heading("Capabilities");
        if plan.cap_add.is_empty() {
            self.line(format_args!("  drop all; none was needed"));
        } else {
            self.line(format_args!("  drop all but"));
        }
        let width = plan.cap_add.iter().map(|add| add.cap.chars().count()).max().unwrap_or(0);
        for add in &plan.cap_add {
            self.line(format_args!(
                "  {bold}{:width$}{off}  {:8}  {}",
                printable(&add.cap),
                phase(add.phase),
                printable(&add.why)
            ));
        }
        if !plan.cap_dropped.is_empty() {
            self.heading("What dropping takes from an attacker in the container");
            let width = plan.cap_dropped.iter().map(|dropped| dropped.cap.chars().count()).max().unwrap_or(0);
            for dropped in &plan.cap_dropped {
                let seen = match dropped.seen {
                    None | Some(Verdict::Required) => "",
                    Some(Verdict::Attempted) => " (asked for in training, refused)",
                    Some(Verdict::Opportunistic) => " (asked for in training, made no difference)",
                };
                self.line(format_args!(
                    "  {:width$}  {}{dim}{seen}{off}",
                    printable(&dropped.cap),
                    printable(&dropped.gives_attacker)
                ));
            }
        }
        self.heading("Privileges");
        self.line(format_args!(
            "  no-new-privileges {}",
            if plan.no_new_privileges { "set" } else { "not set (see the warnings)" }
        ));
        if let Some(user) = &plan.user {
            self.line(format_args!("  user {}", printable(user)));
        }
    }

    fn warnings(&mut self, plan: &Plan) {
        if plan.warnings.is_empty() {
            return;
        }
        let Style { bad, off, .. } = self.style;
        self.heading("Warnings");
        for warning in &plan.warnings {
            self.line(format_args!("  {bad}{}{off}", printable(&warning.code)));
            self.paragraph(6, &warning.message);
        }
    }

    fn alternatives(&mut self, plan: &Plan) {
        if plan.alternatives.is_empty() {
            return;
        }
        self.heading("Alternatives");
        for alternative in &plan.alternatives {
            self.line(format_args!("  {}", printable(&alternative.kind)));
            self.paragraph(6, &alternative.message);
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Startup => "startup",
        Phase::Steady => "steady",
        Phase::Shutdown => "shutdown",
    }
}
