//! `docs/commands.md`: what every command says of itself. `UPDATE_DOCS=1` rewrites it.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::Cli;

const PAGE: &str = "../docs/commands.md";

const HEAD: &str = "\
# Commands

<!-- Generated from the command line; `UPDATE_DOCS=1 cargo test -p profiler cli::page` rewrites it. -->

What `writepath COMMAND --help` prints. The manual pages (`man writepath-run`) say the same.
";

fn page() -> String {
    let mut program = Cli::command().disable_help_subcommand(true).term_width(100);
    program.build();
    let mut page = HEAD.to_owned();
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        // What the environment of this test holds is none of the page's business.
        let mut command = command.clone().term_width(100).mut_args(|arg| arg.hide_env_values(true));
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let name = command.get_name();
        let _ = write!(page, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n"));
    }
    page
}

#[test]
fn the_page_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let wanted = page();
    if std::env::var("UPDATE_DOCS").as_deref() == Ok("1") {
        std::fs::write(&path, &wanted).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "docs/commands.md is stale: UPDATE_DOCS=1 cargo test -p profiler cli::page");
}
