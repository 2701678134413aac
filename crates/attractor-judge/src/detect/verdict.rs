//! One head, one detector: score, null, chance, and what they come to.

use serde::{Deserialize, Serialize};

use super::observe::Observed;
use super::reason::Unmet;
use super::sink::{Column, Strongest, strongest};
use super::stage::{Chance, Shared, Stage};
use super::{Detector, Options, positional};
use crate::statistics::bootstrap::FEWEST_INPUTS;
use crate::statistics::{Bootstrap, Interval, NoBootstrap, Permuted, mean, mean_of};

/// What a detector says of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is of this kind.
    Found,
    /// Its score is enough, but these inputs and permutations cannot tell it from chance at the asked level.
    NotResolvable,
    /// It is not of this kind.
    Absent,
    /// The capture cannot serve the detector.
    NotTestable,
}

impl Finding {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotResolvable => "not_resolvable",
            Self::Absent => "absent",
            Self::NotTestable => "not_testable",
        }
    }
}

/// What tests of one detector must share to share their permutations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// Signs flipped over so many inputs.
    Signs(usize),
    /// Inputs paired within these groups.
    Pairings(Vec<Vec<usize>>),
    /// Labels permuted within so many inputs.
    Within(usize),
}

/// How p was found.
pub(crate) struct Chances {
    pub p: f64,
    /// The smallest p that could have been found.
    pub smallest: f64,
    /// Number of permutations.
    pub permutations: usize,
    /// True if these are all there are.
    pub exact: bool,
    /// Tests of one family share their permutations.
    pub family: (Detector, Family),
    /// Kept for max-T.
    pub test: Option<Permuted>,
}

/// What is known of a head before all heads are known.
pub(crate) struct Figure {
    pub score: f64,
    pub null: f64,
    pub interval: Result<Interval, NoBootstrap>,
    /// Positions of sinks, offset of positional heads.
    pub at: Vec<i64>,
    /// Inputs that count.
    pub inputs: usize,
    pub chances: Result<Chances, Unmet>,
}

/// Everything that is the same for all heads.
pub(super) struct Bench<'a> {
    pub options: &'a Options,
    pub shared: &'a Shared,
    pub bootstrap: &'a Bootstrap,
    /// Keep the permutations for max-T.
    pub keep: bool,
    /// The maps are of cross attention.
    pub cross: bool,
}

impl Bench<'_> {
    /// The figure of a head; `Err`: not testable, and why.
    pub(super) fn figure(&self, detector: Detector, stage: &Stage, seen: &Observed) -> Result<Figure, Unmet> {
        match detector {
            _ if self.options.without_stimulus.contains(&detector) => Err(Unmet::Stimulus),
            _ if self.cross && detector.is_of_positions() => Err(Unmet::Positions),
            Detector::Sink => self.sink(stage, seen),
            Detector::Positional => self.positional(stage, seen),
            _ if detector.is_of_content() => self.content(detector, stage, seen),
            _ => self.mass(detector, stage, seen),
        }
    }

    /// Previous, current, first: the mass on cells that position alone names, against uniform attention.
    fn mass(&self, detector: Detector, stage: &Stage, seen: &Observed) -> Result<Figure, Unmet> {
        let (inputs, scores) = own(detector, stage, seen)?;
        let uniform: Vec<f64> = self.uniform(detector, stage, &inputs);
        let differences: Vec<f64> = scores.iter().zip(&uniform).map(|(s, u)| s - u).collect();
        Ok(Figure {
            score: mean(&scores),
            null: mean(&uniform),
            interval: self.bootstrap.interval_at(&inputs, &scores),
            at: Vec::new(),
            inputs: self.inputs(&inputs),
            chances: self.flipped(&differences, 1, &inputs, detector),
        })
    }

    fn uniform(&self, detector: Detector, stage: &Stage, inputs: &[usize]) -> Vec<f64> {
        let of = |&input: &usize| {
            stage.labels[&detector][input].as_ref().map_or(f64::NAN, |labels| labels.uniform(&stage.geometry[input]))
        };
        inputs.iter().map(of).collect()
    }

    /// Number of inputs that these entries are of.
    fn inputs(&self, entries: &[usize]) -> usize {
        self.bootstrap.by_input(entries, &vec![0.0; entries.len()]).len()
    }

    /// One-sided paired sign flips over inputs, of the best of several candidates; `differences` is [entry x candidates], and
    /// steps of one input are flipped together.
    fn flipped(
        &self,
        differences: &[f64],
        candidates: usize,
        entries: &[usize],
        detector: Detector,
    ) -> Result<Chances, Unmet> {
        let inputs = self.inputs(entries);
        if inputs < FEWEST_INPUTS {
            return Err(Unmet::Inputs);
        }
        let of = |candidate: usize| -> Vec<f64> {
            let own: Vec<f64> = differences.iter().skip(candidate).step_by(candidates).copied().collect();
            self.bootstrap.by_input(entries, &own)
        };
        let flips = self.shared.flips(inputs);
        let test = match inputs == entries.len() {
            true => flips.test(differences, candidates),
            false => {
                let columns: Vec<Vec<f64>> = (0..candidates).map(of).collect();
                let rows = (0..inputs).flat_map(|input| columns.iter().map(move |column| column[input]));
                flips.test(&rows.collect::<Vec<_>>(), candidates)
            }
        };
        Ok(self.chances(test, flips.smallest_p(), flips.is_exact(), (detector, Family::Signs(inputs))))
    }

    fn chances(&self, test: Permuted, smallest: f64, exact: bool, family: (Detector, Family)) -> Chances {
        let (p, permutations) = (test.p, test.permuted.len());
        Chances { p, smallest, permutations, exact, family, test: self.keep.then_some(test) }
    }

    /// Duplicate, induction, delimiter: the mass on cells that tokens name, against other tokens.
    fn content(&self, detector: Detector, stage: &Stage, seen: &Observed) -> Result<Figure, Unmet> {
        let chance = &stage.chance[&detector];
        let (inputs, scores) = own(detector, stage, seen)?;
        let mut null = mean(&self.uniform(detector, stage, &inputs));
        let chances;
        match chance {
            Chance::None(lack) => chances = Err(*lack),
            Chance::Pairing(groups) => {
                let crossed = &seen.crossed[&detector];
                let side = seen.unfit.len();
                let fit = |&&input: &&usize| !crossed[input * side + input].is_nan();
                let groups: Vec<Vec<usize>> = groups
                    .iter()
                    .map(|group| group.iter().filter(fit).copied().collect())
                    .filter(|g: &Vec<usize>| g.len() >= 2)
                    .collect();
                match groups.iter().map(Vec::len).sum::<usize>() {
                    count if count < FEWEST_INPUTS => chances = Err(Unmet::PairedInputs),
                    _ => {
                        let pairings = self.shared.pairings(&groups);
                        // Only scores within a group are asked for; the side is that of the last input that takes part.
                        let last = groups.iter().flatten().max().map_or(0, |&last| last + 1);
                        let square: Vec<f64> =
                            (0..last).flat_map(|s| &crossed[s * side..s * side + last]).copied().collect();
                        let test = pairings.test(&square);
                        null = test.mean();
                        let family = (detector, Family::Pairings(groups));
                        chances = Ok(self.chances(test, pairings.smallest_p(), pairings.is_exact(), family));
                    }
                }
            }
            Chance::Within { permutations, exact, .. } => {
                let none = Default::default();
                let each = seen.within.get(&detector).unwrap_or(&none);
                let each: Vec<_> =
                    each.iter().filter(|(input, _)| inputs.contains(input)).map(|(_, each)| each).collect();
                if !each.is_empty() {
                    let count = each.len() as f64;
                    let observed = each.iter().map(|e| e.observed).sum::<f64>() / count;
                    let permuted: Vec<f64> =
                        (0..*permutations).map(|m| each.iter().map(|e| e.permuted[m]).sum::<f64>() / count).collect();
                    let test = Permuted::new(observed, permuted, *exact);
                    null = test.mean();
                    let smallest = if *exact { 1.0 / *permutations as f64 } else { 1.0 / (*permutations as f64 + 1.0) };
                    let family = (detector, Family::Within(each.len()));
                    chances = Ok(self.chances(test, smallest, *exact, family));
                } else {
                    chances = Err(Unmet::Permutations);
                }
            }
        }
        Ok(Figure {
            score: mean(&scores),
            null,
            interval: self.bootstrap.interval_at(&inputs, &scores),
            at: Vec::new(),
            inputs: self.inputs(&inputs),
            chances,
        })
    }

    /// The position with the largest mean attention, among those that half of the rows of every input see.
    fn sink(&self, stage: &Stage, seen: &Observed) -> Result<Figure, Unmet> {
        let (inputs, columns): (Vec<usize>, Vec<Column<'_>>) = seen
            .received
            .iter()
            .enumerate()
            .filter_map(|(input, received)| {
                let received = received.as_deref()?;
                Some((input, Column { geometry: &stage.geometry[input], seen: &stage.seen[input], received }))
            })
            .unzip();
        if columns.is_empty() {
            return Err(unfit(seen, Unmet::Received));
        }
        let Some(Strongest { position, scores, places }) = strongest(&columns) else {
            return Err(Unmet::Candidates(Detector::Sink));
        };
        let alpha = |key: usize| mean(&columns.iter().map(|column| column.alpha(key)).collect::<Vec<_>>());
        let differences: Vec<f64> = columns
            .iter()
            .flat_map(|column| places.iter().map(|&key| column.alpha(key) - column.uniform(key)))
            .collect();
        let sinks = places.iter().filter(|&&key| self.options.reaches(Detector::Sink, alpha(key)));
        Ok(Figure {
            score: mean(&scores),
            null: mean(&columns.iter().map(|column| column.uniform(position)).collect::<Vec<_>>()),
            interval: self.bootstrap.interval_at(&inputs, &scores),
            at: match self.options.reaches(Detector::Sink, mean(&scores)) {
                true => sinks.map(|&key| key as i64).collect(),
                false => vec![position as i64],
            },
            inputs: self.inputs(&inputs),
            chances: self.flipped(&differences, places.len(), &inputs, Detector::Sink),
        })
    }

    /// The offset at which the strongest key stands most often.
    fn positional(&self, stage: &Stage, seen: &Observed) -> Result<Figure, Unmet> {
        let inputs: Vec<usize> = (0..seen.unfit.len()).filter(|&input| seen.strongest[input].is_some()).collect();
        let Some(&first) = inputs.first() else {
            return Err(unfit(seen, Unmet::Strongest));
        };
        let expected =
            |input: usize, offset: i64| stage.offsets[input].iter().find(|(o, _)| *o == offset).map(|(_, e)| *e);
        let offsets: Vec<i64> = stage.offsets[first].iter().map(|(offset, _)| *offset).collect();
        let offsets: Vec<i64> =
            offsets.into_iter().filter(|&o| inputs.iter().all(|&input| expected(input, o).is_some())).collect();
        if offsets.is_empty() {
            return Err(Unmet::Candidates(Detector::Positional));
        }
        let shares: Vec<Vec<f64>> = inputs
            .iter()
            .map(|&input| {
                let strongest = seen.strongest[input].as_deref().unwrap_or(&[]);
                positional::shares(&stage.geometry[input], strongest, &offsets)
            })
            .collect();
        let slots: Vec<usize> = (0..offsets.len()).collect();
        let share = |slot: usize| mean_of(shares.iter().map(|s| s[slot])).unwrap_or(f64::NAN);
        let best = first_largest(&slots, |&slot| share(slot));
        let by_chance = |input: usize, slot: usize| expected(input, offsets[slot]).unwrap_or(f64::NAN);
        let differences: Vec<f64> = inputs
            .iter()
            .zip(&shares)
            .flat_map(|(&input, shares)| slots.iter().map(move |&slot| (input, shares[slot], slot)))
            .map(|(input, share, slot)| share - by_chance(input, slot))
            .collect();
        let scores: Vec<f64> = shares.iter().map(|s| s[best]).collect();
        Ok(Figure {
            score: mean(&scores),
            null: mean(&inputs.iter().map(|&input| by_chance(input, best)).collect::<Vec<_>>()),
            interval: self.bootstrap.interval_at(&inputs, &scores),
            // j - i: a previous-token head stands at -1.
            at: vec![-offsets[best]],
            inputs: self.inputs(&inputs),
            chances: self.flipped(&differences, offsets.len(), &inputs, Detector::Positional),
        })
    }
}

/// The first of the largest.
fn first_largest<T: Copy>(of: &[T], figure: impl Fn(&T) -> f64) -> T {
    let mut best = (of[0], figure(&of[0]));
    for candidate in &of[1..] {
        let value = figure(candidate);
        if value > best.1 {
            best = (*candidate, value);
        }
    }
    best.0
}

/// The inputs that have a score, and their scores.
fn own(detector: Detector, stage: &Stage, seen: &Observed) -> Result<(Vec<usize>, Vec<f64>), Unmet> {
    let own = &seen.own[&detector];
    let (inputs, scores): (Vec<usize>, Vec<f64>) =
        own.iter().enumerate().filter_map(|(input, score)| Some((input, (*score)?))).unzip();
    if !inputs.is_empty() {
        return Ok((inputs, scores));
    }
    let labelled = stage.labels[&detector].iter().any(Option::is_some);
    let tokens = stage.geometry.iter().any(|g| g.has_tokens);
    Err(match (labelled, detector.is_of_content() && !tokens) {
        (false, true) => Unmet::Tokens,
        (false, false) => Unmet::Labels(detector),
        (true, _) => unfit(seen, Unmet::Statistics(detector)),
    })
}

fn unfit(seen: &Observed, otherwise: Unmet) -> Unmet {
    match seen.unfit.iter().all(Option::is_some) {
        true => seen.unfit.iter().flatten().next().copied().unwrap_or(Unmet::Input),
        false => otherwise,
    }
}
