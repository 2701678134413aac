//! The training itself: data, first machine, epochs, checkpoint, log, alarm.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use attractor::random::{Philox, stream};
use attractor::sample::rbm::base::{BaseModel, is_below};
use attractor::sample::rbm::sampling::Sampling;
use attractor::sample::rbm::watch::{self, Measured};
use attractor::sample::rbm::{Alarm, Rbm, Reading, Rows, Trainer, Trend, Visible, monitor};
use attractor::{Advance, Context, DataNote, Error, Hint, Note, Result};
use attractor_data::files::{Durability, write_whole};
use attractor_data::machine::{BEST, MODEL};
use attractor_data::samples::{Encoding, StandardUnits};
use attractor_data::training::MetricLog;
use attractor_data::{Machine, Samples};
use attractor_record::file;

use super::about::{About, Kept, Units};
use super::options::{Options, Settings};
use super::{Alarmed, Diagnostics, Trained};
use crate::training::folder::{Counted, Folder};

const FILES: [&str; 3] = [MODEL, BEST, "metrics.jsonl"];
/// Samples that are drawn at the end, and the Gibbs steps of each.
const SAMPLING: Sampling = Sampling { samples: 50, steps: 200, gibbs: false, drawn: false };

/// Rows to learn from, and rows to look at: those that the data name, else a share drawn by the seed. Rows that are held out
/// although they are learnt too are noted: their likelihood says nothing of new data.
fn split(samples: &Samples, share: Option<f64>, context: &Context<'_>) -> Result<(Samples, Option<Samples>)> {
    let count = samples.count;
    let held: Vec<usize> = match (share, samples.test.is_empty()) {
        (None, false) => samples.test.clone(),
        (share, _) => {
            let wanted = (share.unwrap_or(0.1) * count as f64).round() as usize;
            let mut drawn = Philox::new(context.seed(), stream::SPLIT).permutation(count);
            drawn.truncate(wanted);
            drawn.sort_unstable();
            drawn
        }
    };
    let mut out = vec![false; count];
    held.iter().for_each(|&row| out[row] = true);
    let train: Vec<usize> = (0..count).filter(|&row| !out[row]).collect();
    if train.is_empty() {
        return Err(Error::usage("nothing is left to learn from; hold out fewer rows"));
    }
    let bits = |row: usize| samples.row(row).iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    let learnt: HashSet<Vec<u32>> = train.iter().map(|&row| bits(row)).collect();
    let repeats = held.iter().filter(|&&row| learnt.contains(&bits(row))).count();
    if repeats > 0 {
        context.note(&Note::Data(DataNote::HeldOutRepeats { repeats, held_out: held.len() }));
    }
    Ok((samples.chosen(&train), (!held.is_empty()).then(|| samples.chosen(&held))))
}

/// The machine to begin with.
fn first(file: &Path, features: usize) -> Result<Rbm> {
    let rbm = Machine::read(file)?.rbm;
    let refuse = |why: String| Err(Error::option("weights", file.display(), why));
    match (rbm.visible_units() == features, rbm.visible().variance()) {
        (true, None) => Ok(rbm),
        (true, Some(_)) => refuse("a machine of real visible units; training begins from machines of bits".to_string()),
        (false, _) => refuse(format!(
            "a machine of {} visible units, the data have {features} numbers per row; both must be equal",
            rbm.visible_units()
        )),
    }
}

/// A number that tells data apart (FNV-1a over their bits).
fn fingerprint(values: &[f32], width: usize) -> String {
    let step = |hash: u64, bits: u32| (hash ^ u64::from(bits)).wrapping_mul(0x0000_0100_0000_01B3);
    let hash = values.iter().map(|x| x.to_bits()).fold(0xCBF2_9CE4_8422_2325 ^ width as u64, step);
    format!("{hash:016x}")
}

/// Seconds of the log up to an epoch; a gap before it is noted.
fn seconds_before(path: &Path, epochs: u64, context: &Context<'_>) -> Result<f64> {
    let history = MetricLog::read(path, Counted::Epochs.counter())?;
    if !(1..=epochs).all(|epoch| history.get(epoch as usize - 1).is_some_and(|entry| entry.0 == epoch)) {
        context.note(&Note::LogGap { epochs });
    }
    let seconds = history.iter().filter(|(epoch, _)| *epoch <= epochs).filter_map(|(_, entry)| entry.get("seconds"));
    Ok(seconds.copied().fold(0.0, f64::max))
}

/// A training under way.
struct Run<'a> {
    options: &'a Options,
    context: &'a Context<'a>,
    folder: Folder<'a>,
    /// Rows to learn from, and rows to look at.
    rows: (Rows<'a>, Option<Rows<'a>>),
    picture: (usize, usize),
    encoding: Encoding,
    standard: Option<StandardUnits>,
    about: About,
    trainer: Trainer,
    alarm: Alarm,
    /// Seconds that earlier calls have trained.
    seconds: f64,
    start: Instant,
    alarmed: Option<Alarmed>,
    last: Option<Measured>,
    /// Mean ln p per row of each unit by itself: of the rows that are learnt, and of those held out.
    base: (f64, Option<f64>),
}

/// Trains as the options say.
pub(super) fn train(options: &Options, context: &Context<'_>) -> Result<Trained> {
    let (start, path) = (Instant::now(), options.output.as_path());
    let folder = Folder { path, resume: options.resume, counted: Counted::Epochs, files: &FILES };
    folder.fits()?;
    options.check()?;
    let samples = options.data.samples("digits", options.gaussian, context)?;
    if !options.gaussian {
        samples.check_unit()?;
    }
    if let Some(value) = samples.constant() {
        return Err(Error::format(format!("{}: every number is {value}: there is nothing to learn", samples.source))
            .hinted(Hint::GiveOne(vec!["threshold", "scale"])));
    }
    let (mut train, mut held_out) = split(&samples, options.held_out, context)?;
    let standard = options.standardize.then(|| StandardUnits::of(&train));
    if let Some(standard) = &standard {
        standard.apply(&mut train.values);
        held_out.iter_mut().for_each(|rows| standard.apply(&mut rows.values));
    }
    let first = options.weights.as_deref().map(|file| first(file, train.features)).transpose()?;
    let Settings { hidden, epochs, plan } =
        options.settings((train.count, train.features), first.as_ref().map(Rbm::hidden_units), context.seed())?;
    let about = About {
        source: samples.source.clone(),
        data: fingerprint(&train.values, train.features),
        rows: train.count,
        features: train.features,
        hidden,
        weights: first.as_ref().map(|rbm| {
            fingerprint(&[rbm.weights(), rbm.visible_bias(), rbm.hidden_bias()].concat(), rbm.hidden_units())
        }),
        plan: plan.clone(),
        visible: if options.gaussian { Units::Gaussian } else { Units::Binary },
        held_out: held_out.as_ref().map_or(0, |rows| rows.count),
        seed: context.seed(),
        changes: Vec::new(),
    };
    context.check()?;
    let _claim = folder.claim()?;
    let data = Rows::new(&train.values, train.features)?;
    let visible = if options.gaussian { Visible::unit_gaussian(train.features) } else { Visible::Binary };
    let base = BaseModel::fit(&visible, data)?;
    let rbm = first.map_or_else(|| Rbm::initial(visible, hidden, data, plan.seed), Ok)?;
    let watched = held_out.as_ref().map(|rows| Rows::new(&rows.values, rows.features)).transpose()?;
    let of = |rows| Ok(base.mean_log_likelihood(rows)?.value);
    let base = (of(data)?, watched.map(of).transpose()?);
    let mut run = Run {
        options,
        context,
        folder,
        rows: (data, watched),
        picture: samples.picture(),
        encoding: samples.encoding,
        standard,
        about,
        trainer: Trainer::new(rbm, plan, data)?,
        alarm: options.alarm()?,
        seconds: 0.0,
        start,
        alarmed: None,
        last: None,
        base,
    };
    if options.resume {
        run.take_up(epochs)?;
    }
    run.epochs(epochs)?;
    run.ended()
}

impl Run<'_> {
    /// Puts back what the folder keeps.
    fn take_up(&mut self, asked: u64) -> Result<()> {
        let (file, kept): (_, Kept) = self.folder.read()?;
        self.about.same(&kept.training, &self.folder)?;
        self.alarm = kept.alarm.tuned(self.options.alarm_margin, self.options.alarm_patience)?;
        let state = file.state().map_err(|e| self.folder.foreign(&e).because(e))?;
        self.trainer
            .restore(&state)
            .map_err(|e| Error::format(format!("{}: {e}", self.folder.state().display())).because(e))?;
        let done = self.trainer.epochs();
        self.about.go_on(&kept.training, done, self.context);
        self.seconds = seconds_before(self.folder.path, done, self.context)?;
        if done >= asked {
            self.context.note(&Note::NothingLeft { done, asked });
        }
        Ok(())
    }

    fn machine(&self) -> Machine {
        let base = self.trainer.base_rates().to_vec();
        Machine {
            rbm: self.trainer.rbm().clone(),
            base,
            picture: self.picture,
            encoding: self.encoding,
            standard: self.standard.clone(),
        }
    }

    /// Everything that is needed to go on; the epoch that is under way is what a crash costs.
    fn save(&self) -> Result<()> {
        let kept = Kept { training: self.about.clone(), alarm: self.alarm.clone() };
        self.folder.save(&self.trainer.state(), &kept)
    }

    fn seconds(&self) -> f64 {
        self.seconds + self.start.elapsed().as_secs_f64()
    }

    /// Trains until so many epochs are done, or the alarm ends it.
    fn epochs(&mut self, asked: u64) -> Result<()> {
        let mut log = self.folder.log(self.trainer.epochs())?;
        // From here on a killed training can be taken up, whatever else is in the folder by then.
        if !self.options.resume {
            self.save()?;
        }
        while self.trainer.epochs() < asked {
            let figure = self.last.as_ref().map(|found| ("ln p", found.train));
            let done = self.trainer.epochs() as usize;
            self.context.tell(Advance { stage: "epochs", done, total: asked as usize, figure });
            self.epoch(asked)?;
            let numbers = self.watched(asked)?;
            log.write(self.trainer.epochs(), &numbers.0)?;
            self.save()?;
            if let (Trend::Diverging { drop, .. }, None) = (numbers.1, self.alarmed) {
                let (epoch, rolls_back) = (self.trainer.epochs(), self.options.roll_back);
                self.alarmed = Some(Alarmed { epoch, drop });
                let best = self.alarm.best().map_or(0, |best| best.epoch);
                self.context.note(&Note::Diverging { epoch, drop, best, rolls_back });
                if rolls_back {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One epoch; without a whole one there is nothing to go on from.
    fn epoch(&mut self, asked: u64) -> Result<()> {
        let (done, context) = (self.trainer.epochs(), self.context);
        let ended = self.trainer.epoch_while(self.rows.0, &|| !context.is_interrupted());
        if done == 0 && !matches!(ended, Ok(Some(_))) {
            self.folder.forget()?;
        }
        match ended {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(self.folder.stopped(done, asked)),
            Err(e) => {
                let next = match done {
                    0 => "start again".to_string(),
                    _ => format!("resume from epoch {done}"),
                };
                let why = format!("{e}: {next} with a lower learning rate, or with clipping");
                Err(Error::usage(why).because(e).hinted(Hint::GiveOne(vec!["lr", "clip"])))
            }
        }
    }

    /// The metrics of the epoch that has just ended; the likelihood, where it is due, goes by the alarm.
    fn watched(&mut self, asked: u64) -> Result<(Vec<(&'static str, f64)>, Trend)> {
        let (epoch, seed, rbm) = (self.trainer.epochs(), self.context.seed(), self.trainer.rbm());
        let mut numbers = watch::metrics(rbm, self.rows.0, self.rows.1, seed)?;
        let reconstruction_error = numbers[0].1;
        numbers.push(("learning_rate", f64::from(self.trainer.rate())));
        let every = self.options.likelihood_every;
        let mut verdict = Trend::Fine;
        if every > 0 && (epoch.is_multiple_of(every) || epoch == asked) {
            let found = watch::measure(rbm, self.trainer.base_rates(), self.rows, self.options.betas, seed)?;
            let (log_likelihood, standard_error) = (found.train, found.standard_error());
            let reading = Reading { epoch, log_likelihood, standard_error, reconstruction_error };
            verdict = self.alarm.observe(reading)?;
            if self.alarm.best() == Some(reading) {
                self.machine().write(&self.folder.path.join(BEST), &self.about)?;
            }
            numbers.extend([("log_likelihood", found.train), ("log_partition", found.log_partition)]);
            numbers.push(("log_partition_error", standard_error));
            if let Some(uncertainty) = found.uncertainty {
                let (low, high) = uncertainty.interval;
                numbers.push(("log_partition_effective_runs", uncertainty.effective_runs));
                // JSON has no infinities: a side without a bound is left out.
                let sides = [("log_partition_low", low), ("log_partition_high", high)];
                numbers.extend(sides.into_iter().filter(|(_, side)| side.is_finite()));
            }
            numbers.extend(found.held_out.map(|held| ("log_likelihood_held_out", held)));
            numbers.push(("log_likelihood_base_rates", self.base.0));
            self.last = Some(found);
        }
        numbers.push(("seconds", self.seconds()));
        Ok((numbers, verdict))
    }

    /// Writes the machine, and says what the training came to.
    fn ended(self) -> Result<Trained> {
        let path = self.folder.path;
        let (model, rolled_back) = (path.join(MODEL), self.options.roll_back && self.alarmed.is_some());
        let machine = self.machine();
        match rolled_back {
            true => {
                let best = path.join(BEST);
                let bytes = file::read(&best, "the best machine", u64::MAX)?;
                write_whole(&model, &bytes, Durability::Process)?;
            }
            false => machine.write(&model, &self.about)?,
        }
        // All is done and kept: nothing is lost any more by going on.
        let mut samples = SAMPLING.run(&machine.rbm, &machine.base, &Context::new(self.context.seed()))?.values;
        machine.in_data_units(&mut samples);
        let activations = monitor::activations(&machine.rbm, self.rows.0)?;
        let history = MetricLog::read(path, Counted::Epochs.counter())?;
        let seconds = self.seconds();
        if let Some(found) =
            self.last.as_ref().filter(|found| is_below(found.train, found.standard_error(), self.base.0))
        {
            self.context.note(&Note::Data(DataNote::BelowBaseRates { machine: found.train, base: self.base.0 }));
        }
        let trained = Trained {
            schema: "attractor.training.rbm/1",
            model,
            epochs: self.trainer.epochs(),
            updates: self.trainer.updates(),
            training: self.about,
            log_likelihood: None,
            log_likelihood_held_out: None,
            base_rate_log_likelihood: self.base.0,
            base_rate_log_likelihood_held_out: self.base.1,
            log_partition: None,
            log_partition_error: None,
            log_partition_interval: None,
            log_partition_effective_runs: None,
            log_partition_caution: None,
            best: self.alarm.best(),
            alarm: self.alarmed,
            rolled_back,
            seconds,
            diagnostics: Diagnostics { machine, samples, activations, history },
        };
        Ok(trained.measured(self.last.as_ref()))
    }
}
