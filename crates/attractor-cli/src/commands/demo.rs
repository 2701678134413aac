//! `attractor demo`: the main job on an embedded model and text.

use std::path::{Path, PathBuf};

use attractor::random::Philox;
use attractor_judge::{Config, Report};
use attractor_nn::model::Input;
use attractor_nn::text::Tokenizer;
use attractor_record::Selection;
use clap::Args;

use crate::args::{Ablate, Common, Inputs};
use crate::console::{print, print_report};
use crate::error::Outcome;
use crate::inputs::Prepared;
use crate::{forward, inputs, judged};
use attractor::Error;

#[derive(Debug, Args)]
pub struct Demo {
    /// Where the page goes
    #[arg(long, short, default_value = "report.html")]
    pub output: PathBuf,
}

/// A two-layer causal language model that was trained by `attractor train causal-lm` (docs/demo-model.md).
const FILES: [(&str, &[u8]); 3] = [
    ("config.json", include_bytes!("../../demo/config.json")),
    ("model.safetensors", include_bytes!("../../demo/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../demo/tokenizer.json")),
];

/// Inputs of the demo, and their length.
const INPUTS: usize = 8;
const LENGTH: usize = 64;

/// Begins each input with random tokens that are read twice before the text goes on: what an induction head is for
/// (Olsson et al. 2022). The passages differ in length, so that a head that looks a fixed distance back is none.
fn begin_with_a_repeat(prepared: &mut Prepared, tokenizer: &Tokenizer, vocab: usize, seed: u64) -> Outcome {
    for (index, item) in prepared.items.iter_mut().enumerate() {
        let period = 17 + (5 * index) % 8;
        if 2 * period > item.tokens.len() {
            continue;
        }
        let mut random = Philox::new(seed, index as u64);
        let ids: Vec<u32> = (0..period).map(|_| random.below(vocab) as u32).collect();
        let passage = tokenizer.tokens(&ids)?;
        item.tokens[..period].clone_from_slice(&passage);
        item.tokens[period..2 * period].clone_from_slice(&passage);
        item.input = Input::Tokens(item.tokens.iter().map(|token| token.id).collect());
    }
    prepared.source.push_str(", each input begins with 17 to 24 random tokens, read twice");
    Ok(())
}

/// Lays the embedded model out where it can be opened like any other.
pub fn unpack(folder: &Path) -> Outcome {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, bytes)
            .map_err(|e| Error::io(format!("{}: the embedded model cannot be unpacked: {e}", path.display())))?;
    }
    Ok(())
}

/// The heads that the demo is about, in words.
fn found(report: &Report) -> String {
    let of = |kind: &str| {
        let heads = report.heads.iter().filter(|head| head.kinds.iter().any(|k| k == kind));
        let names: Vec<String> = heads.map(|head| format!("L{}H{}", head.layer, head.head)).collect();
        if names.is_empty() { "none".to_string() } else { names.join(", ") }
    };
    format!("Previous-token heads: {}. Induction heads: {}.", of("previous-token"), of("induction"))
}

/// Runs the command.
pub fn run(demo: &Demo, common: &Common) -> Outcome<bool> {
    let folder =
        tempfile::tempdir().map_err(|e| Error::io(format!("no temporary folder for the embedded model: {e}")))?;
    unpack(folder.path())?;
    let given = Inputs { max_inputs: INPUTS, seq_len: Some(LENGTH), ..Inputs::default() };
    let quiet = Common { quiet: true, ..common.clone() };
    let all = Selection::all();
    let opened = forward::open(folder.path(), &given, all.clone(), common, |live| {
        let mut prepared = inputs::prepare(live, &given, &quiet)?;
        let tokenizer = Tokenizer::open(folder.path())?;
        begin_with_a_repeat(&mut prepared, &tokenizer, live.checkpoint.config().vocab, common.seed)?;
        Ok(prepared)
    })?;
    let mut config = Config::default();
    config.seed = common.seed;
    let target = Path::new("the embedded demo model");
    let judged = judged::of_opened(opened, target, &all, &config, Ablate::Standard, None, common)?;
    judged::page(&demo.output, &judged, &[0])?;
    if common.json {
        print(&judged.report.to_json());
    } else {
        print_report(&judged.report);
        print(&format!("\n{}\nThe page is {}: open it in a browser.\n", found(&judged.report), demo.output.display()));
    }
    Ok(judged.report.is_ok())
}
