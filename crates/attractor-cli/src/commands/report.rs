//! `attractor report`: the verdicts as one page, or for machines.

use std::path::{Path, PathBuf};

use attractor_capture::Selection;

use super::validate::{Judged, judged, thresholds};
use crate::args::{Ablate, Common, ReportArgs, ReportFormat};
use crate::console::{print, write};
use crate::error::{Failure, Outcome};

/// Writes the page, with the maps of some inputs.
pub fn page(path: &Path, judged: &Judged, show: &[usize]) -> Outcome {
    let options = attractor_render::Options { inputs: show.to_vec(), ..Default::default() };
    let html = attractor_render::report_html(&judged.report, Some(judged.patterns.as_ref()), &options);
    write(path, html.as_bytes())
}

/// Runs the command.
pub fn run(args: &ReportArgs, common: &Common) -> Outcome {
    if args.format == ReportFormat::Parquet && args.output.is_none() {
        return Err(Failure::usage("--format parquet is not for a terminal; name a file with --output checks.parquet"));
    }
    // Before minutes of work, not after.
    if let Some(folder) = args.output.as_deref().filter(|path| path.is_dir()) {
        return Err(Failure::usage(format!("{}: is a folder; name a file to write", folder.display())));
    }
    let config = thresholds(args.config.as_deref(), common)?;
    let judged = judged(&args.target, &args.inputs, &Selection::all(), &config, Ablate::Standard, None, common)?;
    let report = &judged.report;
    if let Some(input) = args.show.iter().find(|input| **input >= report.provenance.inputs) {
        return Err(Failure::usage(format!(
            "--show {input}: there are {} inputs (counted from 0)",
            report.provenance.inputs
        )));
    }
    let bytes = match args.format {
        ReportFormat::Html => {
            let path = args.output.clone().unwrap_or(PathBuf::from("report.html"));
            page(&path, &judged, &args.show)?;
            match common.json {
                true => print(&report.to_json()),
                false if !common.quiet => {
                    print(&format!("{}\nThe page is {}\n", report.conclusion.headline, path.display()))
                }
                false => {}
            }
            return Ok(());
        }
        ReportFormat::Json => report.to_json().into_bytes(),
        ReportFormat::Junit => report.to_junit().into_bytes(),
        ReportFormat::Markdown => report.to_markdown().into_bytes(),
        ReportFormat::Csv => report.to_table()?.csv().into_bytes(),
        ReportFormat::Parquet => report.to_table()?.parquet()?,
    };
    match &args.output {
        Some(path) => write(path, &bytes),
        None => {
            print(&String::from_utf8_lossy(&bytes));
            Ok(())
        }
    }
}
