//! `attractor train causal-lm`: a small causal language model from a text.

use std::path::{Path, PathBuf};

use attractor_data::files::{Durability, write_whole};
use attractor_data::training::{Checkpoint, Claim, MetricLog};
use attractor_nn::text::{Tokenizer, train_byte_pairs};
use attractor_nn::train::{Mixture, Plan, Precision, Shape, Training, model_files, train_causal_lm};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::rbm::options::TrainRbm;
use super::rbm::resume::go_on;
use crate::args::Common;
use crate::console::{Progress, print, write};
use crate::error::Outcome;
use crate::interrupt::Interrupt;
use attractor::Error;

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

impl TrainLm {
    fn planned(&self, seed: u64) -> (Shape, Plan) {
        let shape = Shape {
            vocab: self.vocab,
            positions: self.seq_len,
            hidden: self.width,
            layers: self.layers,
            heads: self.heads,
            inner: self.mlp,
            tied: false,
        };
        let plan = Plan {
            steps: self.steps,
            batch: self.batch_size,
            length: self.seq_len,
            learning_rate: self.lr,
            weight_decay: self.weight_decay,
            mixture: Mixture { repeated: self.repeats },
            seed,
            ..Plan::default()
        };
        (shape, plan)
    }
}

/// The first setting that is not as it was: its name and both values.
fn differing<'a>(earlier: &'a [Value; 2], now: &'a [Value; 2]) -> Option<(&'a str, &'a Value, &'a Value)> {
    let settings = earlier.iter().zip(now).flat_map(|(was, is)| {
        let fields = was.as_object().into_iter().flatten();
        fields.map(move |(key, was)| (key.as_str(), was, &is[key]))
    });
    settings.into_iter().find(|(_, was, is)| was != is)
}

/// Steps between two saves of the whole state.
const SAVE_EVERY: usize = 200;

/// Checks that the folder can be what the command wants of it.
fn fits(train: &TrainLm, state: &Path) -> Outcome {
    let out = &train.output;
    let is_there = |name: &&str| out.join(name).metadata().is_ok_and(|file| file.len() > 0);
    let earlier = ["model.safetensors", "tokenizer.json", "metrics.jsonl"].into_iter().find(is_there);
    match (train.resume, state.exists(), earlier) {
        (false, true, _) => Err(Error::usage(format!(
            "{}: holds a training run already; go on with --resume, or name a new folder",
            out.display()
        ))),
        (false, false, Some(name)) => Err(Error::usage(format!(
            "{}: holds {name} already, which would be lost; name a new folder",
            out.display()
        ))),
        (true, false, _) => {
            Err(Error::io(format!("{}: there is nothing here to go on with; begin without --resume", state.display())))
        }
        _ => Ok(()),
    }
}

const FORMAT: &str = "attractor training 3";

/// Writes all that is needed to go on, in one file that is replaced whole.
fn save(training: &Training, path: &Path) -> Outcome {
    let about = json!({ "format": FORMAT, "shape": training.shape(), "plan": training.plan() });
    Checkpoint::of_state(&training.state(), about).write(path)
}

/// Takes up a training that [`save`] wrote.
fn resumed(path: &Path) -> Outcome<Training> {
    let file = Checkpoint::read(path)?;
    let foreign = |why: String| {
        Error::format(format!("{}: no training state ({why}); start anew or give the right file", path.display()))
    };
    if file.about["format"] != FORMAT {
        return Err(foreign("another format".to_string()));
    }
    let shape: Shape = serde_json::from_value(file.about["shape"].clone()).map_err(|e| foreign(e.to_string()))?;
    let plan: Plan = serde_json::from_value(file.about["plan"].clone()).map_err(|e| foreign(e.to_string()))?;
    let state = file.state().map_err(|e| foreign(e.to_string()))?;
    Training::restored(shape, plan, &state).map_err(|e| if e.is_format() { foreign(e.to_string()) } else { e })
}

/// Runs the command.
pub fn run(train: &TrainLm, common: &Common) -> Outcome {
    let out = &train.output;
    let state = out.join("training.safetensors");
    fits(train, &state)?;
    let text = std::fs::read_to_string(&train.text_file)
        .map_err(|e| Error::io(format!("{}: the text cannot be read: {e}", train.text_file.display())))?;
    let pairs = train_byte_pairs(&text, train.vocab)?;
    let (shape, plan) = train.planned(common.seed);
    let _claim = Claim::take(out)?;
    // Another training may have begun, and ended, since the options were read.
    fits(train, &state)?;
    let mut training = match train.resume {
        true => resumed(&state)?,
        false => Training::new(shape, plan)?,
    };
    let now = [json!(shape), json!(plan)];
    if let Some((key, was, is)) = differing(&[json!(training.shape()), json!(training.plan())], &now) {
        return Err(Error::usage(format!(
            "{}: was begun with {} {was}, now it is {is}; go on with the same options, or name a new folder",
            state.display(),
            key.replace('_', " ")
        )));
    }
    let tokenizer_file = out.join("tokenizer.json");
    if train.resume && std::fs::read(&tokenizer_file).is_ok_and(|earlier| earlier != pairs) {
        return Err(Error::usage(format!(
            "{}: was begun with another text than {}; go on with the same, or name a new folder",
            state.display(),
            train.text_file.display()
        )));
    }
    // From here on a killed training can be taken up, whatever else is in the folder by then.
    save(&training, &state)?;
    write(&tokenizer_file, &pairs)?;
    let tokenizer = Tokenizer::open(out)?;
    let ids: Vec<u32> = tokenizer.encode(&text, false)?.iter().map(|token| token.id).collect();
    let mut log = MetricLog::open(out, "step", train.resume.then(|| training.step() as u64))?;
    let progress = Progress::new(common.quiet);
    let interrupt = Interrupt::watch();
    let total = training.plan().steps;
    let mut last = f64::NAN;
    let trained = train_causal_lm(&mut training, &ids, &mut |training, step| {
        last = step.loss;
        progress.step(&format!("loss {:.3}", step.loss), step.step, total);
        let numbers = [("train/loss", step.loss), ("train/lr", step.rate), ("train/grad_norm", step.gradient_norm)];
        log.write(step.step as u64, &numbers)?;
        if step.step % SAVE_EVERY == 0 {
            save(training, &state)?;
        }
        Ok(!interrupt.asked())
    });
    drop(progress);
    if trained.is_err() && training.step() == 0 {
        // Nothing is lost: what there is is what the options say.
        [&state, &tokenizer_file].into_iter().for_each(|file| drop(std::fs::remove_file(file)));
    }
    trained?;
    save(&training, &state)?;
    if !training.is_done() {
        let (done, folder) = (training.step(), out.display());
        return Err(Error::interrupted(format!(
            "stopped: {done} of {total} steps are done and kept in {folder}\nnext: {}",
            go_on()
        )));
    }
    drop(interrupt);
    let tokenizer_json =
        std::fs::read(&tokenizer_file).map_err(|e| Error::io(format!("{}: {e}", tokenizer_file.display())))?;
    for (name, bytes) in model_files(training.model(), training.shape(), [None; 3], &tokenizer_json, Precision::F16)? {
        write_whole(&out.join(name), &bytes, Durability::Power)?;
    }
    if common.json {
        let last = last.is_finite().then_some(last);
        let summary =
            json!({ "checkpoint": out, "steps": total, "loss": last, "tokens": ids.len(), "seed": common.seed });
        print(&format!("{summary}\n"));
    } else if !common.quiet {
        let loss = if last.is_finite() { format!(", last loss {last:.3} nats a token") } else { String::new() };
        print(&format!("{total} steps{loss}; the checkpoint is {0}\nnext: attractor validate {0}\n", out.display()));
    }
    Ok(())
}
