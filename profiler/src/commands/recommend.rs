//! `writepath recommend`: the plan that a profile leads to.

use reports::{
    format::{Format, Options, render},
    plan::recommend,
};

use super::{Status, read_profile};
use crate::{
    cli::{PlanFormat, RecommendArgs},
    failure::{Failure, Kind},
    output,
    ui::Ui,
};

/// Runs the command. An incomplete profile's plan is printed, and the status says so.
pub(crate) fn run(args: &RecommendArgs, ui: Ui) -> Result<Status, Failure> {
    let profile = read_profile(&args.profile)?;
    let plan = recommend(&profile);
    let format = match args.format {
        PlanFormat::Text => Format::Text,
        PlanFormat::Compose => Format::Compose,
        PlanFormat::Docker => Format::Docker,
        PlanFormat::Json => Format::Json,
    };
    let options = Options { color: ui.color_on_stdout(), service: args.service.clone() };
    let text = render(format, &profile, &plan, &options)
        .map_err(|error| Failure::new(Kind::Usage, format!("{}: {error}", args.profile.display())))?;
    output::to_stdout(text.as_bytes())?;
    if plan.complete {
        return Ok(0);
    }
    ui.warn("the profile is incomplete: this plan may lack something");
    Ok(Kind::Incomplete.status())
}
