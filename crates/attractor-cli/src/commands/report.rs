//! `attractor report`: the verdicts as one page, or for machines.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use attractor_render::Maps;
use attractor_session::judgement::{self, Ablate, Options};
use attractor_session::{Error, Steps, parquet};

use crate::args::{Common, Inputs, choice, refuse_unused};
use crate::console::{print, work};
use crate::error::Outcome;
use crate::files::write;
use crate::output;

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Where it goes [default: report.html; other formats are printed]
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// What is written [default: as the ending of --output says, else the page]
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Inputs whose maps the page shows, by number from 0
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pub show: Vec<usize>,
    /// Thresholds (TOML)
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Which ablations to run [default: standard]
    #[arg(long, value_parser = choice::<Ablate>())]
    pub ablate: Option<Ablate>,
    /// Label of each input, for a classifier: 3,0,7
    #[arg(long, value_delimiter = ',')]
    pub labels: Option<Vec<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One self-contained page
    #[value(aliases = ["html", "htm"])]
    Html,
    /// Everything, as docs/report.md describes it
    Json,
    /// One test case per check
    #[value(alias = "xml")]
    Junit,
    /// For a pull request
    #[value(alias = "md")]
    Markdown,
    /// One line per check
    Csv,
    /// One row per check
    Parquet,
}

/// Runs the command.
pub fn run(args: &ReportArgs, common: &Common) -> Outcome {
    // Before minutes of work, not after.
    let format = output::format(args.output.as_deref(), args.format, ReportFormat::Html)?;
    if format == ReportFormat::Parquet && args.output.is_none() {
        return Err(Error::usage("--format parquet is not for a terminal; name a file with --output checks.parquet"));
    }
    if format != ReportFormat::Html {
        refuse_unused!(common, args, [show], "a format without maps")?;
    }
    if !matches!(format, ReportFormat::Html | ReportFormat::Json) {
        common.refuse_unused(&["json"], "a format of its own")?;
    }
    let options = Options {
        inputs: args.inputs.given(),
        config: judgement::thresholds(args.config.as_deref())?,
        ablate: args.ablate,
        labels: args.labels.clone(),
        ..Options::new(&args.target)
    };
    let (report, page) = work(common, |context| {
        let maps = Maps::new(attractor_render::Options { inputs: args.show.clone(), ..Default::default() });
        let draws = format == ReportFormat::Html;
        let judged = match draws {
            true => judgement::run_watched(&options, &[&maps], context)?,
            false => judgement::run(&options, context)?,
        };
        let shown = judged.patterns.inputs();
        if let Some(input) = args.show.iter().find(|input| **input >= shown) {
            let why = format!("the target holds {} (counted from 0)", Steps::of(judged.patterns.as_ref()).counted());
            return Err(Error::option("show", input, why));
        }
        let page = draws.then(|| maps.page(&judged.report, Some(judged.patterns.as_ref())));
        Ok((judged.report, page))
    })?;
    if let Some(page) = page {
        let path = args.output.clone().unwrap_or(PathBuf::from("report.html"));
        write(&path, page.as_bytes())?;
        match common.json {
            true => print(&report.to_json()),
            false if !common.quiet => {
                print(&format!("{}\nThe report is {}\n", report.conclusion.headline, path.display()))
            }
            false => {}
        }
        return Ok(());
    }
    let bytes = match format {
        ReportFormat::Junit => report.to_junit().into_bytes(),
        ReportFormat::Markdown => report.to_markdown().into_bytes(),
        ReportFormat::Csv => report.to_table()?.csv().into_bytes(),
        ReportFormat::Parquet => parquet(&report.to_table()?)?,
        ReportFormat::Html | ReportFormat::Json => report.to_json().into_bytes(),
    };
    match &args.output {
        Some(path) => write(path, &bytes),
        None => {
            print(&String::from_utf8_lossy(&bytes));
            Ok(())
        }
    }
}
