//! `writepath man`: the manual pages, one for each command, made from the command line itself.
//!
//! Names, descriptions and options are laid out by clap_mangen. What stands below a command's help becomes the sections of a
//! manual page: examples as they are, exit statuses as a list.

use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::Status;
use crate::{
    cli::{Cli, ManArgs},
    failure::{Failure, Kind},
    output,
    ui::Ui,
};

/// A file to write: its name and its text.
type Page = (String, Vec<u8>);

/// Runs the command.
pub(crate) fn run(args: &ManArgs, ui: Ui) -> Result<Status, Failure> {
    let directory = &args.output;
    let unwritable = |error: std::io::Error| {
        Failure::new(Kind::Usage, format!("--output {}: {error}", directory.display()))
            .hint("name a directory that you may write to")
    };
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let pages = pages().map_err(unwritable)?;
    for (name, text) in &pages {
        output::write(&directory.join(name), text)?;
    }
    ui.note(&format!("wrote {} pages; see `man -l {}`", pages.len(), first(directory, &pages)));
    Ok(0)
}

fn first(directory: &Path, pages: &[Page]) -> String {
    let name = pages.first().map(|(name, _)| name.as_str()).unwrap_or_default();
    directory.join(name).display().to_string()
}

/// All pages, that of the program itself first.
fn pages() -> std::io::Result<Vec<Page>> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let commands: Vec<_> = program.get_subcommands().filter(|one| !one.is_hide_set()).cloned().collect();
    std::iter::once(program).chain(commands).map(page).collect()
}

fn page(mut command: clap::Command) -> std::io::Result<Page> {
    let usage = command.render_usage().to_string();
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let is_program = command.get_subcommands().next().is_some();
    // Without it the synopsis would be all options.
    let command = command.override_usage(usage.trim_start_matches("Usage:").trim().to_owned());
    let source = format!("writepath {}", command.get_version().unwrap_or_default());
    // An empty date would be left out, and what follows it take its place.
    let man = Man::new(command).date(" ").source(source).manual("User Commands");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if is_program {
        man.render_subcommands_section(&mut text)?;
    }
    sections(&below).to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

/// The sections out of what stands below a command's help: paragraphs that begin with a title and a colon.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in help.split("\n\n") {
        let Some((title, content)) = paragraph.split_once(':') else { continue };
        roff.control("SH", [title.to_uppercase().as_str()]);
        if let Some(lines) = content.strip_prefix('\n') {
            roff.control("EX", []);
            for line in lines.lines() {
                roff.text([roman(line.trim_start())]);
            }
            roff.control("EE", []);
        } else {
            for item in content.trim().trim_end_matches('.').split("; ") {
                exit_status(&mut roff, item);
            }
        }
    }
    roff
}

/// `0 done` as an item of a list; what is no number and meaning stays a sentence.
fn exit_status(roff: &mut Roff, item: &str) {
    match item.split_once(' ') {
        Some((status, meaning)) if status.bytes().all(|byte| byte.is_ascii_digit()) => {
            roff.control("TP", []);
            roff.text([bold(status)]);
            roff.text([roman(meaning)]);
        }
        _ => {
            roff.text([roman(item)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_command_has_a_page_with_its_sections() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "writepath.1");
        assert!(names.contains(&"writepath-run.1") && !names.iter().any(|name| name.contains("enter")));
        for (name, text) in &pages {
            let text = std::str::from_utf8(text).unwrap();
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "\"EXIT STATUS\""] {
                assert!(text.contains(&format!(".SH {section}\n")), "{name}: {section}\n{text}");
            }
        }
    }

    #[test]
    fn help_becomes_sections() {
        let roff = sections("Examples:\n  a -b\n  .c\n\nExit status: as it says; 0 done; 2 wrong: usage.");
        let expected = ".SH EXAMPLES\n.EX\na \\-b\n\\&.c\n.EE\n.SH \"EXIT STATUS\"\nas it says\n.TP\n\\fB0\\fR\ndone\n.TP\n\\fB2\\fR\nwrong: usage\n";
        assert_eq!(roff.to_roff(), expected);
    }
}
