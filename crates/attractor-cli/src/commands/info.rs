//! `attractor info`: what a checkpoint or a run is.

use std::path::PathBuf;

use attractor_session::info::{self, Options};
use clap::Args;
use serde_json::Value;

use crate::args::Common;
use crate::console::{json, print, work};
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Info {
    /// A checkpoint or a run
    pub target: PathBuf,
    /// Configuration of a lone weight file (a config.json)
    #[arg(long)]
    pub model_config: Option<PathBuf>,
    /// Also read every array of a run
    #[arg(long)]
    pub verify: bool,
}

/// One line per field; nested values as JSON.
fn text(value: &Value, indent: usize, out: &mut String) {
    if let Some(map) = value.as_object() {
        for (key, value) in map {
            match value {
                Value::Object(_) => {
                    out.push_str(&format!("{:indent$}{key}\n", ""));
                    text(value, indent + 2, out);
                }
                Value::Array(list) if list.iter().any(Value::is_object) => {
                    out.push_str(&format!("{:indent$}{key}\n", ""));
                    for item in list {
                        out.push_str(&format!("{:1$}{item}\n", "", indent + 2));
                    }
                }
                Value::String(s) => out.push_str(&format!("{:indent$}{key:<20} {s}\n", "")),
                other => out.push_str(&format!("{:indent$}{key:<20} {other}\n", "")),
            }
        }
    }
}

/// Runs the command.
pub fn run(args: &Info, common: &Common) -> Outcome {
    let Info { target, model_config, verify } = args;
    let options = Options { model_config: model_config.clone(), verify: *verify, ..Options::new(target) };
    let found = work(common, |context| info::run(&options, context))?;
    if common.json {
        print(&format!("{}\n", json(&found)));
    } else {
        let mut out = String::new();
        text(&serde_json::to_value(&found).unwrap_or_default(), 0, &mut out);
        print(&out);
    }
    Ok(())
}
