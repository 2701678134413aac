//! `attractor memory hopfield`: patterns stored by a learning rule, and recalled.

use attractor::energy::rules::{Learned, Margin, Rule};
use attractor::energy::{Energy, Hebb, SpinMemory, Weights};
use attractor::pattern::{Spins, StoredPatterns};
use attractor::settle::capacity::CRITICAL_LOAD;
use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::scale::Scale;
use attractor_render::figures::heatmap::{Style, heatmap};
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::panels::beside;
use attractor_render::maps::map::{Map, Pooling};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::data::Data;
use super::ink;
use super::recall::{self, Recall, Recalled};
use crate::args::Common;
use crate::console::context;
use crate::console::print;
use crate::error::Outcome;
use crate::picture;
use attractor::Error;
use attractor_data::patterns::Stored;

/// A learning rule by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuleName {
    /// Hebb's outer products
    Hebb,
    /// Hebb's outer products of patterns less their mean: for patterns that are mostly dark, or mostly light
    Centred,
    /// Storkey's, pattern by pattern
    Storkey,
    /// The projection onto the patterns, without its diagonal
    PseudoInverse,
    /// The same with its diagonal
    PseudoInverseDiagonal,
    /// Gardner's margins by perceptron learning, symmetric weights
    PerceptronSymmetric,
    /// The same without symmetry: there is no energy
    Perceptron,
    /// Hebb's less what it dreams of
    Unlearning,
}

impl RuleName {
    /// With the parameters that the literature uses.
    pub fn rule(self, seed: u64) -> Rule {
        let perceptron = |symmetric| Rule::Perceptron { margin: Margin::Stability(0.5), symmetric, epochs: 200 };
        match self {
            Self::Hebb => Rule::Hebb,
            Self::Centred => Rule::Centred,
            Self::Storkey => Rule::Storkey,
            Self::PseudoInverse => Rule::PseudoInverse { diagonal: false },
            Self::PseudoInverseDiagonal => Rule::PseudoInverse { diagonal: true },
            Self::PerceptronSymmetric => perceptron(true),
            Self::Perceptron => perceptron(false),
            Self::Unlearning => Rule::Unlearning { dreams: 100, strength: 0.01, seed },
        }
    }
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Stored, corrupted and recalled patterns
    Recall,
    /// One recall unit by unit; an .svg moves
    Frames,
    /// Energy after each unit that turned round
    Energy,
    /// The weight matrix
    Weights,
    /// What each pair adds to the energy of the first pattern, and of a cue of it
    Contributions,
    /// The local field at each unit of the first pattern and of a cue of it, and what it asks for
    Fields,
}

#[derive(Debug, Args)]
pub struct Hopfield {
    #[command(flatten)]
    pub data: Data,
    /// How patterns are stored
    #[arg(long, value_enum, default_value_t = RuleName::Hebb)]
    pub rule: RuleName,
    #[command(flatten)]
    pub recall: Recall,
    /// What --output shows
    #[arg(long, value_enum, default_value_t = Draw::Recall, requires = "output")]
    pub draw: Draw,
}

/// Dense weights, for pictures of them: Hebb's memory does without otherwise.
fn weights(stored: &Stored, learned: Option<&Learned>) -> Outcome<Weights> {
    /// N x N weights of more units make no picture.
    const MOST: usize = 4096;
    let units = stored.patterns.units();
    match learned {
        _ if units > MOST => {
            Err(Error::usage(format!("--draw: {units} units have too many weights for a picture; at most {MOST}")))
        }
        Some(learned) => Ok(learned.weights.clone()),
        None => Ok(Rule::Hebb.learn(&stored.patterns)?.weights),
    }
}

/// The largest size.
fn reach<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |most, w| most.max(w.abs()))
}

/// A matrix between units, blue below zero and red above; `most` is at the ends of its scale.
fn matrix(values: &[f64], units: usize, most: f64, title: &str, unit: &str) -> Outcome<String> {
    const SIDE: usize = 256;
    let map = Map::exact(values.iter().map(|&w| w as f32).collect(), units, units)?;
    let map = Map { pooling: Pooling::Magnitude, ..map }.pooled(SIDE)?;
    let style = Style {
        colours: ColourMap::BlueRed,
        scale: Scale::centred(if most > 0.0 { most } else { 1.0 })?,
        unit: unit.to_string(),
        rows: "unit i".to_string(),
        columns: "unit j".to_string(),
        ..Style::default()
    };
    Ok(heatmap(&map, title, &[], &style)?)
}

/// What the field says to every unit of the first pattern, and of a cue of it: the state, the field, what it asks for, and
/// where that would be a turn.
fn fields(stored: &Stored, weights: &Weights, cue: &Recalled) -> Outcome<String> {
    let (height, width) = stored.picture;
    let states = [stored.patterns.pattern(cue.pattern), cue.cue.state.clone()];
    let fields = states.each_ref().map(|state| weights.fields(state).into_iter().map(|h| h as f32).collect::<Vec<_>>());
    let reach = fields.iter().flatten().fold(0.0f32, |most, h| most.max(h.abs()));
    let mut values = Vec::new();
    let mut notes = Vec::new();
    for ((state, field), name) in states.iter().zip(&fields).zip(["pattern", "cue"]) {
        let x = ink(state);
        let asked = |(x, h): (&f32, &f32)| if *h == 0.0 { *x } else { h.signum() };
        let turns: Vec<f32> = x.iter().zip(field).map(|(x, h)| if x * h < 0.0 { h.signum() } else { 0.0 }).collect();
        notes.push(match turns.iter().filter(|turn| **turn != 0.0).count() {
            0 => format!("{name}: every unit agrees with its field: a fixed point"),
            1 => format!("{name}: 1 unit disagrees with its field"),
            n => format!("{name}: {n} units disagree with their field; each turn changes the fields of the others"),
        });
        let asks = x.iter().zip(field).map(asked).collect::<Vec<f32>>();
        let shades = [x, asks, turns].map(|signs| signs.iter().map(|sign| sign * reach).collect::<Vec<f32>>());
        let [x, asks, turns] = shades;
        values.extend([x, field.clone(), asks, turns]);
    }
    let pictures: Vec<Picture<'_>> = values.iter().map(|values| Picture { width, height, values, name: "" }).collect();
    let reach = f64::from(reach);
    let style = Style {
        colours: ColourMap::BlueRed,
        scale: Scale::centred(if reach > 0.0 { reach } else { 1.0 })?,
        unit: "field h".to_string(),
        ..Style::default()
    };
    let title = "What the other units tell each unit";
    let (rows, columns) = (["pattern", "cue"], ["state", "field h", "asked for", "would turn"]);
    Ok(Images { title, notes, pictures: &pictures, across: 4, rows: &rows, columns: &columns, shared: true }
        .svg(&style)?)
}

struct Shown<'a> {
    args: &'a Hopfield,
    stored: &'a Stored,
    learned: Option<&'a Learned>,
    recalled: &'a [Recalled],
    seed: u64,
}

impl Shown<'_> {
    fn figure<M: SpinMemory>(&self, memory: &M, ending: &str) -> Outcome<String> {
        let (stored, rule) = (self.stored, self.args.rule.rule(self.seed).name());
        let first = stored.patterns.pattern(0);
        let notes = vec![
            format!("{}, {} patterns of {} units, rule {rule}", stored.source, stored.patterns.count(), first.len()),
            super::cue(&self.args.recall),
        ];
        match self.args.draw {
            Draw::Recall => recall::strip(self.recalled, stored, "Recall of corrupted patterns", notes),
            Draw::Energy => self.args.recall.energies(memory, self.recalled, self.seed, notes),
            Draw::Frames => {
                let frames = self.args.recall.frames(memory, &self.recalled[0], 0, self.seed, super::FRAMES)?;
                super::moving(&frames, stored, "Recall, unit by unit", notes, ending)
            }
            Draw::Weights => {
                let weights = weights(stored, self.learned)?;
                let most = reach(weights.values());
                matrix(weights.values(), first.len(), most, &format!("Weights by the rule {rule}"), "weight")
            }
            Draw::Contributions => {
                let weights = weights(stored, self.learned)?;
                let cue = &self.recalled[0].cue.state;
                let parts = [&first, cue].map(|state| weights.contributions(state));
                let most = reach(parts.iter().flatten());
                let panel = |name: &str, state: &Spins, part: &[f64]| {
                    let title = format!("{name}: {:.3} in all", weights.energy(state)).replace('-', "−");
                    matrix(part, first.len(), most, &title, "energy")
                };
                let panels = [panel("pattern 0", &first, &parts[0])?, panel("its cue", cue, &parts[1])?];
                let notes = [notes[1].clone(), "blue pairs do what their weight asks, red ones do not".to_string()];
                Ok(beside("Energy by pairs of units", &notes, &panels)?)
            }
            Draw::Fields => fields(stored, &weights(stored, self.learned)?, &self.recalled[0]),
        }
    }
}

/// What holds more, where a rule holds less than was asked of it.
fn advice(rule: RuleName, patterns: &StoredPatterns) -> String {
    let (load, count, units) = (patterns.load(), patterns.count(), patterns.units());
    let most = match rule {
        RuleName::Hebb => (units as f64 * CRITICAL_LOAD) as usize,
        RuleName::PseudoInverse | RuleName::PseudoInverseDiagonal => units,
        _ => return String::new(),
    };
    match (count > most, rule) {
        (false, _) => String::new(),
        (true, RuleName::Hebb) if load < 1.0 => format!(
            "\n{count} patterns are more than {units} units hold by Hebb's rule, about {most} at random; next: --rule pseudo-inverse \
             holds up to {units}, attractor memory dense many more\n"
        ),
        (true, _) => format!(
            "\n{count} patterns are more than the projection holds, {units} at most; next: attractor memory dense, or memory modern\n"
        ),
    }
}

fn answered<M: SpinMemory>(
    memory: &M,
    args: &Hopfield,
    stored: &Stored,
    learned: Option<&Learned>,
    common: &Common,
) -> Outcome {
    let recalled = args.recall.run(memory, &stored.patterns, common.seed)?;
    if let Some(path) = &args.recall.output {
        let shown = Shown { args, stored, learned, recalled: &recalled, seed: common.seed };
        picture::save_checked(path, |ending| shown.figure(memory, ending))?;
    }
    let name = args.rule.rule(common.seed).name();
    let report = learned.map(|learned| learned.report);
    if common.json {
        let document = json!({
            "memory": "hopfield", "rule": name, "source": stored.source, "units": stored.patterns.units(),
            "patterns": stored.patterns.count(), "load": stored.patterns.load(), "seed": common.seed,
            "learned": report.map(|r| json!({ "epochs": r.epochs, "converged": r.converged, "rank": r.rank,
                "stability": r.stability.is_finite().then_some(r.stability) })),
            "descends": recall::descent(memory, args.recall.update),
            "recalls": recall::json(&recalled),
        });
        print(&format!("{document}\n"));
        return Ok(());
    }
    let learnt = report.map_or(String::new(), |r| {
        let rank = r.rank.map_or(String::new(), |rank| format!(", rank {rank}"));
        let end = if r.converged { "" } else { ", not converged" };
        format!("smallest stability {:.3}{rank}, {} passes{end}\n", r.stability, r.epochs)
    });
    let advice = match recalled.iter().all(|r| r.is_exact()) || common.quiet {
        true => String::new(),
        false => advice(args.rule, &stored.patterns),
    };
    print(&format!(
        "Hopfield memory of {} patterns in {} units (load {:.3}), rule {name}: {}\n{learnt}{}; {}\n\n{}{advice}",
        stored.patterns.count(),
        stored.patterns.units(),
        stored.patterns.load(),
        stored.source,
        super::cue(&args.recall),
        recall::descent(memory, args.recall.update),
        recall::table(&recalled)
    ));
    Ok(())
}

/// Runs the command.
pub fn run(args: &Hopfield, common: &Common) -> Outcome {
    let stored = args.data.source().stored("glyphs-5", &context(common))?;
    // Without weights: exact, and of any size.
    if args.rule == RuleName::Hebb {
        let patterns: StoredPatterns = stored.patterns.clone();
        return answered(&Hebb::new(patterns), args, &stored, None, common);
    }
    let learned = args.rule.rule(common.seed).learn(&stored.patterns)?;
    answered(&learned.weights, args, &stored, Some(&learned), common)
}
