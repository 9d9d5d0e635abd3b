//! `writepath diff`: what a new profile shows that an old one did not.

use reports::diff::{self as comparison, FailOn, diff};

use super::{Status, read_profile};
use crate::{
    cli::{DiffArgs, DiffFormat},
    failure::{Failure, Kind},
    output,
    ui::Ui,
};

/// Runs the command.
pub(crate) fn run(args: &DiffArgs, ui: Ui) -> Result<Status, Failure> {
    let fail_on = FailOn::parse_list(&args.fail_on)
        .map_err(|error| Failure::new(Kind::Usage, format!("--fail-on {:?}: {error}", args.fail_on)))?;
    let (old, new) = (read_profile(&args.old)?, read_profile(&args.new)?);
    let differences = diff(&old, &new);
    let format = match args.format {
        DiffFormat::Text => comparison::DiffFormat::Text,
        DiffFormat::Json => comparison::DiffFormat::Json,
    };
    let text = comparison::render(format, &differences, ui.color_on_stdout())
        .map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    output::to_stdout(text.as_bytes())?;
    Ok(if differences.fails(&fail_on) { Kind::Finding.status() } else { 0 })
}
