//! `attractor demo`: the main job on an embedded model and text.

use attractor_render::Maps;
use attractor_session::demo;
use attractor_session::judgement::{HeadKind, Report};
use clap::Args;

use crate::args::Common;
use crate::console::{print, print_report, work};
use crate::error::Outcome;
use crate::files::{OutputFile, write};

#[derive(Debug, Args)]
pub struct Demo {
    /// The page
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    pub output: OutputFile,
}

/// The heads that the demo is about, in words.
fn found(report: &Report) -> String {
    let of = |kind: HeadKind| {
        let heads = report.heads.iter().filter(|head| head.kinds.contains(&kind));
        let names: Vec<String> = heads.map(|head| format!("L{}H{}", head.layer, head.head)).collect();
        if names.is_empty() { "none".to_string() } else { names.join(", ") }
    };
    format!("Previous-token heads: {}. Induction heads: {}.", of(HeadKind::PreviousToken), of(HeadKind::Induction))
}

/// Runs the command.
pub fn run(args: &Demo, common: &Common) -> Outcome<bool> {
    let (report, page) = work(common, |context| {
        let maps = Maps::new(Default::default());
        let judged = demo::run_watched(&[&maps], context)?;
        let page = maps.page(&judged.report, Some(judged.patterns.as_ref()));
        Ok((judged.report, page))
    })?;
    write(&args.output, page.as_bytes())?;
    if common.json {
        print(&report.to_json());
    } else {
        print_report(&report);
        print(&format!("\n{}\nThe report is {}: open it in a browser.\n", found(&report), args.output.display()));
    }
    Ok(report.is_ok())
}
