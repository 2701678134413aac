//! `attractor train causal-lm`: a small causal language model from a text.

use std::path::PathBuf;

use attractor_session::training::causal_lm;
use clap::{Args, Subcommand};

use super::rbm::options::TrainRbm;
use super::resume;
use crate::args::{Common, same};
use crate::console::{answer, work_until_asked};
use crate::error::Outcome;

#[derive(Debug, Subcommand)]
pub enum Train {
    /// A small causal language model with GPT-2's layout
    CausalLm(Box<TrainLm>),
    /// A restricted Boltzmann machine, with its likelihood monitored
    Rbm(Box<TrainRbm>),
}

#[derive(Debug, Args)]
pub struct TrainLm {
    /// The text to learn (UTF-8)
    #[arg(long)]
    pub text_file: PathBuf,
    /// Where the checkpoint goes, a folder
    #[arg(long, short, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Layers
    #[arg(long, default_value_t = 2)]
    pub layers: usize,
    /// Heads per layer
    #[arg(long, default_value_t = 4)]
    pub heads: usize,
    /// Model width
    #[arg(long, default_value_t = 96)]
    pub width: usize,
    /// Width of the MLP; 0: attention only
    #[arg(long, default_value_t = 0)]
    pub mlp: usize,
    /// Size of the byte-pair vocabulary, learnt from the text first
    #[arg(long, default_value_t = 512)]
    pub vocab: usize,
    /// Tokens per sequence
    #[arg(long, default_value_t = 128)]
    pub seq_len: usize,
    /// Sequences per step
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
    /// Fraction of sequences that are repeated random tokens, from which induction is learnt
    #[arg(long, default_value_t = 0.5)]
    pub repeats: f64,
    /// Resume from the last checkpoint in --output
    #[arg(long)]
    pub resume: bool,
}

/// Runs the command.
pub fn run(train: &TrainLm, common: &Common) -> Outcome {
    let options = same!(train => causal_lm::Options {
        text_file, output, layers, heads, width, mlp, vocab, seq_len, batch_size, steps, lr, weight_decay, repeats, resume
    });
    let trained = work_until_asked(common, |context| causal_lm::run(&options, context)).map_err(resume::worded)?;
    answer(common, &trained, || {
        let loss = trained.loss.filter(|loss| loss.is_finite());
        let loss = loss.map_or(String::new(), |loss| format!(", last loss {loss:.3} nats per token"));
        let (steps, folder) = (trained.steps, trained.checkpoint.display());
        format!("{steps} steps{loss}; the checkpoint is {folder}\nnext: attractor validate {folder}\n")
    });
    Ok(())
}
