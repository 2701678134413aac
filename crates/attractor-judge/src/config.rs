//! Thresholds: each with a default, a range and a source; a TOML file may change them.

use std::path::Path;

use crate::id::Group;
use attractor::{Error, Result};

/// Every number that judgement depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is documented by its row of THRESHOLDS")]
pub enum Key {
    Resamples,
    Permutations,
    Confidence,
    Alpha,
    RowSum,
    RowSumF16,
    RowSumBf16,
    ForbiddenMass,
    OutputError,
    ProbeChange,
    BoundError,
    NearDistances,
    Near,
    PositionContent,
    Repeat,
    Sink,
    UniformMargin,
    Sharp,
    Medium,
    Previous,
    Induction,
    Variation,
    QueryContent,
    DiversityRows,
    DiversityInputs,
    DiverseInputs,
    FiniteDifference,
    RelativeNorm,
    PerplexityChange,
    RelativeChange,
}

/// One row of the table of thresholds.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    /// Which.
    pub key: Key,
    /// "section.name" in the file.
    pub name: &'static str,
    /// Its value unless a file says otherwise.
    pub default: f64,
    /// Smallest and largest value accepted.
    pub range: (f64, f64),
    /// True if it is a number of things.
    pub count: bool,
    /// What it means and where the default comes from.
    pub source: &'static str,
}

const fn row(key: Key, name: &'static str, default: f64, range: (f64, f64), source: &'static str) -> Threshold {
    Threshold { key, name, default, range, count: false, source }
}

const fn count(key: Key, name: &'static str, default: f64, range: (f64, f64), source: &'static str) -> Threshold {
    Threshold { key, name, default, range, count: true, source }
}

/// The table, in the order of [`Key`].
pub const THRESHOLDS: &[Threshold] = &[
    count(
        Key::Resamples,
        "statistics.resamples",
        1999.0,
        (199.0, 100_000.0),
        "bootstrap resamples; Efron and Tibshirani 1993 ask for 1000 or more",
    ),
    count(
        Key::Permutations,
        "statistics.permutations",
        1999.0,
        (99.0, 100_000.0),
        "random permutations; resolves 99 heads at a false discovery rate of 0.05",
    ),
    row(Key::Confidence, "statistics.confidence", 0.95, (0.5, 0.999), "level of the intervals; convention"),
    row(
        Key::Alpha,
        "statistics.alpha",
        0.05,
        (1e-6, 0.5),
        "level of the tests, and false discovery rate over heads; convention",
    ),
    row(
        Key::RowSum,
        "correctness.row_sum",
        1e-5,
        (0.0, 1.0),
        "largest |row sum - 1| for f32; measured 4e-8 to 2.4e-7 on real models, forty times that",
    ),
    row(Key::RowSumF16, "correctness.row_sum_f16", 2e-3, (0.0, 1.0), "the same for maps stored in f16; measured 3e-4"),
    row(
        Key::RowSumBf16,
        "correctness.row_sum_bf16",
        1e-2,
        (0.0, 1.0),
        "the same for maps stored in bf16; measured 2.3e-3",
    ),
    row(
        Key::ForbiddenMass,
        "correctness.forbidden_mass",
        1e-6,
        (0.0, 1.0),
        "largest mass that a row puts on keys it may not see; the original guide's 1e-6",
    ),
    row(
        Key::OutputError,
        "correctness.output_error",
        1e-4,
        (0.0, 1.0),
        "largest |A.V - z| and |W_O z + b - output| relative to the largest output; the tolerance of the recorded vectors",
    ),
    row(
        Key::ProbeChange,
        "correctness.probe_change",
        1e-5,
        (0.0, 1.0),
        "largest change before a perturbed token, relative to the change after it (at least 1); f32 rounding",
    ),
    row(
        Key::BoundError,
        "correctness.bound_error",
        1e-3,
        (0.0, 1.0),
        "largest excess over the bounds between entropy and sum of squares, nats; f32 rounding",
    ),
    count(
        Key::NearDistances,
        "position.near_distances",
        5.0,
        (1.0, 1000.0),
        "how many of the smallest distances are near; the original guide's five",
    ),
    row(
        Key::Near,
        "position.near",
        1.1,
        (1.0, 1e6),
        "least enrichment of near keys over uniform; the original guide's ratio, on the scale where uniform is 1",
    ),
    row(
        Key::PositionContent,
        "position.content_share",
        0.05,
        (0.0, 1.0),
        "least share of the pattern that the other inputs' mean map leaves unexplained; a convention of this project",
    ),
    row(
        Key::Repeat,
        "tokens.repeat",
        0.2,
        (0.0, 1e6),
        "least excess of same-token over different-token pairs, in units of the uniform weight; the original guide's ratio 1.2 less 1",
    ),
    row(
        Key::Sink,
        "tokens.sink",
        0.3,
        (0.0, 1.0),
        "mean attention that makes a position a sink; Gu et al. 2024 (arXiv 2410.10781)",
    ),
    row(
        Key::UniformMargin,
        "uniform.margin",
        0.02,
        (0.0, 1.0),
        "normalised KL to uniform below which a head is equivalent to uniform; a convention of this project: two percent of the range",
    ),
    row(
        Key::Sharp,
        "heads.sharp",
        0.5,
        (0.0, 1.0),
        "least 1 - H/ln n of a sharp head; the original guide's entropy cut 0.5, applied to ln n_i",
    ),
    row(
        Key::Medium,
        "heads.medium",
        0.2,
        (0.0, 1.0),
        "least 1 - H/ln n of a medium head; the original guide's entropy cut 0.8, applied to ln n_i",
    ),
    row(
        Key::Previous,
        "heads.previous",
        0.4,
        (0.0, 1.0),
        "least mean mass on the previous token; teaching convention of ARENA and TransformerLens",
    ),
    row(
        Key::Induction,
        "heads.induction",
        0.4,
        (0.0, 1.0),
        "least mean mass on the successors of earlier occurrences; teaching convention of ARENA and TransformerLens",
    ),
    row(
        Key::Variation,
        "query.variation",
        0.02,
        (0.0, 1.0),
        "least Jensen-Shannon divergence between rows on their common support, in units of ln 2; the same two percent as uniform.margin",
    ),
    row(
        Key::QueryContent,
        "query.content",
        0.05,
        (0.0, 1.0),
        "least share of the maps' variance that is not the mean map over inputs; a convention of this project",
    ),
    count(
        Key::DiversityRows,
        "diversity.rows",
        64.0,
        (8.0, 512.0),
        "positions compared per input, evenly spaced; bounds the work",
    ),
    count(Key::DiversityInputs, "diversity.inputs", 8.0, (1.0, 1000.0), "inputs compared; bounds the work"),
    row(
        Key::DiverseInputs,
        "diversity.cosine",
        0.3,
        (0.0, 2.0),
        "mean cosine distance between positions from which the layer's inputs count as diverse; the original guide's 0.3, on a scale-free distance",
    ),
    row(
        Key::FiniteDifference,
        "gradient.finite_difference",
        0.01,
        (0.0, 1.0),
        "largest relative difference between backpropagation and central difference; f32 losses",
    ),
    row(
        Key::RelativeNorm,
        "gradient.relative_norm",
        1e-6,
        (0.0, 1.0),
        "least gradient of a head relative to the largest one; below lies f32 rounding",
    ),
    row(
        Key::PerplexityChange,
        "ablation.perplexity_change",
        0.02,
        (0.0, 1e6),
        "least relative rise of perplexity that counts as an effect; the original guide's 2 %",
    ),
    row(
        Key::RelativeChange,
        "ablation.relative_change",
        0.02,
        (0.0, 1e6),
        "least relative change of the last hidden state that counts as an effect; the same 2 %",
    ),
];

/// What a group's checks of the whole model become when they do not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A warning.
    Warn,
    /// A failure of the whole.
    Fail,
}

/// The valid form of a thresholds file.
///
/// # Example
/// ```
/// use attractor_judge::{Config, config::Key};
/// let config = Config::from_toml("[heads]\nsharp = 0.6\n[severity]\nablation = 'fail'", "thresholds.toml").unwrap();
/// assert_eq!(config.get(Key::Sharp), 0.6);
/// assert!(Config::from_toml("[heads]\nshrap = 0.6", "thresholds.toml").unwrap_err().to_string().contains("heads.sharp"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Seed of every draw.
    pub seed: u64,
    /// Also compute the original guide's formulas.
    pub legacy: bool,
    values: Vec<f64>,
    from_file: Vec<bool>,
    file: String,
    severity: [Severity; 9],
}

impl Default for Config {
    fn default() -> Self {
        let mut severity = [Severity::Warn; 9];
        severity[0] = Severity::Fail;
        Self {
            seed: 0,
            legacy: false,
            values: THRESHOLDS.iter().map(|t| t.default).collect(),
            from_file: vec![false; THRESHOLDS.len()],
            file: String::new(),
            severity,
        }
    }
}

impl Config {
    /// The value of a threshold.
    pub fn get(&self, key: Key) -> f64 {
        self.values[key as usize]
    }

    /// The value of a threshold that counts things.
    pub fn count(&self, key: Key) -> usize {
        self.get(key) as usize
    }

    /// A threshold with its source.
    pub fn sourced(&self, key: Key) -> (f64, &str) {
        let source = if self.from_file[key as usize] { self.file.as_str() } else { THRESHOLDS[key as usize].source };
        (self.get(key), source)
    }

    /// What a group's checks of the whole model become when they do not pass.
    pub fn severity(&self, group: Group) -> Severity {
        self.severity[group as usize]
    }

    /// Changes a threshold, as a file would.
    ///
    /// # Errors
    /// `is_usage` if the value is outside the threshold's range.
    pub fn set(&mut self, key: Key, value: f64, source: &str) -> Result<()> {
        let threshold = &THRESHOLDS[key as usize];
        let (low, high) = threshold.range;
        if !(low..=high).contains(&value) || (threshold.count && value.fract() != 0.0) {
            let kind = if threshold.count { "a whole number" } else { "a number" };
            return Err(Error::usage(format!(
                "{source}: {} = {value}; expected {kind} from {low} to {high} ({})",
                threshold.name, threshold.source
            )));
        }
        self.values[key as usize] = value;
        self.from_file[key as usize] = true;
        self.file = source.to_string();
        Ok(())
    }

    /// Reads a thresholds file; `name` is its name in messages.
    ///
    /// Top level: `seed`. Sections: those of [`THRESHOLDS`], and `severity` with `GROUP = "warn" | "fail"`.
    ///
    /// # Errors
    /// `is_usage` for anything that is not TOML, an unknown key (with the known ones), a value outside its range.
    pub fn from_toml(text: &str, name: &str) -> Result<Self> {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            Error::usage(format!("{name}: this is not TOML: line {line}: {}", e.message())).because(e)
        })?;
        let mut config = Self::default();
        for (section, value) in &table {
            match (section.as_str(), value) {
                ("seed", toml::Value::Integer(seed)) if *seed >= 0 => config.seed = *seed as u64,
                ("seed", other) => {
                    return Err(Error::usage(format!("{name}: seed = {other}; expected a whole number from 0")));
                }
                (_, toml::Value::Table(entries)) => config.read_section(section, entries, name)?,
                (unknown, _) => return Err(unknown_key(name, unknown)),
            }
        }
        if config.get(Key::Medium) > config.get(Key::Sharp) {
            return Err(Error::usage(format!(
                "{name}: heads.medium = {} is larger than heads.sharp = {}; a sharp head is at least a medium one",
                config.get(Key::Medium),
                config.get(Key::Sharp)
            )));
        }
        Ok(config)
    }

    fn read_section(&mut self, section: &str, entries: &toml::Table, name: &str) -> Result<()> {
        for (entry, value) in entries {
            let full = format!("{section}.{entry}");
            if section == "severity" {
                let group =
                    Group::ALL.into_iter().find(|g| g.key() == entry).ok_or_else(|| unknown_key(name, &full))?;
                self.severity[group as usize] = match value.as_str() {
                    Some("warn") => Severity::Warn,
                    Some("fail") => Severity::Fail,
                    _ => {
                        return Err(Error::usage(format!("{name}: {full} = {value}; expected \"warn\" or \"fail\"")));
                    }
                };
                continue;
            }
            let threshold = THRESHOLDS.iter().find(|t| t.name == full).ok_or_else(|| unknown_key(name, &full))?;
            let number = match value {
                toml::Value::Float(x) => *x,
                toml::Value::Integer(x) => *x as f64,
                other => return Err(Error::usage(format!("{name}: {full} = {other}; expected a number"))),
            };
            self.set(threshold.key, number, name)?;
        }
        Ok(())
    }

    /// Refuses what cannot be a thresholds file, by its name, before it is opened.
    ///
    /// # Errors
    /// `is_usage` for Python files, with advice.
    pub fn check_name(path: &Path) -> Result<()> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("py" | "pyc") => Err(Error::usage(format!(
                "{}: Python files are not executed; write the thresholds you want to change into a TOML \
                 file (for example `[heads]` and `sharp = 0.6`), the model's own configuration is read from its \
                 config.json",
                path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// The whole configuration as a thresholds file, every key with its meaning and source.
    pub fn to_toml(&self) -> String {
        let mut text = format!("seed = {}\n", self.seed);
        let mut section = "";
        for threshold in THRESHOLDS {
            let (head, entry) = threshold.name.split_once('.').unwrap_or(("", threshold.name));
            if head != section {
                section = head;
                text += &format!("\n[{section}]\n");
            }
            let value = self.get(threshold.key);
            let value = if threshold.count { format!("{value:.0}") } else { format!("{value:?}") };
            text += &format!("# {}\n{entry} = {value}\n", threshold.source);
        }
        text += "\n[severity]\n# what a group's checks of the whole model become when they do not pass\n";
        for group in Group::ALL {
            let severity = if self.severity(group) == Severity::Fail { "fail" } else { "warn" };
            text += &format!("{} = \"{severity}\"\n", group.key());
        }
        text
    }
}

fn unknown_key(name: &str, key: &str) -> Error {
    let known: Vec<String> = ["seed".to_string()]
        .into_iter()
        .chain(THRESHOLDS.iter().map(|t| t.name.to_string()))
        .chain(Group::ALL.iter().map(|g| format!("severity.{}", g.key())))
        .collect();
    Error::usage(format!("{name}: unknown key {key:?}; known are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_its_keys() {
        for (index, threshold) in THRESHOLDS.iter().enumerate() {
            assert_eq!(threshold.key as usize, index, "{}", threshold.name);
            assert!(!threshold.source.is_empty());
            assert!((threshold.range.0..=threshold.range.1).contains(&threshold.default), "{}", threshold.name);
        }
        assert_eq!(THRESHOLDS.len(), Key::RelativeChange as usize + 1);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut config = Config::default();
        config.set(Key::Induction, 0.55, "t.toml").unwrap();
        config.severity[8] = Severity::Fail;
        config.seed = 9;
        let again = Config::from_toml(&config.to_toml(), "t.toml").unwrap();
        assert_eq!((again.values, again.severity, again.seed), (config.values, config.severity, 9));
    }

    #[test]
    fn a_changed_threshold_names_the_file_as_its_source() {
        let config = Config::from_toml("[uniform]\nmargin = 0.05", "mine.toml").unwrap();
        assert_eq!(config.sourced(Key::UniformMargin), (0.05, "mine.toml"));
        assert!(config.sourced(Key::Sharp).1.contains("guide"));
    }

    #[test]
    fn thresholds_that_do_not_fit_are_refused_with_what_would_fit() {
        let refuse = |text: &str, part: &str| {
            let error = Config::from_toml(text, "t.toml").unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(part), "{error}");
            assert!(error.to_string().starts_with("t.toml: "), "{error}");
        };
        refuse("[heads", "not TOML");
        refuse("[heads]\nshrap = 1", "unknown key \"heads.shrap\"");
        refuse("[heads]\nshrap = 1", "heads.sharp");
        refuse("[head]\nsharp = 1", "unknown key \"head.sharp\"");
        refuse("threshold = 1", "unknown key \"threshold\"");
        refuse("[heads]\nsharp = 'x'", "expected a number");
        refuse("[heads]\nsharp = 1.5", "from 0 to 1");
        refuse("[heads]\nsharp = nan", "from 0 to 1");
        refuse("[heads]\nsharp = 0.1", "larger than heads.sharp");
        refuse("[statistics]\nresamples = 1000.5", "whole number");
        refuse("[severity]\nheads = 'stop'", "\"warn\" or \"fail\"");
        refuse("[severity]\nhead = 'warn'", "severity.heads");
        refuse("seed = -1", "whole number");
    }

    #[test]
    fn python_files_are_refused_with_advice() {
        let error = Config::check_name(Path::new("transformer/config.py")).unwrap_err();
        assert!(error.to_string().contains("TOML"), "{error}");
        assert!(Config::check_name(Path::new("thresholds.toml")).is_ok());
    }
}
