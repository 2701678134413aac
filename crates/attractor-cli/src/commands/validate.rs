//! `attractor validate`: nine groups of checks.

use std::path::PathBuf;

use clap::Args;

use attractor_render::Maps;
use attractor_session::judgement::{self, Ablate, Options};

use crate::args::{Chosen, Common, Inputs, choice, refuse_all_but};
use crate::console::{print, print_report, work};
use crate::error::Outcome;
use crate::files::{OutputFile, write};
use crate::output;

#[derive(Debug, Args)]
pub struct Validate {
    /// A checkpoint (folder, .pt, .bin, .safetensors) or a run
    #[arg(required_unless_present_any = ["checkpoint", "print_config"])]
    pub target: Option<PathBuf>,
    /// Alias for TARGET
    #[arg(long, conflicts_with = "target", hide = true)]
    pub checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Thresholds (TOML)
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Which ablations to run [default: standard]
    #[arg(long, value_parser = choice::<Ablate>())]
    pub ablate: Option<Ablate>,
    /// Label of each input, for a classifier: 3,0,7
    #[arg(long, value_delimiter = ',')]
    pub labels: Option<Vec<usize>>,
    /// Also report the formulas of the original guide, named legacy_*
    #[arg(long)]
    pub legacy: bool,
    /// Also write the verdicts as JUnit XML
    #[arg(long)]
    pub junit: Option<OutputFile>,
    /// Also write the verdicts as JSON
    #[arg(long)]
    pub output: Option<OutputFile>,
    /// Also write the HTML report
    #[arg(long)]
    pub report: Option<OutputFile>,
    #[command(flatten)]
    pub chosen: Chosen,
    /// Print the thresholds in effect as TOML and exit
    #[arg(long)]
    pub print_config: bool,
}

/// Runs the command. `false` if a check failed.
pub fn run(validate: &Validate, common: &Common) -> Outcome<bool> {
    if let Some(file) = &validate.output {
        output::ending(file, &["json"])?;
    }
    if let Some(file) = &validate.report {
        output::ending(file, &["html", "htm"])?;
    }
    let mut config = judgement::thresholds(validate.config.as_deref())?;
    config.legacy = validate.legacy;
    if validate.print_config {
        refuse_all_but!(common, validate, [config, print_config], "--print-config")?;
        config.seed = if common.seed == 0 { config.seed } else { common.seed };
        print(&config.to_toml());
        return Ok(true);
    }
    let options = Options {
        target: validate.target.clone().or(validate.checkpoint.clone()).unwrap_or_default(),
        inputs: validate.inputs.given(),
        selection: validate.chosen.selection()?,
        config,
        ablate: validate.ablate,
        labels: validate.labels.clone(),
    };
    let (report, page) = work(common, |context| {
        let maps = validate.report.as_ref().map(|_| Maps::new(Default::default()));
        let judged = match &maps {
            Some(maps) => judgement::run_watched(&options, &[maps], context)?,
            None => judgement::run(&options, context)?,
        };
        let page = maps.map(|maps| maps.page(&judged.report, Some(judged.patterns.as_ref())));
        Ok((judged.report, page))
    })?;
    if let Some(file) = &validate.junit {
        write(file, report.to_junit().as_bytes())?;
    }
    if let Some(file) = &validate.output {
        write(file, report.to_json().as_bytes())?;
    }
    if let (Some(file), Some(page)) = (&validate.report, page) {
        write(file, page.as_bytes())?;
    }
    match common.json {
        true => print(&report.to_json()),
        false => print_report(&report),
    }
    Ok(report.is_ok())
}
