//! `attractor convert`: attention from elsewhere into a run, certified as far as its content allows.

use std::path::PathBuf;

use attractor_capture::certificate::{Certificate, Verdict};
use attractor_capture::import::{Import, ImportOptions};
use attractor_capture::run::{Keep, RunOptions};
use attractor_record::Patterns;
use attractor_record::Precision;
use clap::Args;
use serde_json::json;

use crate::args::Common;
use crate::console::print;
use crate::error::Outcome;
use attractor::Error;

#[derive(Debug, Args)]
pub struct Convert {
    /// NPZ, NPY, safetensors or JSON with attention maps
    pub source: PathBuf,
    /// The run, a folder
    #[arg(required_unless_present = "output")]
    pub run: Option<PathBuf>,
    /// The same, as an option
    #[arg(long, short, conflicts_with = "run")]
    pub output: Option<PathBuf>,
    /// Precision of what is stored: f16 or f32
    #[arg(long, default_value = "f32")]
    pub dtype: String,
}

/// The certificate as lines: what is wrong first, then what could not be tested, then what passed.
fn lines(certificate: &Certificate) -> String {
    let mark = |verdict: Verdict| match verdict {
        Verdict::Fail => "FAIL",
        Verdict::Warn => "warn",
        Verdict::NotTestable => "not testable",
        Verdict::Pass => "ok",
    };
    let mut text = String::new();
    for wanted in [Verdict::Fail, Verdict::Warn, Verdict::NotTestable, Verdict::Pass] {
        for entry in certificate.entries.iter().filter(|entry| entry.verdict == wanted) {
            let value = entry.value.map_or(String::new(), |value| format!("{value:.3e}"));
            text.push_str(&format!(
                "{:<13} L{:<3} {:<22} {value:>10}  {}\n",
                mark(entry.verdict),
                entry.layer,
                entry.name,
                entry.why
            ));
        }
    }
    text
}

/// Runs the command. `false` if the certificate fails.
pub fn run(convert: &Convert, common: &Common) -> Outcome<bool> {
    let out = convert.run.clone().or(convert.output.clone()).unwrap_or_default();
    if !convert.source.exists() {
        return Err(Error::io(format!("{}: there is nothing here", convert.source.display())));
    }
    let dtype: Precision = convert.dtype.parse()?;
    let import = Import::open(&convert.source, &ImportOptions::default())?;
    let options = RunOptions { keep: Keep::Pattern, dtype, seed: common.seed, ..RunOptions::default() };
    import.write(&out, &options)?;
    let certificate = import.certificate()?;
    if common.json {
        let missing: Vec<_> =
            import.missing().iter().map(|(layer, why)| json!({ "layer": layer, "why": why })).collect();
        let summary = json!({
            "run": out, "inputs": import.inputs(), "layers": import.layers().len(), "missing": missing,
            "notes": import.notes(), "certificate": certificate,
        });
        print(&format!("{summary}\n"));
    } else if !common.quiet {
        let mut text = format!("{} inputs, {} layers in {}\n", import.inputs(), import.layers().len(), out.display());
        import.notes().iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
        import.missing().iter().for_each(|(layer, why)| text.push_str(&format!("missing: layer {layer}: {why}\n")));
        text.push_str(&lines(&certificate));
        print(&text);
    }
    Ok(certificate.verdict() != Verdict::Fail)
}
