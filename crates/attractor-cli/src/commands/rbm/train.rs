//! `attractor train rbm`: a restricted Boltzmann machine from data.

use std::path::PathBuf;
use std::time::Instant;

use attractor::sample::rbm::ais::{self, Annealing};
use attractor::sample::rbm::{
    Alarm, Decay, Plan, Rates, Rbm, Reading, Rows, Sampler, Sparsity, Trainer, Verdict, Visible, exact, generate,
    likelihood, monitor,
};
use attractor_capture::Samples;
use attractor_capture::training::{Checkpoint, MetricLog};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::pictures;
use super::store::{BEST, MODEL, Stored, TRAINING, state, training};
use crate::args::Common;
use crate::commands::memory::Data;
use crate::console::{Progress, counted, print, write};
use crate::error::{Failure, Outcome};

/// Sizes and rates that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 500 hidden units, batches of 128, 30 epochs, rate 0.01, CD-1
    Local,
    /// 2048 hidden units, batches of 512, 100 epochs, rate 0.005, CD-5
    Production,
    /// 16 hidden units, batches of 50, 500 epochs, rate 0.05 falling to 1 %, tempering: what the digits are learnt best by
    Small,
}

/// Where the model's half of the gradient comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SamplerName {
    /// Contrastive divergence: k steps from the data
    Cd,
    /// Persistent chains, k steps an update
    Pcd,
    /// Persistent chains at several temperatures
    Pt,
}

#[derive(Debug, Args)]
pub struct TrainRbm {
    #[command(flatten)]
    pub data: Data,
    /// Where machine, checkpoint, metrics and pictures go, a folder
    #[arg(long, short)]
    pub output: PathBuf,
    /// Settings that go together; what is given by itself stands above them [default: local; with --demo: small]
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    /// Hidden units
    #[arg(long)]
    pub hidden: Option<usize>,
    /// Rows an update
    #[arg(long)]
    pub batch_size: Option<usize>,
    /// Passes over the data
    #[arg(long)]
    pub epochs: Option<u64>,
    /// Learning rate
    #[arg(long)]
    pub lr: Option<f32>,
    /// Learning rate of the visible biases [default: --lr]
    #[arg(long)]
    pub lr_visible: Option<f32>,
    /// Learning rate of the hidden biases [default: --lr]
    #[arg(long)]
    pub lr_hidden: Option<f32>,
    /// Updates over which the rate rises from zero
    #[arg(long, default_value_t = 0)]
    pub warm_up: u64,
    /// Share of the rate that is left at the end; it falls on a straight line
    #[arg(long)]
    pub lr_end: Option<f32>,
    /// Share of the last movement that goes on
    #[arg(long)]
    pub momentum: Option<f32>,
    /// Decay of the weights
    #[arg(long)]
    pub weight_decay: Option<f32>,
    /// Gibbs steps an update
    #[arg(long)]
    pub k: Option<usize>,
    /// Where the model's half of the gradient comes from
    #[arg(long, value_enum)]
    pub sampler: Option<SamplerName>,
    /// Chains that go on from update to update [default: --batch-size]
    #[arg(long)]
    pub chains: Option<usize>,
    /// Temperatures of the chains (pt)
    #[arg(long, default_value_t = 8)]
    pub temperatures: usize,
    /// Plain gradients; else they are centred, so that nothing changes where bits are turned round
    #[arg(long)]
    pub no_centring: bool,
    /// Wanted mean activation of the hidden units
    #[arg(long)]
    pub sparsity: Option<f32>,
    /// Longest gradient; longer ones are cut
    #[arg(long)]
    pub clip: Option<f32>,
    /// Real numbers as visible units, normal with variance one; else bits
    #[arg(long)]
    pub gaussian: bool,
    /// Share of the rows that is held out [default: those that the data name, else 0.1]
    #[arg(long)]
    pub held_out: Option<f64>,
    /// Epochs between two likelihoods: exact up to 20 units in the smaller layer, else by annealed importance sampling; 0: never
    #[arg(long, default_value_t = 5)]
    pub likelihood_every: u64,
    /// Temperatures of annealed importance sampling
    #[arg(long, default_value_t = 1000)]
    pub betas: usize,
    /// Go back to the best machine and stop when the likelihood falls although the reconstruction improves
    #[arg(long)]
    pub roll_back: bool,
    /// Go on from the last whole epoch in --output
    #[arg(long)]
    pub resume: bool,
}

/// Units of a layer whose states are all added up.
const EXACT: usize = 20;
/// Most memory of a machine that is trained.
const MOST_BYTES: u64 = 16 << 30;
/// Runs of annealed importance sampling.
const RUNS: usize = 100;

/// What is trained, and how.
struct Settings {
    hidden: usize,
    epochs: u64,
    plan: Plan,
}

fn settings(args: &TrainRbm, (rows, features): (usize, usize), seed: u64) -> Outcome<Settings> {
    let preset = args.preset.unwrap_or(if args.data.demo { Preset::Small } else { Preset::Local });
    // hidden, batch, epochs, rate, momentum, weight decay, k: the first two are the document's.
    let (hidden, batch, epochs, lr, momentum, decay, k) = match preset {
        Preset::Local => (500, 128, 30, 0.01, 0.9, 1e-4, 1),
        Preset::Production => (2048, 512, 100, 0.005, 0.9, 1e-4, 5),
        Preset::Small => (16, 50, 500, 0.05, 0.0, 0.0, 1),
    };
    let small = preset == Preset::Small;
    let (batch, epochs) = (args.batch_size.unwrap_or(batch), args.epochs.unwrap_or(epochs));
    let (lr, steps) = (args.lr.unwrap_or(lr), args.k.unwrap_or(k));
    let chains = args.chains.unwrap_or(batch);
    let count = args.temperatures;
    if !(2..=1024).contains(&count) {
        return Err(Failure::usage(format!("--temperatures {count}: give 2 to 1024")));
    }
    let hidden = args.hidden.unwrap_or(hidden);
    let bytes = (features as u64).saturating_mul(hidden as u64).saturating_mul(16);
    if bytes > MOST_BYTES {
        return Err(Failure::usage(format!(
            "--hidden {hidden}: weights, movement and their copies take {:.1} GB; at most {:.0} GB",
            bytes as f64 / 1e9,
            MOST_BYTES as f64 / 1e9
        )));
    }
    let sampler = match args.sampler.unwrap_or(if small { SamplerName::Pt } else { SamplerName::Cd }) {
        SamplerName::Cd => Sampler::Contrastive { steps },
        SamplerName::Pcd => Sampler::Persistent { steps, chains },
        SamplerName::Pt => {
            let temperatures = (0..count).map(|i| i as f32 / (count - 1) as f32).collect();
            Sampler::Tempering { steps, chains, temperatures }
        }
    };
    if epochs == 0 || batch == 0 {
        return Err(Failure::usage(format!("--epochs {epochs}, --batch-size {batch}: give at least 1 of each")));
    }
    let updates = epochs.saturating_mul(rows.div_ceil(batch) as u64).max(1);
    let decay_of_rate = match args.lr_end.or(small.then_some(0.01)) {
        None => Decay::None,
        Some(end) => Decay::Linear { updates, end },
    };
    let plan = Plan {
        batch,
        sampler,
        rates: Rates { weights: lr, visible: args.lr_visible.unwrap_or(lr), hidden: args.lr_hidden.unwrap_or(lr) },
        warm_up: args.warm_up,
        decay: decay_of_rate,
        momentum: args.momentum.unwrap_or(momentum),
        weight_decay: args.weight_decay.unwrap_or(decay),
        centring: if args.no_centring { None } else { Plan::new(seed).centring },
        sparsity: args.sparsity.map(|target| Sparsity { target, cost: 0.1, memory: 0.9 }),
        clip: args.clip,
        seed,
    };
    plan.check()?;
    Ok(Settings { hidden, epochs, plan })
}

/// Rows to learn from, and rows to look at.
fn split(samples: &Samples, share: Option<f64>) -> Outcome<(Samples, Option<Samples>)> {
    let count = samples.count;
    let held: Vec<usize> = match (share, samples.test.is_empty()) {
        (None, false) => samples.test.clone(),
        (share, _) => {
            let share = share.unwrap_or(0.1);
            if !(0.0..1.0).contains(&share) {
                return Err(Failure::usage(format!("--held-out {share}: give a share from 0 to below 1")));
            }
            let wanted = (share * count as f64).round() as usize;
            // Evenly spread, so that data that are sorted by class are split within classes.
            (0..wanted).map(|i| i * count / wanted.max(1)).collect()
        }
    };
    let mut out = vec![false; count];
    held.iter().for_each(|&row| out[row] = true);
    let train: Vec<usize> = (0..count).filter(|&row| !out[row]).collect();
    if train.is_empty() {
        return Err(Failure::usage("nothing is left to learn from; hold out fewer rows"));
    }
    Ok((samples.chosen(&train), (!held.is_empty()).then(|| samples.chosen(&held))))
}

/// A number that tells data apart (FNV-1a over their bits).
fn fingerprint(samples: &Samples) -> u64 {
    let step = |hash: u64, bits: u32| (hash ^ u64::from(bits)).wrapping_mul(0x0000_0100_0000_01B3);
    samples.values.iter().map(|x| x.to_bits()).fold(0xCBF2_9CE4_8422_2325 ^ samples.features as u64, step)
}

/// A likelihood of the machine as it is.
struct Likelihood {
    train: f64,
    held_out: Option<f64>,
    log_partition: f64,
    /// Of ln Z; 0 where it is exact.
    standard_error: f64,
}

fn measured(
    trainer: &Trainer,
    train: Rows<'_>,
    held_out: Option<Rows<'_>>,
    args: &TrainRbm,
    seed: u64,
) -> Outcome<Likelihood> {
    let rbm = trainer.rbm();
    let quiet: exact::Progress<'_> = &|_, _| ();
    let (log_partition, standard_error) = match rbm.visible_units().min(rbm.hidden_units()) <= EXACT {
        true => (exact::log_partition(rbm, quiet)?, 0.0),
        false => {
            let annealing = Annealing::linear(args.betas, RUNS, seed);
            let estimate = ais::forward(rbm, trainer.base_rates(), &annealing, quiet)?;
            (estimate.log_partition, estimate.standard_error)
        }
    };
    let of = |rows| -> Outcome<f64> { Ok(likelihood::mean_log_likelihood(rbm, rows, log_partition)?.value) };
    let held_out = held_out.map(of).transpose()?;
    Ok(Likelihood { train: of(train)?, held_out, log_partition, standard_error })
}

/// The metrics of an epoch, under the names that the literature's notebooks use.
fn metrics(
    trainer: &Trainer,
    train: Rows<'_>,
    held_out: Option<Rows<'_>>,
    seed: u64,
) -> Outcome<Vec<(&'static str, f64)>> {
    let rbm = trainer.rbm();
    let (weights, active) = (monitor::weights(rbm), monitor::activations(rbm, train)?);
    let mean = |numbers: &[f32]| numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / numbers.len() as f64;
    let norm = rbm.weights().iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt();
    let random = monitor::weak_gap_to_random(rbm, train, seed)?;
    let mut all = vec![
        ("recon_error", monitor::reconstruction_error(rbm, train)?),
        ("free_energy", random.train.value),
        ("free_energy_gap_random_weak", random.gap),
        ("weight_mean", weights.mean),
        ("weight_std", weights.deviation),
        ("weight_max", weights.most.max(-weights.least)),
        ("weight_norm", norm),
        ("hidden_bias_mean", mean(rbm.hidden_bias())),
        ("visible_bias_mean", mean(rbm.visible_bias())),
        ("hidden_prob_mean", active.overall),
        ("hidden_prob_std", active.deviation),
        ("dead_units", active.dead.len() as f64),
        ("saturated_units", active.saturated.len() as f64),
    ];
    if let Some(held_out) = held_out {
        let gap = monitor::free_energy_gap(rbm, train, held_out)?;
        all.extend([("free_energy_held_out", gap.other.value), ("free_energy_gap", gap.gap)]);
    }
    // Pseudo-likelihood is of bits; grey values are means, which training takes as they are.
    if rbm.visible().variance().is_none() && train.values().iter().all(|&x| x == 0.0 || x == 1.0) {
        all.push(("pseudo_log_likelihood", likelihood::stochastic_pseudo_log_likelihood(rbm, train, seed)?.value));
    }
    Ok(all)
}

struct Run<'a> {
    args: &'a TrainRbm,
    about: Value,
    picture: (usize, usize),
}

impl Run<'_> {
    fn model(&self, trainer: &Trainer) -> Stored {
        Stored { rbm: trainer.rbm().clone(), base: trainer.base_rates().to_vec(), picture: self.picture }
    }

    /// Everything that is needed to go on; the epoch that is under way is what a crash costs.
    fn save(&self, trainer: &Trainer, alarm: &Alarm) -> Outcome {
        let about = json!({ "training": self.about, "alarm": alarm });
        Ok(training(&trainer.state(), about).write(&self.args.output.join(TRAINING))?)
    }

    /// Features, dreams, curves and what the units do.
    fn draw(&self, trainer: &Trainer, train: Rows<'_>, seed: u64) -> Outcome<Vec<&'static str>> {
        let (rbm, folder) = (trainer.rbm(), &self.args.output);
        let notes = || vec![format!("{} visible, {} hidden units", rbm.visible_units(), rbm.hidden_units())];
        let mut drawn = Vec::new();
        let mut save = |name: &'static str, svg: String| -> Outcome {
            drawn.push(name);
            write(&folder.join(name), svg.as_bytes())
        };
        save("features.svg", pictures::features(rbm, self.picture, notes())?)?;
        let temperatures: Vec<f32> = (0..8).map(|i| i as f32 / 7.0).collect();
        let dreams = generate::tempered(rbm, trainer.base_rates(), &temperatures, 50, 200, seed)?;
        let hidden = rbm.hidden_given(Rows::new(&dreams.samples, rbm.visible_units())?)?;
        let means = rbm.visible_given(Rows::new(&hidden, rbm.hidden_units())?)?;
        let states: Vec<Vec<f32>> = means.chunks_exact(rbm.visible_units()).map(<[f32]>::to_vec).collect();
        let said = vec!["by parallel tempering; shown are the means of the visible units".to_string()];
        save("samples.svg", pictures::states(&states, self.picture, "What the machine dreams", said, (&[], &[]), 10)?)?;
        let active = monitor::activations(rbm, train)?;
        let said =
            vec![format!("{} dead, {} saturated of {}", active.dead.len(), active.saturated.len(), active.mean.len())];
        save("activations.svg", pictures::activations(&active.mean, said)?)?;
        save("weights.svg", pictures::weights(rbm, notes())?)?;
        let entries = MetricLog::read(folder, "epoch")?;
        let curves = [
            (
                "likelihood.svg",
                &[("log_likelihood", "training"), ("log_likelihood_held_out", "held out")][..],
                "Likelihood",
                "nats a row",
            ),
            (
                "reconstruction.svg",
                &[("recon_error", "training")][..],
                "Reconstruction error: no measure of the model",
                "mean square",
            ),
            (
                "free_energy.svg",
                &[("free_energy", "training"), ("free_energy_held_out", "held out")][..],
                "Free energy",
                "nats",
            ),
        ];
        for (name, keys, title, axis) in curves {
            if let Some(svg) = pictures::curves(&entries, keys, title, axis)? {
                save(name, svg)?;
            }
        }
        if let Some(svg) = pictures::free_energy_gaps(&entries)? {
            save("free_energy_gap.svg", svg)?;
        }
        Ok(drawn)
    }
}

/// What of data and options is not as it was.
fn differing<'a>(earlier: &'a Value, now: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    let plain =
        ["data", "rows", "features", "hidden", "visible"].into_iter().map(|key| (key, &earlier[key], &now[key]));
    let plan = now["plan"].as_object()?.iter().map(|(key, is)| (key.as_str(), &earlier["plan"][key], is));
    plain.chain(plan).find(|(_, was, is)| was != is).map(|(key, was, is)| (key.replace('_', " "), was, is))
}

/// A training to begin, or to go on with.
fn opened(args: &TrainRbm, plan: Plan, hidden: usize, train: &Samples, about: &Value) -> Outcome<(Trainer, Alarm)> {
    let data = Rows::new(&train.values, train.features)?;
    let visible = if args.gaussian { Visible::unit_gaussian(train.features) } else { Visible::Binary };
    let rbm = Rbm::initial(visible, hidden, data, plan.seed)?;
    let mut trainer = Trainer::new(rbm, plan, data)?;
    if !args.resume {
        return Ok((trainer, Alarm::default()));
    }
    let path = args.output.join(TRAINING);
    let file = Checkpoint::read(&path)?;
    let earlier = &file.about["training"];
    if let Some((key, was, is)) = differing(earlier, about) {
        return Err(Failure::usage(format!(
            "{}: was begun with {key} {was}, now it is {is}; go on with the same data and options, or name a new folder",
            path.display()
        )));
    }
    let alarm = serde_json::from_value(file.about["alarm"].clone())
        .map_err(|e| Failure::unreadable(format!("{}: the alarm cannot be read: {e}", path.display())))?;
    trainer.restore(&state(&file)?).map_err(|e| Failure::unreadable(format!("{}: {e}", path.display())))?;
    Ok((trainer, alarm))
}

/// Runs the command.
pub fn run(args: &TrainRbm, common: &Common) -> Outcome {
    let (folder, begun) = (&args.output, Instant::now());
    if folder.is_file() {
        return Err(Failure::usage(format!("{}: is a file; name a folder", folder.display())));
    }
    if !args.resume && folder.join(TRAINING).exists() {
        return Err(Failure::usage(format!(
            "{}: holds a training already; go on with --resume, or name a new folder",
            folder.display()
        )));
    }
    let samples = args.data.samples("digits")?;
    let threshold = args.data.threshold.or((samples.source == "digits" && !args.gaussian).then_some(7.5 / 16.0));
    let samples = match threshold {
        Some(threshold) => samples.binary(threshold),
        None => samples,
    };
    if !args.gaussian {
        samples.check_unit()?;
    }
    let (train, held_out) = split(&samples, args.held_out)?;
    let Settings { hidden, epochs, plan } = settings(args, (train.count, train.features), common.seed)?;
    let about = json!({
        "source": samples.source, "data": format!("{:016x}", fingerprint(&train)), "rows": train.count, "features": train.features,
        "hidden": hidden, "plan": plan, "visible": if args.gaussian { "gaussian" } else { "binary" },
        "held_out": held_out.as_ref().map_or(0, |x| x.count), "seed": common.seed,
    });
    std::fs::create_dir_all(folder).map_err(|e| Failure::unreadable(format!("{}: {e}", folder.display())))?;
    let (mut trainer, mut alarm) = opened(args, plan, hidden, &train, &about)?;
    if args.resume {
        let written = MetricLog::read(folder, "epoch")?;
        let whole =
            (1..=trainer.epochs()).all(|epoch| written.get(epoch as usize - 1).is_some_and(|entry| entry.0 == epoch));
        if !whole && !common.quiet {
            anstream::eprintln!(
                "{}: metrics.jsonl lacks epochs before {}; the training goes on from there, its log keeps the gap",
                folder.display(),
                trainer.epochs()
            );
        }
        if trainer.epochs() >= epochs && !common.quiet {
            anstream::eprintln!(
                "{} epochs are done, {epochs} were asked for: nothing is left to train",
                trainer.epochs()
            );
        }
    }
    let mut log = MetricLog::open(folder, "epoch", args.resume.then(|| trainer.epochs()))?;
    let rows = Rows::new(&train.values, train.features)?;
    let held = held_out.as_ref().map(|x| Rows::new(&x.values, x.features)).transpose()?;
    let run = Run { args, about, picture: samples.picture() };
    let progress = Progress::new(common.quiet);
    let mut last: Option<Likelihood> = None;
    let mut alarmed = None;
    let mut said = "epochs".to_string();
    while trainer.epochs() < epochs {
        progress.step(&said, trainer.epochs() as usize, epochs as usize);
        let epoch = trainer
            .epoch(rows)
            .map_err(|e| {
                Failure::usage(format!("{e}; begin anew in another folder, with a lower --lr or with --clip"))
            })?
            .epoch;
        let mut numbers = metrics(&trainer, rows, held, common.seed)?;
        let due = args.likelihood_every > 0 && (epoch % args.likelihood_every == 0 || epoch == epochs);
        let mut verdict = Verdict::Fine;
        if due {
            let found = measured(&trainer, rows, held, args, common.seed)?;
            let reading = Reading {
                epoch,
                log_likelihood: found.train,
                standard_error: found.standard_error,
                reconstruction_error: numbers[0].1,
            };
            verdict = alarm.observe(reading)?;
            if alarm.best() == Some(reading) {
                run.model(&trainer).write(&folder.join(BEST), run.about.clone())?;
            }
            numbers.extend([("log_likelihood", found.train), ("log_partition", found.log_partition)]);
            numbers.push(("log_partition_error", found.standard_error));
            numbers.extend(found.held_out.map(|held| ("log_likelihood_held_out", held)));
            said = format!("ln p {:.2}", found.train);
            last = Some(found);
        }
        numbers.push(("seconds", begun.elapsed().as_secs_f64()));
        log.write(epoch, &numbers)?;
        run.save(&trainer, &alarm)?;
        if let (Verdict::Diverging { drop, .. }, None) = (verdict, alarmed) {
            alarmed = Some((epoch, drop));
            if !common.quiet {
                let best = alarm.best().map_or(0, |best| best.epoch);
                let next =
                    if args.roll_back { "going back to it" } else { "--roll-back would stop here with the best one" };
                anstream::eprintln!(
                    "epoch {epoch}: the likelihood has fallen by {drop:.2} nats a row since epoch {best} while the \
                     reconstruction improves: {next}"
                );
            }
            if args.roll_back {
                break;
            }
        }
    }
    drop(progress);
    let rolled_back = args.roll_back && alarmed.is_some();
    match rolled_back {
        true => {
            std::fs::copy(folder.join(BEST), folder.join(MODEL))
                .map_err(|e| Failure::unreadable(format!("{}: {e}", folder.display())))?;
        }
        false => run.model(&trainer).write(&folder.join(MODEL), run.about.clone())?,
    }
    let drawn = run.draw(&trainer, rows, common.seed)?;
    let best = alarm.best();
    if common.json {
        let document = json!({
            "model": folder.join(MODEL), "epochs": trainer.epochs(), "updates": trainer.updates(), "training": run.about,
            "log_likelihood": last.as_ref().map(|x| x.train), "log_likelihood_held_out": last.as_ref().and_then(|x| x.held_out),
            "log_partition": last.as_ref().map(|x| x.log_partition), "log_partition_error": last.as_ref().map(|x| x.standard_error),
            "best": best, "alarm": alarmed.map(|(epoch, drop)| json!({ "epoch": epoch, "drop": drop })),
            "rolled_back": rolled_back, "seconds": begun.elapsed().as_secs_f64(),
        });
        print(&format!("{document}\n"));
        return Ok(());
    }
    if common.quiet {
        return Ok(());
    }
    let mut out = format!(
        "{} of {} x {} units on {} ({}), {}\n",
        "restricted Boltzmann machine",
        train.features,
        hidden,
        samples.source,
        counted(train.count, "row"),
        counted(trainer.epochs() as usize, "epoch")
    );
    if let Some(found) = &last {
        let error = if found.standard_error > 0.0 {
            format!(" +- {:.2} (AIS)", found.standard_error)
        } else {
            " (exact)".to_string()
        };
        let held = found.held_out.map_or(String::new(), |held| format!(", held out {held:.3}"));
        out +=
            &format!("log-likelihood a row: {:.3}{held} nats; ln Z {:.2}{error}\n", found.train, found.log_partition);
    }
    if let Some(best) = best {
        out += &format!("best at epoch {}: {:.3} nats a row ({BEST})\n", best.epoch, best.log_likelihood);
    }
    if rolled_back {
        out += "the best machine was taken\n";
    }
    out += &format!(
        "{}: {MODEL}, metrics.jsonl, {}\nnext: attractor generate rbm {}\n",
        folder.display(),
        drawn.join(", "),
        folder.display()
    );
    print(&out);
    Ok(())
}
