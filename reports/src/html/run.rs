//! The run itself: what was run, where, how, as whom, and what it executed.

use super::words;
use crate::model::{BoundPort, Execution, Host, Merged, Profile, Run, UserSeen};
use crate::text::printable;

/// How many rows of a list are shown at most.
const ROWS: usize = 400;

/// A name and what stands behind it.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// The run.
pub(super) struct RunView {
    pub(super) facts: Vec<Fact>,
    /// The command of the load test, which may be long.
    pub(super) load: Option<String>,
    pub(super) users: Vec<UserRow>,
    pub(super) executions: Vec<ExecutionRow>,
    pub(super) more_executions: usize,
}

/// A user that processes ran as.
pub(super) struct UserRow {
    pub(super) user: String,
    pub(super) program: String,
    pub(super) count: String,
    pub(super) phases: String,
}

/// A program or mapped file.
pub(super) struct ExecutionRow {
    pub(super) path: String,
    pub(super) how: &'static str,
    pub(super) count: String,
}

/// Describes the run.
pub(super) fn run(profile: &Profile) -> RunView {
    let Run { started, duration_ms, phases: _, load, exit, executions, sizes: _, users, ports, merged } =
        &profile.run;
    let Host { kernel, arch, sensors, runtime } = &profile.host;
    let mut facts = Vec::new();
    let mut fact = |name, value: String| {
        if !value.is_empty() {
            facts.push(Fact { name, value });
        }
    };
    fact("Image", profile.subject.image_id.as_deref().map(words::short).unwrap_or_default());
    if let Some(Merged { runs, folded: _ }) = merged {
        let incomplete = runs.iter().filter(|run| !run.complete).count();
        let all = words::counted(words::count(runs.len()), "training run", "training runs");
        fact(
            "Union of",
            match incomplete {
                0 => all,
                incomplete => format!("{all}, of which {incomplete} did not see everything"),
            },
        );
    }
    fact("Started", words::short(started));
    fact("Took", words::duration(*duration_ms));
    if let Some(exit) = exit {
        let asked = if exit.stopped { ", when asked to stop" } else { ", by itself" };
        let memory = if exit.oom_killed { "; memory ran out" } else { "" };
        fact("Ended", format!("with status {}{asked}{memory}", exit.status));
    }
    fact("Kernel", format!("{} ({})", words::short(kernel), words::short(arch)));
    if let Some(runtime) = runtime {
        fact(
            "Runtime",
            format!(
                "{} {}, {}, cgroup v{} ({})",
                words::short(&runtime.name),
                words::short(&runtime.version),
                words::short(&runtime.storage_driver),
                words::short(&runtime.cgroup_version),
                words::short(&runtime.cgroup_driver)
            ),
        );
    }
    fact(
        "Sensors",
        sensors.iter().take(20).map(|sensor| words::short(sensor)).collect::<Vec<_>>().join(", "),
    );
    fact("Low ports", ports.iter().take(ROWS).map(port).collect::<Vec<_>>().join(", "));
    fact(
        "Written by",
        format!("{} {}", words::short(&profile.tool.name), words::short(&profile.tool.version)),
    );
    RunView {
        facts,
        load: load.as_ref().map(|load| printable_lines(&load.command)),
        users: users.iter().take(ROWS).map(user).collect(),
        more_executions: executions.len().saturating_sub(ROWS),
        executions: executions.iter().take(ROWS).map(execution).collect(),
    }
}

fn printable_lines(text: &str) -> String {
    text.lines().take(ROWS).map(printable).collect::<Vec<_>>().join("\n")
}

fn port(bound: &BoundPort) -> String {
    let BoundPort { port, executable, phases: _ } = bound;
    format!("{port} by {}", words::short(executable))
}

fn user(seen: &UserSeen) -> UserRow {
    let UserSeen { uid, gid, executable, count, phases } = seen;
    UserRow {
        user: format!("{uid}:{gid}"),
        program: words::short(executable),
        count: words::counted(*count, "process", "processes"),
        phases: words::phases(phases.iter().copied()),
    }
}

fn execution(execution: &Execution) -> ExecutionRow {
    let Execution { path, mount: _, count, gains_privileges, mapped } = execution;
    ExecutionRow {
        path: words::short(&path.to_string()),
        how: match (gains_privileges, mapped) {
            (true, _) => "executed, gaining privileges",
            (false, true) => "mapped to be executed",
            (false, false) => "executed",
        },
        count: words::times(*count),
    }
}
