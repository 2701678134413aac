//! All heads, all detectors: corrected, judged and summed up.

use std::collections::BTreeMap;
use std::sync::Arc;

use attractor_record::table::{Column, Table};
use attractor_record::{ModelInfo, Patterns, Stack, Steps, counted};
use serde::{Deserialize, Serialize};

use super::observe::{Observed, Sight};
use super::reason::{Because, Draws, NoInterval, Null, Reason, UNASKED, Unmet, Unresolved};
use super::stage::{Chance, Shared, Stage};
use super::verdict::{Bench, Chances, Figure, Finding};
use super::{Detector, Options};
use crate::config::Config;
use crate::measure::{Geometry, Repeated, Task, is_repetition, repeated_inputs, seen, tasks, watched};
use crate::place::{Head, named_stack};
use crate::statistics::{Bootstrap, Correction, Interval, MaxT, benjamini_hochberg, benjamini_yekutieli};
use attractor::{Context, Error, Result};

/// A figure, or why there is none.
pub(crate) type Tested = std::result::Result<Figure, Unmet>;

/// Version of the JSON.
pub const SCHEMA_VERSION: u32 = 1;

/// What was looked at, by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// "attractor".
    pub tool: String,
    /// Its version.
    pub version: String,
    /// What was captured.
    pub model: ModelInfo,
    /// The stack whose layers these are, where the model has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// Number of inputs.
    pub inputs: usize,
    /// Steps of them all, where inputs have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Keys of each input.
    pub lengths: Vec<usize>,
    /// Anything that the caller adds.
    pub extra: BTreeMap<String, String>,
}

impl Provenance {
    /// What was looked at, in words: the stack where it is named, inputs, steps.
    pub fn counted(&self) -> String {
        counted(self.stack, self.inputs, self.steps)
    }
}

/// What a detector says of a head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detection {
    /// Layer, zero-based.
    pub layer: usize,
    /// Head, zero-based.
    pub head: usize,
    /// Which detector.
    pub detector: Detector,
    /// What it comes to.
    pub verdict: Finding,
    /// Mean over inputs, in [0, 1].
    pub score: Option<f64>,
    /// The score of chance: of uniform attention, or the mean of the permutations.
    pub null: Option<f64>,
    /// score - null.
    pub effect: Option<f64>,
    /// Of the score, over inputs.
    pub interval: Option<Interval>,
    /// Why there is no interval.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub no_interval: Option<NoInterval>,
    /// Upper p-value.
    pub p: Option<f64>,
    /// Corrected over all heads and detectors asked for.
    pub q: Option<f64>,
    /// Positions of a sink; offset j - i of a positional head.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub at: Vec<i64>,
    /// Inputs that count.
    pub inputs: usize,
    /// Why.
    pub why: Reason,
}

impl Detection {
    /// Which head.
    pub fn place(&self) -> Head {
        Head { layer: self.layer, head: self.head }
    }

    /// True if the score alone names the head, since these inputs cannot tell it from chance. Where three keys are visible
    /// a uniform head scores near the threshold: the score must then be twice the null's.
    pub fn is_by_score(&self) -> bool {
        match (self.verdict, self.score, self.null) {
            (Finding::NotResolvable, Some(score), Some(null)) => score > 2.0 * null.min(0.5),
            _ => false,
        }
    }
}

/// A detector over all heads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorSummary {
    /// Which.
    pub detector: Detector,
    /// What its score is.
    pub definition: &'static str,
    /// Score from which a head is of this kind.
    pub threshold: f64,
    /// Where threshold and definition come from.
    pub source: &'static str,
    /// What it needs of a capture.
    pub needs: &'static str,
    /// The stimulus that it was measured on, where that is another than the inputs of [`Provenance`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stimulus: Option<String>,
    /// True if it looks for what repeats, and no input repeats itself as a whole: that none is found says little.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
    /// How chance was drawn.
    pub null: Null,
    /// Heads with a p-value.
    pub tests: usize,
    /// The smallest p that a head could have.
    pub smallest_p: Option<f64>,
    /// True if one head alone could be told from chance at the asked rate.
    pub resolvable: bool,
    /// Heads that are of this kind.
    pub found: Vec<Head>,
    /// Heads that may be, beyond what can be told from chance.
    pub not_resolvable: Vec<Head>,
    /// Those of them that are named by the score alone ([`Detection::is_by_score`]).
    pub by_score: Vec<Head>,
    /// Why no head could be tested.
    pub not_testable: Option<Unmet>,
}

/// What [`detect`] answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detections {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was looked at.
    pub provenance: Provenance,
    /// Seed of every draw.
    pub seed: u64,
    /// Largest corrected p-value of a head that is named.
    pub fdr: f64,
    /// How p-values are corrected.
    pub correction: Correction,
    /// Random permutations asked for.
    pub permutations: usize,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Tests corrected for: heads x detectors with a p-value.
    pub tests: usize,
    /// Detector by detector.
    pub detectors: Vec<DetectorSummary>,
    /// Head by head, detector by detector.
    pub heads: Vec<Detection>,
    /// What to know before believing them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Repeated>,
}

impl DetectorSummary {
    /// What it comes to, in words: how many heads are found, or may be.
    pub fn counted(&self, heads: usize) -> String {
        match (&self.not_testable, self.found.len(), self.by_score.len()) {
            (Some(_), ..) => "not testable".to_string(),
            (None, 0, 0) => "none found".to_string(),
            (None, 0, n) => format!("{n} of {heads} by the score alone, not distinguishable from chance"),
            (None, n, _) => format!("{n} of {heads} found"),
        }
    }

    /// On what it was measured, where that is not the inputs; why these inputs could not show its heads.
    pub fn on(&self) -> Option<String> {
        match &self.stimulus {
            Some(stimulus) => Some(format!("measured on {stimulus}")),
            None => (self.unasked && self.found.is_empty()).then(|| UNASKED.to_string()),
        }
    }
}

impl Detections {
    /// What a detector says of a head.
    pub fn of(&self, detector: Detector, layer: usize, head: usize) -> Option<&Detection> {
        self.heads.iter().find(|d| (d.detector, d.layer, d.head) == (detector, layer, head))
    }

    /// What a detector says of every head.
    pub fn by(&self, detector: Detector) -> impl Iterator<Item = &Detection> {
        self.heads.iter().filter(move |d| d.detector == detector)
    }

    /// The head that a detector scores highest; the first of equals.
    pub fn best(&self, detector: Detector) -> Option<&Detection> {
        let scored = self.by(detector).filter(|d| d.score.is_some());
        scored.reduce(|best, next| if best.score >= next.score { best } else { next })
    }

    /// The heads that a detector finds, then those that it cannot resolve, each by score, the highest first.
    pub fn listed(&self, detector: Detector) -> Vec<&Detection> {
        let is_listed = |d: &&Detection| matches!(d.verdict, Finding::Found | Finding::NotResolvable);
        let mut listed: Vec<&Detection> = self.by(detector).filter(is_listed).collect();
        let score = |d: &Detection| d.score.unwrap_or(0.0);
        listed.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(score(b).total_cmp(&score(a))));
        listed
    }

    /// The summary of a detector that was asked for.
    pub fn summary(&self, detector: Detector) -> Option<&DetectorSummary> {
        self.detectors.iter().find(|d| d.detector == detector)
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        // Plain data; its maps have text keys.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// As a table: one row per head and detector.
    ///
    /// # Errors
    /// None that is known of: all columns have one number a finding.
    pub fn to_table(&self) -> attractor::Result<Table> {
        let text = |pick: &dyn Fn(&Detection) -> String| Column::Text(self.heads.iter().map(pick).collect());
        let whole =
            |pick: &dyn Fn(&Detection) -> usize| Column::Whole(self.heads.iter().map(|d| pick(d) as i64).collect());
        let number = |pick: &dyn Fn(&Detection) -> Option<f64>| {
            Column::Number(self.heads.iter().map(|d| pick(d).unwrap_or(f64::NAN)).collect())
        };
        let columns = vec![
            ("layer", whole(&|d| d.layer)),
            ("head", whole(&|d| d.head)),
            ("detector", text(&|d| d.detector.name().to_string())),
            ("verdict", text(&|d| d.verdict.name().to_string())),
            ("score", number(&|d| d.score)),
            ("null", number(&|d| d.null)),
            ("effect", number(&|d| d.effect)),
            ("interval_low", number(&|d| d.interval.as_ref().map(|i| i.low))),
            ("interval_high", number(&|d| d.interval.as_ref().map(|i| i.high))),
            ("p", number(&|d| d.p)),
            ("q", number(&|d| d.q)),
            ("at", text(&|d| d.at.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))),
            ("inputs", whole(&|d| d.inputs)),
            ("why", text(&|d| d.why.to_string())),
        ];
        Table::new(columns.into_iter().map(|(name, column)| (name.to_string(), column)).collect())
    }
}

/// Looks for heads of known kinds.
///
/// The answer is the same for any number of threads.
/// # Cost
/// One walk over the maps, O(heads x inputs x N^2); for detectors of content inputs^2 x labelled cells per head besides.
/// # Errors
/// `is_usage` for options out of range; `is_format` if the patterns cannot be read or contradict their own shape.
pub fn detect(patterns: &dyn Patterns, options: &Options) -> Result<Detections> {
    detect_with(patterns, options, &Context::default())
}

/// [`detect`] that says how far it is and can be interrupted.
///
/// # Errors
/// As [`detect`]; `is_interrupted`.
pub fn detect_with(patterns: &dyn Patterns, options: &Options, context: &Context<'_>) -> Result<Detections> {
    detect_on(patterns, &[], options, context)
}

/// Inputs made for some detectors, and what the same heads did on them.
#[derive(Clone, Copy)]
pub struct Stimulus<'a> {
    /// The detectors that these inputs are for.
    pub detectors: &'a [Detector],
    /// What the heads did.
    pub patterns: &'a dyn Patterns,
    /// What the inputs are, in words.
    pub name: &'a str,
}

/// [`detect_with`], each detector on its own stimulus where there is one for it, on `patterns` else. P-values are corrected
/// over all of them together.
///
/// # Errors
/// As [`detect_with`]; `is_usage` if a stimulus is of other heads than `patterns`.
pub fn detect_on(
    patterns: &dyn Patterns,
    stimuli: &[Stimulus<'_>],
    options: &Options,
    context: &Context<'_>,
) -> Result<Detections> {
    options.check()?;
    let mut parts = Vec::new();
    let own = own(stimuli, options);
    if !own.detectors.is_empty() {
        parts.push(Part::of(patterns, None, own, context)?);
    }
    for part in on_stimuli(stimuli, options, context)? {
        parts.push(part);
    }
    summed_up(parts, options)
}

/// What is asked of the inputs themselves: the detectors that no stimulus is for.
pub(crate) fn own(stimuli: &[Stimulus<'_>], options: &Options) -> Options {
    let mut own = options.clone();
    own.detectors.retain(|detector| !stimuli.iter().any(|stimulus| stimulus.detectors.contains(detector)));
    own
}

/// What the stimuli answer to the detectors that are asked for.
pub(crate) fn on_stimuli<'a>(
    stimuli: &[Stimulus<'a>],
    options: &Options,
    context: &Context<'_>,
) -> Result<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    for stimulus in stimuli {
        let mut asked = options.clone();
        asked.detectors.retain(|detector| stimulus.detectors.contains(detector));
        if !asked.detectors.is_empty() {
            parts.push(Part::of(stimulus.patterns, Some(stimulus.name.to_string()), asked, context)?);
        }
    }
    Ok(parts)
}

/// Some detectors on the inputs that they share.
pub(crate) struct Part<'a> {
    pub detecting: Detecting<'a>,
    /// Figures of every head, in the order of [`tasks`].
    pub figures: Vec<Vec<Tested>>,
    /// What the inputs are, where they were made for these detectors.
    pub stimulus: Option<String>,
}

impl<'a> Part<'a> {
    fn of(
        patterns: &'a dyn Patterns,
        stimulus: Option<String>,
        options: Options,
        context: &Context<'_>,
    ) -> Result<Self> {
        let geometry = Geometry::of_all(patterns, &Config::default())?;
        let detecting = Detecting::new(patterns, options, &geometry)?;
        let figures = watched(patterns, "looking for heads", context, |task| {
            let sights = seen(patterns, task, &geometry[task.index], detecting.sights(task))?;
            detecting.head(task, sights)
        })?;
        Ok(Self { detecting, figures, stimulus })
    }
}

/// Detection while maps are walked: what each head's maps are to be asked, then what the answers come to.
pub(crate) struct Detecting<'a> {
    patterns: &'a dyn Patterns,
    options: Options,
    stages: Vec<Arc<Stage>>,
    shared: Shared,
    steps: Steps,
    bootstrap: Bootstrap,
}

impl<'a> Detecting<'a> {
    /// `geometry` is that of every [layer index][input].
    ///
    /// # Errors
    /// `is_usage` for options out of range.
    pub(crate) fn new(patterns: &'a dyn Patterns, options: Options, geometry: &[Vec<Arc<Geometry>>]) -> Result<Self> {
        options.check()?;
        let steps = Steps::of(patterns);
        Ok(Self {
            patterns,
            stages: Stage::of_all(patterns, &options, geometry),
            shared: Shared::new(&options),
            bootstrap: Bootstrap::new(options.seed, options.resamples, options.confidence).over(&steps),
            steps,
            options,
        })
    }

    /// What is to be taken from the maps of a head, one per input.
    pub(crate) fn sights(&self, task: Task) -> Vec<Sight<'_>> {
        let stage = &self.stages[task.index];
        (0..stage.geometry.len()).map(|input| Sight::new(stage, input)).collect()
    }

    /// The figures of a head, detector by detector, from what was seen of its maps.
    pub(crate) fn head(&self, task: Task, sights: Vec<Option<Sight<'_>>>) -> Result<Vec<Tested>> {
        let Self { options, shared, bootstrap, .. } = self;
        let (keep, cross) = (options.correction == Correction::MaxT, self.patterns.stack() == Stack::Cross);
        let bench = Bench { options, shared, bootstrap, keep, cross };
        let stage = &self.stages[task.index];
        let seen = Observed::of(self.patterns, stage, options, (task.layer, task.head), sights)?;
        Ok(options.detectors.iter().map(|&detector| bench.figure(detector, stage, &seen)).collect())
    }

    /// What was looked at.
    fn provenance(&self) -> Provenance {
        let Self { patterns, stages, steps, .. } = self;
        Provenance {
            tool: "attractor".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            model: patterns.info().clone(),
            stack: named_stack(*patterns),
            inputs: steps.inputs(),
            steps: steps.several(),
            lengths: stages.first().map_or_else(Vec::new, |stage| stage.geometry.iter().map(|g| g.keys).collect()),
            extra: BTreeMap::new(),
        }
    }
}

/// All heads of all parts, detectors in the order of `options`: corrected together and summed up.
///
/// # Errors
/// `is_usage` if the parts are of different heads, or there is none.
pub(crate) fn summed_up(parts: Vec<Part<'_>>, options: &Options) -> Result<Detections> {
    let places = |part: &Part<'_>| -> Vec<(usize, usize)> {
        tasks(part.detecting.patterns).into_iter().map(|task| (task.layer, task.head)).collect()
    };
    let Some(first) = parts.first() else { return Err(Error::option("detect", "", "no detector is named")) };
    let tasks = places(first);
    if parts.iter().any(|part| places(part) != tasks) {
        return Err(Error::usage(
            "heads: a stimulus is of other layers or heads than the inputs; capture the same ones",
        ));
    }
    // Where each detector is answered: its part, and its slot there.
    let mut answers = Vec::with_capacity(options.detectors.len());
    for &detector in &options.detectors {
        let slot = |part: &Part<'_>| part.detecting.options.detectors.iter().position(|&asked| asked == detector);
        answers.extend(parts.iter().find_map(|part| Some((detector, part, slot(part)?))));
    }
    let mut tests: Vec<(usize, usize, &Chances)> = Vec::new();
    for task in 0..tasks.len() {
        for (at, (_, part, slot)) in answers.iter().enumerate() {
            if let Ok(Figure { chances: Ok(chances), .. }) = &part.figures[task][*slot] {
                tests.push((task, at, chances));
            }
        }
    }
    let adjusted = adjusted(options.correction, &tests.iter().map(|(_, _, c)| *c).collect::<Vec<_>>());
    let corrected: BTreeMap<(usize, usize), f64> =
        tests.iter().zip(&adjusted.q).map(|(&(task, at, _), &q)| ((task, at), q)).collect();
    let mut heads = Vec::with_capacity(tasks.len() * answers.len());
    let mut detectors = Vec::with_capacity(answers.len());
    for (at, &(detector, part, slot)) in answers.iter().enumerate() {
        let own = tasks.iter().enumerate().map(|(task, &place)| {
            let q = corrected.get(&(task, at)).copied();
            detection(detector, place, &part.figures[task][slot], q, adjusted.price, options)
        });
        let own: Vec<Detection> = own.collect();
        let chances = tests.iter().filter(|&&(_, a, _)| a == at).map(|&(_, _, c)| c);
        let none = part.figures.iter().find_map(|row| row[slot].as_ref().ok()?.chances.as_ref().err().copied());
        let drawn = Drawn { chances: chances.collect(), none, price: adjusted.price };
        detectors.push(summary(detector, &own, &drawn, part, options));
        heads.extend(own);
    }
    let mut notes = Vec::new();
    for part in &parts {
        notes.extend(repeated_inputs(part.detecting.patterns)?.as_deref().and_then(Repeated::of));
    }
    Ok(Detections {
        schema_version: SCHEMA_VERSION,
        provenance: first.detecting.provenance(),
        seed: options.seed,
        fdr: options.fdr,
        correction: options.correction,
        permutations: options.permutations,
        resamples: options.resamples,
        tests: tests.len(),
        detectors,
        heads,
        notes,
    })
}

/// Corrected p-values, and what the smallest p is multiplied by at worst.
struct Adjusted {
    q: Vec<f64>,
    price: f64,
}

fn adjusted(correction: Correction, tests: &[&Chances]) -> Adjusted {
    let p: Vec<f64> = tests.iter().map(|c| c.p).collect();
    let price = correction.price(tests.len());
    match correction {
        Correction::Bh => Adjusted { q: benjamini_hochberg(&p), price },
        Correction::By => Adjusted { q: benjamini_yekutieli(&p), price },
        Correction::MaxT => {
            // Max-T within each family of shared permutations, Bonferroni over the families.
            let mut families: BTreeMap<_, Vec<usize>> = BTreeMap::new();
            for (index, test) in tests.iter().enumerate() {
                families.entry(&test.family).or_default().push(index);
            }
            let price = families.len() as f64;
            let mut q = vec![1.0; tests.len()];
            for members in families.values() {
                let mut max_t = MaxT::new();
                for &index in members {
                    if let Some(test) = &tests[index].test {
                        max_t.push(test.observed, &test.permuted);
                    }
                }
                let exact = members.first().is_some_and(|&index| tests[index].exact);
                for (&index, adjusted) in members.iter().zip(max_t.adjusted(exact)) {
                    q[index] = (adjusted * price).min(1.0);
                }
            }
            Adjusted { q, price }
        }
    }
}

fn detection(
    detector: Detector,
    (layer, head): (usize, usize),
    figure: &Tested,
    q: Option<f64>,
    price: f64,
    options: &Options,
) -> Detection {
    let none = |lack: Unmet| Detection {
        layer,
        head,
        detector,
        verdict: Finding::NotTestable,
        score: None,
        null: None,
        effect: None,
        interval: None,
        no_interval: None,
        p: None,
        q: None,
        at: Vec::new(),
        inputs: 0,
        why: Reason::Lacks(lack),
    };
    let figure = match figure {
        Ok(figure) if figure.score.is_finite() => figure,
        Ok(_) => return none(Unmet::Score),
        Err(lack) => return none(*lack),
    };
    let (score, null) = (figure.score, figure.null);
    // Rounding of f32 weights is no distance from the null.
    let clear = score > null + 1e-5 && figure.interval.as_ref().map_or(true, |i| i.low > null + 1e-5);
    let (verdict, because) = match (&figure.chances, q) {
        _ if !options.reaches(detector, score) => {
            (Finding::Absent, Because::BelowThreshold(options.threshold(detector)))
        }
        _ if !clear => (Finding::Absent, Because::NoClearer),
        (Ok(_), Some(q)) if q <= options.fdr => (Finding::Found, Because::Significant(q)),
        (Ok(chances), Some(q)) if chances.smallest * price > options.fdr => {
            let &Chances { permutations, exact, smallest, p, .. } = chances;
            let why = Unresolved::TooCoarse { permutations, exact, smallest, q };
            (Finding::NotResolvable, Because::Unresolved(Some(p), why))
        }
        (Ok(_), Some(q)) => (Finding::Absent, Because::NotSignificant(q)),
        (Err(lack), _) => (Finding::NotResolvable, Because::Unresolved(None, Unresolved::NoChance(*lack))),
        (Ok(_), None) => (Finding::NotResolvable, Because::Uncorrected),
    };
    Detection {
        verdict,
        score: Some(score),
        null: Some(null),
        effect: Some(score - null),
        interval: figure.interval.as_ref().ok().cloned(),
        no_interval: figure.interval.as_ref().err().map(|&why| NoInterval { why, inputs: figure.inputs }),
        p: figure.chances.as_ref().ok().map(|c| c.p),
        q,
        at: figure.at.clone(),
        inputs: figure.inputs,
        why: Reason::Scored { score, null, because },
        ..none(Unmet::Score)
    }
}

/// What chance did to the heads of one detector.
struct Drawn<'a> {
    /// Of the heads that have a p-value.
    chances: Vec<&'a Chances>,
    /// Why the first of the others has none.
    none: Option<Unmet>,
    /// What the smallest p is multiplied by at worst.
    price: f64,
}

fn summary(
    detector: Detector,
    heads: &[Detection],
    drawn: &Drawn<'_>,
    part: &Part<'_>,
    options: &Options,
) -> DetectorSummary {
    let card = detector.card();
    let Drawn { chances, none, price } = drawn;
    let places = |verdict| heads.iter().filter(|d| d.verdict == verdict).map(|d| d.place()).collect();
    let smallest_p =
        chances.iter().map(|c| c.smallest).fold(None, |least: Option<f64>, p| Some(least.map_or(p, |l| l.max(p))));
    let drawn = chances.first().map(|c| Draws { count: c.permutations, exact: c.exact });
    let Part { detecting: Detecting { patterns, stages, .. }, stimulus, .. } = part;
    let mut inputs = 0..patterns.inputs();
    let null = match (drawn, stages.first().and_then(|stage| stage.chance.get(&detector))) {
        (None, _) => Null::None(*none),
        (Some(drawn), Some(Chance::Pairing(_))) => Null::Pairings(drawn),
        (Some(drawn), Some(Chance::Within { .. })) if detector == Detector::Delimiter => Null::Rotations(drawn),
        (Some(drawn), Some(Chance::Within { .. })) => Null::Relabellings(drawn),
        (Some(drawn), _) => Null::SignFlips(drawn),
    };
    DetectorSummary {
        detector,
        definition: card.definition,
        threshold: options.threshold(detector),
        source: card.source,
        needs: card.needs,
        stimulus: stimulus.clone(),
        unasked: detector.is_of_repetition()
            && stimulus.is_none()
            && !inputs.any(|input| is_repetition(patterns.tokens(input))),
        null,
        tests: chances.len(),
        smallest_p,
        resolvable: smallest_p.is_some_and(|p| p * *price <= options.fdr),
        found: places(Finding::Found),
        not_resolvable: places(Finding::NotResolvable),
        by_score: heads.iter().filter(|d| d.is_by_score()).map(Detection::place).collect(),
        not_testable: match heads.first().map(|first| first.why) {
            None => Some(Unmet::Head),
            Some(Reason::Lacks(lack)) if heads.iter().all(|d| d.verdict == Finding::NotTestable) => Some(lack),
            Some(_) => None,
        },
    }
}
