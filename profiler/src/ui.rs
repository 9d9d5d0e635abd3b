//! What people see while a command works, on standard error: messages and one live line. The only module that draws
//! progress.

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reports::{model::Phase, text::printable};

use crate::failure::Failure;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A line on standard error. Where nobody reads it any more the work goes on: what was made has to be removed.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Settings that hold for every command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    quiet: bool,
    /// Whether a line of trials is shown, and runs have none of their own.
    in_trials: bool,
    verbose: u8,
    color: ColorChoice,
}

impl Ui {
    /// From the command line.
    pub(crate) fn new(quiet: bool, verbose: u8, color: ColorChoice) -> Self {
        Self { quiet, in_trials: false, verbose, color }
    }

    fn color_on(self, is_terminal: bool) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }

    /// Whether standard output takes colour.
    pub(crate) fn color_on_stdout(self) -> bool {
        self.color_on(std::io::stdout().is_terminal())
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color_on(std::io::stderr().is_terminal()) {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// What is being done.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            say(printable(text));
        }
    }

    /// What is of interest to those who asked for more.
    pub(crate) fn detail(self, text: &str) {
        if self.verbose > 0 && !self.quiet {
            say(printable(text));
        }
    }

    /// What the user should know although the command goes on.
    pub(crate) fn warn(self, text: &str) {
        say(format_args!("{} {}", self.paint("33;1", "warning:"), printable(text)));
    }

    /// What ended the command.
    pub(crate) fn fail(self, failure: &Failure) {
        // A message may have several lines, for instance the last ones that the subject printed.
        let lines: Vec<_> = failure.message.lines().map(printable).collect();
        say(format_args!("{} {}", self.paint("31;1", "error:"), lines.join("\n  ")));
        for hint in &failure.hints {
            say(format_args!("{} {}", self.paint("36;1", "hint:"), printable(hint)));
        }
    }

    /// A live line; it is drawn on a terminal only.
    pub(crate) fn live_line(self) -> LiveLine {
        let bar = ProgressBar::new_spinner();
        let hidden = self.quiet || self.in_trials || !std::io::stderr().is_terminal();
        bar.set_draw_target(if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:.bold} {elapsed_precise}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        LiveLine { bar, ui: self }
    }
}

impl Ui {
    /// A line for a sequence of runs; it is drawn on a terminal only.
    pub(crate) fn trials_line(self) -> TrialsLine {
        let bar = ProgressBar::new(0);
        let hidden = self.quiet || !std::io::stderr().is_terminal();
        bar.set_draw_target(if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:20} {msg} {elapsed_precise}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        TrialsLine { bar, ui: self }
    }

    /// For what runs while a line of trials is shown.
    pub(crate) fn in_trials(self) -> Self {
        Self { in_trials: true, ..self }
    }
}

/// A line that shows how a sequence of runs goes on. It vanishes when it is dropped.
#[derive(Debug)]
pub(crate) struct TrialsLine {
    bar: ProgressBar,
    ui: Ui,
}

impl TrialsLine {
    /// Shows the next run; on anything but a terminal as a line of its own. `left` is how long the rest may take.
    pub(crate) fn trial(&self, number: u64, of: u64, what: &str, left: Option<Duration>) {
        let left = left
            .map(|left| {
                let seconds = Duration::from_secs(left.as_secs_f64().ceil() as u64);
                format!(" (about {} left)", humantime::format_duration(seconds))
            })
            .unwrap_or_default();
        self.bar.set_length(of);
        // As many as are done.
        self.bar.set_position(number.saturating_sub(1));
        let text = format!("run {number} of {of}: {what}{left}");
        self.bar.set_message(printable(&text));
        if self.bar.is_hidden() {
            self.ui.note(&text);
        }
    }
}

impl Drop for TrialsLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Figures of the live line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Distinct operations that succeeded.
    pub(crate) writes: usize,
    /// Capabilities asked for.
    pub(crate) capabilities: usize,
    /// Records lost.
    pub(crate) lost: u64,
}

/// A line that shows how a run goes on. It vanishes when it is dropped.
#[derive(Debug)]
pub(crate) struct LiveLine {
    bar: ProgressBar,
    ui: Ui,
}

impl LiveLine {
    /// Shows the phase; on anything but a terminal as a line of its own.
    pub(crate) fn phase(&self, phase: Phase, what: &str) {
        let name = match phase {
            Phase::Startup => "start-up",
            Phase::Steady => "steady",
            Phase::Shutdown => "shutdown",
        };
        self.bar.set_prefix(name);
        if self.bar.is_hidden() && !self.ui.in_trials {
            self.ui.note(&format!("{name}: {what}"));
        }
    }

    /// Shows figures.
    pub(crate) fn figures(&self, figures: Figures) {
        let Figures { writes, capabilities, lost } = figures;
        self.bar.set_message(format!("{writes} writes · {capabilities} capabilities · {lost} lost"));
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
