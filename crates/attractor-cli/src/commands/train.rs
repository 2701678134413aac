//! `attractor train causal-lm`: a small causal language model from a text.

use std::path::PathBuf;

use std::fs::File;
use std::io::Write;

use attractor_nn::text::{Tokenizer, train_byte_pairs};
use attractor_nn::train::{Mixture, Plan, Precision, Shape, Training, train_causal_lm, write_model};
use clap::{Args, Subcommand};
use serde_json::json;

use super::rbm::options::TrainRbm;
use crate::args::Common;
use crate::console::{Progress, print, write};
use crate::error::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub enum Train {
    /// A small causal language model with GPT-2's layout
    CausalLm(Box<TrainLm>),
    /// A restricted Boltzmann machine, with its likelihood watched
    Rbm(Box<TrainRbm>),
}

#[derive(Debug, Args)]
pub struct TrainLm {
    /// The text to learn (UTF-8)
    #[arg(long)]
    pub text_file: PathBuf,
    /// Where the checkpoint goes, a folder
    #[arg(long, short)]
    pub output: PathBuf,
    /// Layers
    #[arg(long, default_value_t = 2)]
    pub layers: usize,
    /// Heads a layer
    #[arg(long, default_value_t = 4)]
    pub heads: usize,
    /// Model width
    #[arg(long, default_value_t = 96)]
    pub width: usize,
    /// Width of the MLP; 0: attention only
    #[arg(long, default_value_t = 0)]
    pub mlp: usize,
    /// Tokens of the byte-pair vocabulary that is learnt from the text first
    #[arg(long, default_value_t = 512)]
    pub vocab: usize,
    /// Tokens a sequence
    #[arg(long, default_value_t = 128)]
    pub seq_len: usize,
    /// Sequences a step
    #[arg(long, default_value_t = 16)]
    pub batch_size: usize,
    /// Steps
    #[arg(long, default_value_t = 2000)]
    pub steps: usize,
    /// Peak learning rate (AdamW; warm-up, then cosine)
    #[arg(long, default_value_t = 4e-3)]
    pub lr: f64,
    /// Weight decay
    #[arg(long, default_value_t = 0.01)]
    pub weight_decay: f64,
    /// Share of sequences that are random tokens, repeated: what induction is learnt from
    #[arg(long, default_value_t = 0.5)]
    pub repeats: f64,
    /// Go on from the last checkpoint in --output
    #[arg(long)]
    pub resume: bool,
}

/// Steps between two saves of the whole state.
const SAVE_EVERY: usize = 200;

/// Runs the command.
pub fn run(train: &TrainLm, common: &Common) -> Outcome {
    let out = &train.output;
    let state = out.join("training.safetensors");
    if !train.resume && state.exists() {
        return Err(Failure::usage(format!(
            "{}: holds a training run already; go on with --resume, or name a new folder",
            out.display()
        )));
    }
    let text = std::fs::read_to_string(&train.text_file)
        .map_err(|e| Failure::unreadable(format!("{}: the text cannot be read: {e}", train.text_file.display())))?;
    std::fs::create_dir_all(out).map_err(|e| Failure::unreadable(format!("{}: {e}", out.display())))?;
    let tokenizer_file = out.join("tokenizer.json");
    if !train.resume {
        write(&tokenizer_file, &train_byte_pairs(&text, train.vocab)?)?;
    }
    let tokenizer = Tokenizer::open(out)?;
    let ids: Vec<u32> = tokenizer.encode(&text, false)?.iter().map(|token| token.id).collect();
    let mut training = match train.resume {
        true => Training::resume(&state)?,
        false => {
            let shape = Shape {
                vocab: train.vocab,
                positions: train.seq_len,
                hidden: train.width,
                layers: train.layers,
                heads: train.heads,
                inner: train.mlp,
                tied: false,
            };
            let plan = Plan {
                steps: train.steps,
                batch: train.batch_size,
                length: train.seq_len,
                learning_rate: train.lr,
                weight_decay: train.weight_decay,
                mixture: Mixture { repeated: train.repeats },
                seed: common.seed,
                ..Plan::default()
            };
            Training::new(shape, plan)?
        }
    };
    let log = out.join("metrics.jsonl");
    let mut log_file = File::options()
        .create(true)
        .append(train.resume)
        .write(true)
        .truncate(!train.resume)
        .open(&log)
        .map_err(|e| Failure::unreadable(format!("{}: {e}", log.display())))?;
    let progress = Progress::new(common.quiet);
    let total = training.plan().steps;
    let mut last = f64::NAN;
    train_causal_lm(&mut training, &ids, &mut |training, step| {
        last = step.loss;
        progress.step(&format!("loss {:.3}", step.loss), step.step, total);
        let line = json!({ "step": step.step, "train/loss": step.loss, "train/lr": step.rate, "train/grad_norm": step.gradient_norm });
        writeln!(log_file, "{line}")
            .map_err(|e| attractor_nn::Error::io(format!("{}: cannot be written: {e}", log.display())))?;
        if step.step % SAVE_EVERY == 0 {
            training.save(&state)?;
        }
        Ok(true)
    })?;
    drop(progress);
    training.save(&state)?;
    let tokenizer_json = std::fs::read(&tokenizer_file)
        .map_err(|e| Failure::unreadable(format!("{}: {e}", tokenizer_file.display())))?;
    write_model(out, training.model(), training.shape(), [None; 3], &tokenizer_json, Precision::F16)?;
    if common.json {
        let summary =
            json!({ "checkpoint": out, "steps": total, "loss": last, "tokens": ids.len(), "seed": common.seed });
        print(&format!("{summary}\n"));
    } else if !common.quiet {
        print(&format!(
            "{total} steps, last loss {last:.3} nats a token; the checkpoint is {0}\nnext: attractor validate {0}\n",
            out.display()
        ));
    }
    Ok(())
}
