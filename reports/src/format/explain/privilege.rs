//! The answers about privileges: capabilities, `no-new-privileges`, alternatives.

use super::super::page::phase;
use super::{Answer, ROWS, named, times, tmpfs};
use crate::capability::{self, CapabilityInfo};
use crate::model::{Capability, CapabilityCheck, Verdict};
use crate::plan::{Alternative, CapAdd};
use crate::text::printable;

/// How many kernel functions of a call chain are shown at most.
const FRAMES: usize = 12;

impl Answer<'_> {
    pub(super) fn capability(&mut self, info: &CapabilityInfo) {
        if let Some(add) = self.plan.cap_add.iter().find(|add| add.cap == info.name) {
            self.title(info.name, &format!("granted, first needed in phase {}", phase(add.phase)));
            let CapAdd { why, grounds, .. } = add;
            self.why(why);
            self.grounds(grounds);
        } else {
            self.title(info.name, "not in the plan");
            let why = self.why_no_capability(info);
            self.why(&why);
        }
        self.page.heading("What it gives an attacker");
        self.page.paragraph(2, info.gives_attacker);
        self.checks(info);
    }

    fn entries(&self, info: &CapabilityInfo) -> impl Iterator<Item = &Capability> {
        let number = info.number;
        self.profile.capabilities.iter().filter(move |entry| capability::number(&entry.cap) == Some(number))
    }

    fn why_no_capability(&self, info: &CapabilityInfo) -> String {
        match self.entries(info).map(|entry| entry.verdict).max() {
            None => "the kernel was never asked for it on the subject's behalf".to_owned(),
            Some(Verdict::Attempted) => {
                "it was asked for and refused, or did not help, and the subject went on: attempted, not needed".to_owned()
            }
            Some(Verdict::Opportunistic) => {
                "it was granted, but what was done would have succeeded without it: opportunistic, not needed".to_owned()
            }
            Some(Verdict::Required)
                if self.plan.optional.iter().any(|one| one.cap.as_deref() == Some(info.name)) =>
            {
                "training used it, and under a plan without it the subject was seen to work: optional".to_owned()
            }
            Some(Verdict::Required) if self.plan.user.is_some() => format!(
                "what needed it in training was done as root, and under this plan the subject is {} from the start",
                printable(self.plan.user.as_deref().unwrap_or_default())
            ),
            Some(Verdict::Required) => {
                "DAC_OVERRIDE is in the plan, and serves for all that it was needed for: the kernel takes either".to_owned()
            }
        }
    }

    /// Every check of a capability, down to the kernel's call chain.
    fn checks(&mut self, info: &CapabilityInfo) {
        let mut checks: Vec<CapabilityCheck> =
            self.entries(info).flat_map(|entry| &entry.evidence).cloned().collect();
        checks.sort_by(|a, b| {
            (b.verdict, a.first_ms, &a.process, &a.syscall, &a.caller)
                .cmp(&(a.verdict, b.first_ms, &b.process, &b.syscall, &b.caller))
        });
        if checks.is_empty() {
            return;
        }
        self.page.heading("Checks in training");
        for check in checks.iter().take(ROWS) {
            let granted = if check.granted { "granted" } else { "refused" };
            let caller = check
                .caller
                .as_ref()
                .map(|caller| format!(", asked by {caller} in the kernel"))
                .unwrap_or_default();
            let phases = check.phases.iter().map(|seen| phase(*seen)).collect::<Vec<_>>().join(", ");
            let head = format!("{} by {}{caller}", check.syscall, check.process);
            self.page.name(2, "", &printable(&head));
            let verdict = match check.verdict {
                Verdict::Attempted => "attempted",
                Verdict::Opportunistic => "opportunistic",
                Verdict::Required => "required",
            };
            self.page.paragraph(
                6,
                &format!(
                    "{granted} {}{}; {verdict}: {}",
                    times(check.count),
                    if phases.is_empty() { String::new() } else { format!(", {phases}") },
                    check.reason
                ),
            );
            if !check.stack.is_empty() {
                let shown =
                    check.stack.iter().take(FRAMES).map(String::as_str).collect::<Vec<_>>().join(" < ");
                self.page.paragraph(6, &format!("call chain: {shown}"));
            }
        }
        self.more(checks.len());
    }

    pub(super) fn no_new_privileges(&mut self) {
        let what = if self.plan.no_new_privileges { "set" } else { "not set" };
        self.title("no-new-privileges", what);
        let Some(kept) = self.plan.no_new_privileges_grounds.clone() else {
            self.why("the plan does not say");
            return;
        };
        self.why(&kept.why);
        self.grounds(&kept.grounds);
        if !kept.evidence.is_empty() {
            self.page.heading("Programs that gained privileges");
            for execution in &kept.evidence {
                self.page.name(2, "", &format!("{} executed {}", execution.path, times(execution.count)));
            }
        }
    }

    pub(super) fn alternative(&mut self, alternative: &Alternative) {
        let user =
            alternative.user.as_deref().map_or("no user is known".to_owned(), |user| format!("user {user}"));
        self.title(&alternative.kind, &user);
        self.why(&alternative.message);
        self.grounds(&alternative.grounds);
        if alternative.user.is_some() {
            self.page.heading("Under it");
            for mount in &alternative.tmpfs {
                self.page.name(2, "", &format!("{}  {}", mount.target, tmpfs(mount)));
            }
            for volume in &alternative.volumes {
                self.page.name(2, "", &format!("{}  {}", volume.target, printable(&named(volume))));
            }
            let caps: Vec<&str> = alternative.cap_add.iter().map(|add| add.cap.as_str()).collect();
            let caps = if caps.is_empty() { "none".to_owned() } else { caps.join(", ") };
            self.page.paragraph(2, &format!("capabilities: {caps}"));
        }
        if !alternative.evidence.is_empty() {
            self.page.heading("What speaks for that user");
            for seen in &alternative.evidence {
                let what = match (&seen.process, &seen.path) {
                    (Some(process), _) => format!("{process} ran as it"),
                    (None, Some(path)) => format!("{path} of the image belongs to it"),
                    (None, None) => "not said".to_owned(),
                };
                let when =
                    seen.phase.map(|seen| format!(", first in phase {}", phase(seen))).unwrap_or_default();
                self.line(format_args!("  {}:{}  {}{when}", seen.uid, seen.gid, printable(&what)));
            }
        }
    }
}
