//! `attractor convert`: imported attention maps into a run, certified as far as their content allows; a run of an
//! earlier schema into one of this.

use std::path::PathBuf;

use attractor_session::import::{self, Certificate, Grade, Options};
use clap::Args;

use crate::args::Common;
use crate::console::{answer, counted, significant, work};
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Convert {
    /// NPZ, NPY, safetensors or JSON with attention maps; or a run of an earlier schema
    pub source: PathBuf,
    /// The run, a folder
    #[arg(required_unless_present = "output")]
    pub run: Option<PathBuf>,
    /// Alias for RUN
    #[arg(long, short, conflicts_with = "run")]
    pub output: Option<PathBuf>,
    /// Precision of what is stored: f16 or f32 [default: f32; a run keeps its own]
    #[arg(long)]
    pub dtype: Option<String>,
}

/// The certificate as lines: what is wrong first, then what could not be tested, then what passed.
fn lines(certificate: &Certificate) -> String {
    let mark = |verdict: Grade| match verdict {
        Grade::Fail => "FAIL",
        Grade::Warn => "warn",
        Grade::NotTestable => "not testable",
        Grade::Pass => "ok",
    };
    let mut text = String::new();
    for wanted in [Grade::Fail, Grade::Warn, Grade::NotTestable, Grade::Pass] {
        for entry in certificate.entries.iter().filter(|entry| entry.verdict == wanted) {
            let value = entry.value.map_or(String::new(), |value| significant(value, 4));
            let (mark, name) = (mark(entry.verdict), &entry.name);
            text += &format!("{mark:<13} L{:<3} {name:<22} {value:>10}  {}\n", entry.layer, entry.why);
        }
    }
    text
}

/// Runs the command. `false` if the certificate fails.
pub fn run(convert: &Convert, common: &Common) -> Outcome<bool> {
    let options = Options {
        source: convert.source.clone(),
        output: convert.run.clone().or(convert.output.clone()).unwrap_or_default(),
        dtype: convert.dtype.as_deref().map(str::parse).transpose()?,
    };
    let found = work(common, |context| import::run(&options, context))?;
    answer(common, &found, || {
        let steps = found.steps.map_or(String::new(), |steps| format!("{} of ", counted(steps, "step")));
        let (inputs, layers) = (counted(found.inputs, "input"), counted(found.layers, "layer"));
        let mut text = format!("{steps}{inputs}, {layers} in {}\n", found.run.display());
        found.notes.iter().for_each(|note| text += &format!("note: {note}\n"));
        found.missing.iter().for_each(|m| text += &format!("missing: layer {}: {}\n", m.layer, m.why));
        text + &lines(&found.certificate)
    });
    Ok(found.is_ok())
}
