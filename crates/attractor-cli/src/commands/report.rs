//! `attractor report`: the verdicts as one page.

use std::path::Path;

use attractor_capture::Selection;

use super::validate::{Judged, judged, thresholds};
use crate::args::{Ablate, Common, ReportArgs};
use crate::console::{print, write};
use crate::error::Outcome;

/// Writes the page.
pub fn page(path: &Path, judged: &Judged) -> Outcome {
    let options = attractor_render::Options::default();
    let html = attractor_render::report_html(&judged.report, Some(judged.patterns.as_ref()), &options);
    write(path, html.as_bytes())
}

/// Runs the command.
pub fn run(report: &ReportArgs, common: &Common) -> Outcome {
    let config = thresholds(report.config.as_deref(), common)?;
    let judged = judged(&report.target, &report.inputs, &Selection::all(), &config, Ablate::Standard, None, common)?;
    page(&report.output, &judged)?;
    match common.json {
        true => print(&format!("{}\n", judged.report.to_json())),
        false if !common.quiet => {
            print(&format!("{}\nThe page is {}\n", judged.report.conclusion.headline, report.output.display()))
        }
        false => {}
    }
    Ok(())
}
