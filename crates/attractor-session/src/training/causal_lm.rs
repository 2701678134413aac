//! A small causal language model from a text.

use std::path::PathBuf;

use attractor::{Advance, Context, Error, Result};
use attractor_data::files::{Durability, write_whole};
use attractor_nn::text::{Tokenizer, train_byte_pairs};
use attractor_nn::train::{Mixture, Plan, Shape, StoredPrecision, Training, model_files, train_causal_lm};
use attractor_record::file;
use serde::{Deserialize, Serialize};

use super::folder::{Counted, Folder, Setting};
use crate::text::PlainText;

/// What is trained, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The text to learn (UTF-8).
    pub text_file: PathBuf,
    /// Folder of the checkpoint.
    pub output: PathBuf,
    /// Layers.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
    /// Model width, a multiple of `heads`.
    pub width: usize,
    /// Width of the MLP; 0: attention only.
    pub mlp: usize,
    /// Tokens of the byte-pair vocabulary that is learnt from the text first.
    pub vocab: usize,
    /// Tokens per sequence.
    pub seq_len: usize,
    /// Sequences per step.
    pub batch_size: usize,
    /// Steps.
    pub steps: usize,
    /// Peak learning rate (AdamW; warm-up, then cosine).
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Share of sequences that are random tokens, repeated: what induction is learnt from.
    pub repeats: f64,
    /// Go on from the last checkpoint in `output`.
    pub resume: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            text_file: PathBuf::new(),
            output: PathBuf::new(),
            layers: 2,
            heads: 4,
            width: 96,
            mlp: 0,
            vocab: 512,
            seq_len: 128,
            batch_size: 16,
            steps: 2000,
            lr: 4e-3,
            weight_decay: 0.01,
            repeats: 0.5,
            resume: false,
        }
    }
}

/// What a training came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trained {
    /// Form of this result.
    pub schema: &'static str,
    /// Folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Steps of the whole training.
    pub steps: usize,
    /// Loss of the last step, nats per token; none if no step was left.
    pub loss: Option<f64>,
    /// Tokens of the text.
    pub tokens: usize,
    /// Seed.
    pub seed: u64,
}

/// What a checkpoint says about itself.
#[derive(Serialize, Deserialize)]
struct About {
    format: String,
    shape: Shape,
    plan: Plan,
}

/// Steps between two saves of the whole state.
const SAVE_EVERY: usize = 200;
const FORMAT: &str = "attractor training 3";
const TOKENIZER: &str = "tokenizer.json";
const FILES: [&str; 3] = ["model.safetensors", TOKENIZER, "metrics.jsonl"];

impl Options {
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

    fn folder(&self) -> Folder<'_> {
        Folder { path: &self.output, resume: self.resume, counted: Counted::Steps, files: &FILES }
    }

    /// Refuses sizes and rates that cannot be trained.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        let (shape, plan) = self.planned(0);
        shape.check()?;
        plan.check(&shape)
    }

    fn train(&self, context: &Context<'_>) -> Result<Trained> {
        let (out, folder) = (&self.output, self.folder());
        folder.fits()?;
        self.check()?;
        let read = PlainText::read(&self.text_file, usize::MAX)?;
        read.tell(&self.text_file, context);
        let text = read.text;
        let pairs = train_byte_pairs(&text, self.vocab)?;
        context.check()?;
        let (shape, plan) = self.planned(context.seed());
        let _claim = folder.claim()?;
        let mut training = match self.resume {
            true => taken_up(&folder)?,
            false => Training::new(shape, plan)?,
        };
        let mut settings = Setting::fields(training.shape(), &shape, &[]);
        settings.extend(Setting::fields(training.plan(), &plan, &[]));
        folder.same(&settings)?;
        let tokenizer_file = out.join(TOKENIZER);
        if self.resume && file::read(&tokenizer_file, "the tokenizer", u64::MAX).is_ok_and(|earlier| earlier != pairs) {
            return Err(Error::usage(format!(
                "{}: was started with another text than {}; go on with the same, or name a new folder",
                folder.state().display(),
                self.text_file.display()
            )));
        }
        // From here on a killed training can be taken up, whatever else is in the folder by then.
        save(&folder, &training)?;
        write_whole(&tokenizer_file, &pairs, Durability::Process)?;
        let tokenizer = Tokenizer::open(out)?;
        let ids: Vec<u32> = tokenizer.encode(&text, false)?.iter().map(|token| token.id).collect();
        let mut log = folder.log(training.step() as u64)?;
        let total = training.plan().steps;
        let mut last = None;
        let trained = train_causal_lm(&mut training, &ids, &mut |training, step| {
            last = Some(step.loss);
            let figure = Some(("loss", step.loss));
            context.tell(Advance { stage: "steps", done: step.step, total, figure });
            let numbers = [("train/loss", step.loss), ("train/lr", step.rate), ("train/grad_norm", step.gradient_norm)];
            log.write(step.step as u64, &numbers)?;
            if step.step % SAVE_EVERY == 0 {
                save(&folder, training)?;
            }
            Ok(!context.is_interrupted())
        });
        if trained.is_err() && training.step() == 0 {
            // Nothing is lost: what there is is what the options say. That error is the one to tell.
            let _ = folder.forget();
            let _ = std::fs::remove_file(&tokenizer_file);
        }
        trained?;
        save(&folder, &training)?;
        if !training.is_done() {
            return Err(folder.stopped(training.step() as u64, total as u64));
        }
        let tokenizer_json = file::read(&tokenizer_file, "the tokenizer", u64::MAX)?;
        let files = model_files(training.model(), training.shape(), [None; 3], &tokenizer_json, StoredPrecision::F16)?;
        for (name, bytes) in files {
            write_whole(&out.join(name), &bytes, Durability::Power)?;
        }
        Ok(Trained {
            schema: "attractor.training.causal-lm/1",
            checkpoint: out.clone(),
            steps: total,
            loss: last,
            tokens: ids.len(),
            seed: context.seed(),
        })
    }
}

/// Trains to the end, and writes the checkpoint: a folder with GPT-2's layout.
///
/// A training that was stopped and resumed ends with the bits of one that was not.
///
/// # Errors
/// As [`Options::check`]; `is_usage` for a folder that holds something else, or another training's; `is_io`; `is_non_finite`
/// if the loss is lost; `is_interrupted`, with [`Stopped`](super::Stopped) as its source, when the context says so.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Trained> {
    context.install(|| options.train(context))
}

/// Writes all that is needed to go on.
fn save(folder: &Folder<'_>, training: &Training) -> Result<()> {
    let about = About { format: FORMAT.to_string(), shape: *training.shape(), plan: *training.plan() };
    folder.save(&training.state(), &about)
}

/// Takes up a training that [`save`] wrote.
fn taken_up(folder: &Folder<'_>) -> Result<Training> {
    let (file, about): (_, About) = folder.read()?;
    if about.format != FORMAT {
        return Err(folder.foreign("another format"));
    }
    let state = file.state().map_err(|e| folder.foreign(&e).because(e))?;
    let restored = Training::restored(about.shape, about.plan, &state);
    restored.map_err(|e| if e.is_format() { folder.foreign(&e).because(e) } else { e })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::training::Stopped;

    /// Stopped after three steps and taken up again, a training has the bits and the log of one that was not.
    #[test]
    fn a_stopped_training_goes_on_to_the_same_bits() {
        let here = tempfile::tempdir().unwrap();
        let text = here.path().join("text.txt");
        std::fs::write(&text, "the quick brown fox jumps over the lazy dog, again and again. ".repeat(30)).unwrap();
        let options = |name: &str, resume| Options {
            text_file: text.clone(),
            output: here.path().join(name),
            layers: 1,
            heads: 2,
            width: 8,
            vocab: 270,
            seq_len: 16,
            batch_size: 2,
            steps: 7,
            resume,
            ..Options::default()
        };
        let context = Context::new(4);
        let whole = run(&options("whole", false), &context).unwrap();
        assert!(whole.loss.is_some_and(f64::is_finite) && whole.steps == 7 && whole.seed == 4);
        let asked = AtomicUsize::new(0);
        let after_three = || asked.load(Ordering::Relaxed) >= 3;
        let count = |_: Advance<'_>| {
            asked.fetch_add(1, Ordering::Relaxed);
        };
        let stopping = Context::new(4).with_interrupt(&after_three).with_progress(&count);
        let error = run(&options("parts", false), &stopping).unwrap_err();
        let stopped = Stopped::of(&error).unwrap();
        assert!(error.is_interrupted() && (stopped.done, stopped.asked) == (3, 7), "{error}");
        assert!(
            run(&options("parts", false), &context).unwrap_err().to_string().contains("already holds a training run")
        );
        let other = run(&Options { steps: 8, ..options("parts", true) }, &context).unwrap_err();
        assert!(other.to_string().contains("steps 7, now it is 8"), "{other}");
        assert_eq!(run(&options("parts", true), &context).unwrap().loss, whole.loss);
        for name in ["model.safetensors", "metrics.jsonl", TOKENIZER] {
            let file = |folder: &str| std::fs::read(here.path().join(folder).join(name)).unwrap();
            assert!(file("whole") == file("parts"), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_trained_is_refused_before_anything_is_read() {
        let options = Options { width: 7, ..Options::default() };
        assert!(options.check().unwrap_err().is_usage());
        assert!(Options { lr: f64::NAN, ..Options::default() }.check().unwrap_err().is_usage());
        Options::default().check().unwrap();
    }
}
