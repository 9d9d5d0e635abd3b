//! `writepath recommend`: the plan that a profile leads to, or the reasons for one thing of it.

use reports::{
    format::{Options, explain, render},
    plan::recommend_with,
};

use super::{Status, alternative, overrides::overrides, read_profile};
use crate::{
    cli::RecommendArgs,
    failure::{Failure, Kind},
    output,
    ui::Ui,
};

/// Runs the command. An incomplete profile's plan is printed, and the status says so.
pub(crate) fn run(args: &RecommendArgs, ui: Ui) -> Result<Status, Failure> {
    let profile = read_profile(&args.profile)?;
    let overrides = overrides(&args.overrides)?;
    let usage = |message: String| Failure::new(Kind::Usage, message);
    let plan = recommend_with(&profile, &overrides).map_err(|error| usage(error.to_string()))?;
    let plan = match &args.alternative {
        None => plan,
        Some(kind) => alternative(&plan, kind)?,
    };
    let options = Options { color: ui.color_on_stdout(), service: args.service.clone() };
    let text = match &args.explain {
        Some(what) => explain(&profile, &plan, &overrides, what, &options)
            .map_err(|error| usage(format!("--explain: {error}")))?,
        None => render(args.format, &profile, &plan, &options)
            .map_err(|error| usage(format!("{}: {error}", args.profile.display())))?,
    };
    output::to_stdout(text.as_bytes())?;
    if plan.complete {
        return Ok(0);
    }
    ui.warn("the profile is incomplete: this plan may lack something");
    Ok(Kind::Incomplete.status())
}
