//! `attractor train rbm`: a restricted Boltzmann machine from data.

use std::path::Path;
use std::time::Instant;

use attractor::sample::rbm::{Alarm, Epoch, Rbm, Reading, Rows, Trainer, Verdict, generate, monitor};
use attractor_data::Samples;
use attractor_data::training::{Checkpoint, Claim, MetricLog};
use serde_json::{Value, json};

use super::measure::{Likelihood, measured, metrics};
use super::options::{Settings, TrainRbm, settings};
use super::pictures;
use super::resume::{Begun, begun, go_on};
use crate::args::Common;
use crate::console::{Progress, counted, print, write};
use crate::error::Outcome;
use crate::interrupt::Interrupt;
use attractor::Error;
use attractor_data::machine::{BEST, MODEL, Machine as Stored, TRAINING};
use attractor_data::patterns::cut;

/// Rows to learn from, and rows to look at.
fn split(samples: &Samples, share: Option<f64>) -> Outcome<(Samples, Option<Samples>)> {
    let count = samples.count;
    let held: Vec<usize> = match (share, samples.test.is_empty()) {
        (None, false) => samples.test.clone(),
        (share, _) => {
            let share = share.unwrap_or(0.1);
            if !(0.0..1.0).contains(&share) {
                return Err(Error::usage(format!("--held-out {share}: give a share from 0 to below 1")));
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
        return Err(Error::usage("nothing is left to learn from; hold out fewer rows"));
    }
    Ok((samples.chosen(&train), (!held.is_empty()).then(|| samples.chosen(&held))))
}

/// The machine to begin with.
fn first(file: &Path, features: usize) -> Outcome<Rbm> {
    let rbm = Stored::read(file)?.rbm;
    match (rbm.visible_units() == features, rbm.visible().variance()) {
        (true, None) => Ok(rbm),
        (true, Some(_)) => Err(Error::usage(format!(
            "--weights {}: a machine of real visible units; training begins from machines of bits",
            file.display()
        ))),
        (false, _) => Err(Error::usage(format!(
            "--weights {}: a machine of {} visible units, the data have {features} numbers a row; both must have as many",
            file.display(),
            rbm.visible_units()
        ))),
    }
}

/// A number that tells data apart (FNV-1a over their bits).
fn fingerprint(values: &[f32], width: usize) -> u64 {
    let step = |hash: u64, bits: u32| (hash ^ u64::from(bits)).wrapping_mul(0x0000_0100_0000_01B3);
    values.iter().map(|x| x.to_bits()).fold(0xCBF2_9CE4_8422_2325 ^ width as u64, step)
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
        Ok(Checkpoint::of_state(&trainer.state(), about).write(&self.args.output.join(TRAINING))?)
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

/// Checks that the folder can be what the command wants of it.
fn fits(args: &TrainRbm) -> Outcome {
    let folder = &args.output;
    if folder.exists() && !folder.is_dir() {
        return Err(Error::usage(format!("{}: is a file; name a folder", folder.display())));
    }
    // Of another training, or somebody's only copy.
    let is_there = |name: &&str| folder.join(name).metadata().is_ok_and(|file| file.len() > 0);
    let earlier = [MODEL, BEST, "metrics.jsonl"].into_iter().find(is_there);
    if let (false, false, Some(name)) = (args.resume, folder.join(TRAINING).exists(), earlier) {
        return Err(Error::usage(format!(
            "{}: holds {name} already, which would be lost; name a new folder",
            folder.display()
        )));
    }
    match (args.resume, folder.join(TRAINING).exists()) {
        (false, true) => Err(Error::usage(format!(
            "{}: holds a training already; go on with --resume, or name a new folder",
            folder.display()
        ))),
        (true, false) => Err(Error::io(format!(
            "{}: there is nothing here to go on with; begin without --resume",
            folder.join(TRAINING).display()
        ))),
        _ => Ok(()),
    }
}

/// The folder, for this process alone.
fn claimed(args: &TrainRbm) -> Outcome<Claim> {
    let claim = Claim::take(&args.output)?;
    // Another training may have begun, and ended, since the options were read.
    fits(args)?;
    Ok(claim)
}

/// What is said when Ctrl-C has ended the training early.
fn stopped(done: u64, epochs: u64, args: &TrainRbm) -> Error {
    let folder = args.output.display();
    Error::interrupted(match done {
        0 => format!("stopped before the first epoch was whole; {folder} holds nothing to go on from: begin again"),
        _ => format!(
            "stopped: {done} of {epochs} epochs are whole and kept in {folder}; the one under way is lost\nnext: {}",
            go_on()
        ),
    })
}

/// Runs the command.
pub fn run(args: &TrainRbm, common: &Common) -> Outcome {
    let (folder, start) = (&args.output, Instant::now());
    fits(args)?;
    let samples = args.data.source().samples("digits")?;
    let samples = cut(samples, args.data.threshold, args.gaussian);
    if !args.gaussian {
        samples.check_unit()?;
    }
    let (train, held_out) = split(&samples, args.held_out)?;
    let first = args.weights.as_deref().map(|file| first(file, train.features)).transpose()?;
    let given = first.as_ref().map(Rbm::hidden_units);
    let begun_with = first.as_ref().map(|rbm| {
        let all = [rbm.weights(), rbm.visible_bias(), rbm.hidden_bias()].concat();
        format!("{:016x}", fingerprint(&all, rbm.hidden_units()))
    });
    let Settings { hidden, epochs, plan } = settings(args, (train.count, train.features), given, common.seed)?;
    let about = json!({
        "source": samples.source, "data": format!("{:016x}", fingerprint(&train.values, train.features)), "rows": train.count, "features": train.features,
        "hidden": hidden, "weights": begun_with, "plan": plan, "visible": if args.gaussian { "gaussian" } else { "binary" },
        "held_out": held_out.as_ref().map_or(0, |x| x.count), "seed": common.seed,
    });
    let _claim = claimed(args)?;
    let Begun { mut trainer, mut alarm, about, seconds, notes } = begun(args, plan, (first, hidden), &train, about)?;
    if !common.quiet {
        notes.iter().for_each(|note| anstream::eprintln!("{note}"));
        if trainer.epochs() >= epochs {
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
    let interrupt = Interrupt::watch();
    let progress = Progress::new(common.quiet);
    // From here on a killed training can be taken up, whatever else is in the folder by then.
    if !args.resume {
        run.save(&trainer, &alarm)?;
    }
    let mut last: Option<Likelihood> = None;
    let mut alarmed = None;
    let mut said = "epochs".to_string();
    while trainer.epochs() < epochs {
        progress.step(&said, trainer.epochs() as usize, epochs as usize);
        let done = trainer.epochs();
        let ended = trainer.epoch_while(rows, &|| !interrupt.asked());
        if done == 0 && !matches!(ended, Ok(Some(_))) {
            // Nothing is lost: what there is is what the options say.
            std::fs::remove_file(folder.join(TRAINING))
                .map_err(|e| Error::io(format!("{}: {e}", folder.join(TRAINING).display())))?;
        }
        let ended = ended.map_err(|e| {
            Error::usage(match done {
                0 => format!("{e}: begin again with a lower --lr, or with --clip"),
                _ => format!("{e}: --resume with a lower --lr, or with --clip, goes on from epoch {done}"),
            })
        })?;
        let Some(Epoch { epoch, .. }) = ended else {
            drop(progress);
            return Err(stopped(trainer.epochs(), epochs, args));
        };
        let mut numbers = metrics(&trainer, rows, held, common.seed)?;
        numbers.push(("learning_rate", f64::from(trainer.rate())));
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
            numbers.extend(found.effective_runs.map(|runs| ("log_partition_effective_runs", runs)));
            // JSON has no infinities: a side without a bound is left out.
            let (low, high) = found.interval.unzip();
            let finite = |side: Option<f64>| side.filter(|side| side.is_finite());
            numbers.extend(finite(low).map(|low| ("log_partition_low", low)));
            numbers.extend(finite(high).map(|high| ("log_partition_high", high)));
            numbers.extend(found.held_out.map(|held| ("log_likelihood_held_out", held)));
            said = format!("ln p {:.2}", found.train);
            last = Some(found);
        }
        numbers.push(("seconds", seconds + start.elapsed().as_secs_f64()));
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
    drop(interrupt);
    let rolled_back = args.roll_back && alarmed.is_some();
    match rolled_back {
        true => {
            let best = std::fs::read(folder.join(BEST));
            let best = best.map_err(|e| Error::io(format!("{}: {e}", folder.join(BEST).display())))?;
            write(&folder.join(MODEL), &best)?;
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
            "log_partition_interval": last.as_ref().and_then(|x| x.interval),
            "log_partition_effective_runs": last.as_ref().and_then(|x| x.effective_runs),
            "best": best, "alarm": alarmed.map(|(epoch, drop)| json!({ "epoch": epoch, "drop": drop })),
            "rolled_back": rolled_back, "seconds": seconds + start.elapsed().as_secs_f64(),
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
        if let Some(caution) = &found.caution {
            out += &format!("caution: {caution} (--betas)\n");
        }
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
