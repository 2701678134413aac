//! A training that is taken up again: what must be as it was, what may change, and how to go on with one that was stopped.
//!
//! May change: the number of epochs, the learning rates and how they fall, the clipping of the gradient, and everything that
//! only watches. A change is kept in the checkpoint under `changes`, and the rate of every epoch stands in `metrics.jsonl`.
//! All else is what the training is: data, sizes, sampler, batch, seed.

use std::path::Path;

use attractor::sample::rbm::{Alarm, Plan, Rbm, Rows, Trainer, Visible};
use attractor_data::Samples;
use attractor_data::training::{Checkpoint, MetricLog};
use serde_json::{Value, json};

use super::options::TrainRbm;
use crate::error::Outcome;
use attractor::Error;
use attractor_data::machine::TRAINING;

/// Parts of a plan that may be others when a training goes on.
const MAY_CHANGE: [&str; 3] = ["rates", "decay", "clip"];

/// A training that has just begun, or goes on.
pub struct Begun {
    /// The trainer.
    pub trainer: Trainer,
    /// What the likelihood did until now.
    pub alarm: Alarm,
    /// What the training is, with the changes that it has seen.
    pub about: Value,
    /// Seconds that earlier starts have trained.
    pub seconds: f64,
    /// What is to be said before it goes on.
    pub notes: Vec<String>,
}

/// What of data and options is not as it was: its name, and both values.
fn differing(earlier: &Value, now: &Value) -> Option<(String, String, String)> {
    let shown = |key: &str, value: &Value| match (key, value) {
        ("sampler", value) => sampler(value),
        (_, Value::Null) => "nothing".to_string(),
        (_, Value::String(text)) => text.clone(),
        // Single precision, as it was given.
        (_, value) => value.as_f64().map_or(value.to_string(), |number| (number as f32).to_string()),
    };
    let plain = ["hidden", "visible", "weights"].into_iter().map(|key| (key, &earlier[key], &now[key]));
    let plan = now["plan"].as_object()?.iter().map(|(key, is)| (key.as_str(), &earlier["plan"][key], is));
    plain
        .chain(plan.filter(|(key, ..)| !MAY_CHANGE.contains(key)))
        .find(|(_, was, is)| was != is)
        .map(|(key, was, is)| (key.replace('_', " "), shown(key, was), shown(key, is)))
}

/// A sampler as its options.
fn sampler(value: &Value) -> String {
    let Some((kind, of)) = value.as_object().and_then(|kinds| kinds.iter().next()) else { return value.to_string() };
    let name = match kind.as_str() {
        "contrastive" => "cd",
        "persistent" => "pcd",
        _ => "pt",
    };
    let mut text = format!("--sampler {name} --k {}", of["steps"]);
    if !of["chains"].is_null() {
        text += &format!(" --chains {}", of["chains"]);
    }
    if let Some(temperatures) = of["temperatures"].as_array() {
        text += &format!(" --temperatures {}", temperatures.len());
    }
    text
}

/// What may change and did, as (name, was, is).
fn changed<'a>(earlier: &'a Value, now: &'a Value) -> Vec<(&'static str, &'a Value, &'a Value)> {
    let of = |key: &'static str| (key, &earlier["plan"][key], &now["plan"][key]);
    MAY_CHANGE.into_iter().map(of).filter(|(_, was, is)| was != is).collect()
}

/// A training to begin, from its own start or from a machine that is given, or to go on with.
pub fn begun(
    args: &TrainRbm,
    plan: Plan,
    (first, hidden): (Option<Rbm>, usize),
    train: &Samples,
    about: Value,
) -> Outcome<Begun> {
    let data = Rows::new(&train.values, train.features)?;
    let visible = if args.gaussian { Visible::unit_gaussian(train.features) } else { Visible::Binary };
    let rbm = match first {
        Some(first) => first,
        None => Rbm::initial(visible, hidden, data, plan.seed)?,
    };
    let mut trainer = Trainer::new(rbm, plan, data)?;
    let alarm = args.alarm()?;
    if !args.resume {
        return Ok(Begun { trainer, alarm, about, seconds: 0.0, notes: Vec::new() });
    }
    let path = args.output.join(TRAINING);
    let file = Checkpoint::read(&path)?;
    let earlier = &file.about["training"];
    if earlier["data"].is_null() {
        return Err(Error::io(format!("{}: is no training of attractor train rbm", path.display())));
    }
    if earlier["data"] != about["data"] {
        return Err(Error::usage(format!(
            "{}: was begun with {} rows of {}, now there are {} of {}, or cut, scaled or held out otherwise; go on with the same \
             data and --threshold, --scale and --held-out, or name a new folder",
            path.display(),
            earlier["rows"],
            earlier["source"].as_str().unwrap_or("other data"),
            about["rows"],
            about["source"].as_str().unwrap_or("others")
        )));
    }
    if let Some((key, was, is)) = differing(earlier, &about) {
        return Err(Error::usage(format!(
            "{}: was begun with {key} {was}, now it is {is}; go on with the same data and options, or name a new folder",
            path.display()
        )));
    }
    let alarm: Alarm = serde_json::from_value(file.about["alarm"].clone())
        .map_err(|e| Error::io(format!("{}: the alarm cannot be read: {e}", path.display())))?;
    let alarm = alarm.tuned(args.alarm_margin, args.alarm_patience)?;
    trainer.restore(&file.state()?).map_err(|e| Error::format(format!("{}: {e}", path.display())))?;
    let mut notes = Vec::new();
    let mut about = about;
    let mut changes = earlier["changes"].as_array().cloned().unwrap_or_default();
    for (key, was, is) in changed(earlier, &about) {
        changes.push(json!({ "after_epoch": trainer.epochs(), "option": key, "was": was, "is": is }));
        notes.push(format!("{key}: was {was}, from epoch {} on {is}", trainer.epochs() + 1));
    }
    if !changes.is_empty() {
        about["changes"] = json!(changes);
    }
    let seconds = written(&args.output, trainer.epochs(), &mut notes)?;
    Ok(Begun { trainer, alarm, about, seconds, notes })
}

/// Seconds of the log up to an epoch; a gap before it is noted.
fn written(folder: &Path, epochs: u64, notes: &mut Vec<String>) -> Outcome<f64> {
    let written = MetricLog::read(folder, "epoch")?;
    if !(1..=epochs).all(|epoch| written.get(epoch as usize - 1).is_some_and(|entry| entry.0 == epoch)) {
        notes.push(format!(
            "{}: metrics.jsonl lacks epochs before {epochs}; the training goes on from there, its log keeps the gap",
            folder.display()
        ));
    }
    let seconds =
        written.iter().filter(|(epoch, _)| *epoch <= epochs).filter_map(|(_, entry)| entry["seconds"].as_f64());
    Ok(seconds.fold(0.0, f64::max))
}

/// The command line that goes on with what this one began.
pub fn go_on() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:@%+".contains(c);
    let quoted = |word: String| match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let mut words: Vec<String> = words.filter(|word| word != "--resume").map(quoted).collect();
    words.push("--resume".to_string());
    format!("attractor {}", words.join(" "))
}
