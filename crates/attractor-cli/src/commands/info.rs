//! `attractor info`: what a checkpoint or a run is.

use std::path::PathBuf;

use attractor_capture::Run;
use attractor_record::Patterns;
use clap::Args;
use serde_json::{Value, json};

use crate::args::Common;
use crate::console::print;
use crate::error::Outcome;
use crate::target;
use attractor::Error;

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

fn of_run(path: &std::path::Path, verify: bool) -> Outcome<Value> {
    let run = Run::open(path)?;
    if verify {
        run.verify()?;
    }
    let lengths: Vec<usize> = (0..run.inputs()).map(|input| run.tokens(input).len()).collect();
    let layers: Vec<Value> =
        run.layers().iter().map(|shape| json!({ "layer": shape.layer, "heads": shape.heads })).collect();
    Ok(json!({
        "kind": "run", "path": path, "model": run.info(), "manifest": run.manifest(), "inputs": run.inputs(),
        "lengths": lengths, "layers": layers, "bytes": run.bytes()?, "verified": verify,
        "certificate": run.certificate()?,
    }))
}

fn of_checkpoint(path: &std::path::Path, model_config: Option<&std::path::Path>) -> Outcome<Value> {
    let checkpoint = target::checkpoint(path, model_config)?;
    let info = target::info(&checkpoint)?;
    let spec = checkpoint.config();
    Ok(json!({
        "kind": "checkpoint", "path": path, "model": info,
        "hidden": spec.hidden, "key_heads": spec.key_heads, "head_dim": spec.head_dim, "vocab": spec.vocab,
        "mlp": spec.intermediate, "windows": spec.windows, "attention_soft_cap": spec.attention_soft_cap,
        "tokenizer": checkpoint.tokenizer_path(), "tensors": checkpoint.names().count(),
    }))
}

/// One line a field; nested values as JSON.
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
pub fn run(info: &Info, common: &Common) -> Outcome {
    let path = &info.target;
    if !path.exists() {
        return Err(Error::io(format!("{}: there is nothing here", path.display())));
    }
    let value = match target::is_run(path) {
        true => of_run(path, info.verify)?,
        false => of_checkpoint(path, info.model_config.as_deref())?,
    };
    if common.json {
        print(&format!("{value}\n"));
    } else {
        let mut out = String::new();
        text(&value, 0, &mut out);
        print(&out);
    }
    Ok(())
}
