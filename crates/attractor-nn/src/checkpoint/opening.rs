//! How a checkpoint is to be read, and what should be known of how it was.

use std::fmt;
use std::path::PathBuf;

use attractor::{Error, Result};
use glob::Pattern;

/// How a checkpoint is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opening {
    /// A config.json, or a folder that holds one, to take instead of the checkpoint's own.
    pub configuration: Option<PathBuf>,
    /// Patterns (`*`, `?`) of tensors that may be left out although the model may need them.
    pub ignore_tensors: Vec<String>,
    /// Patterns of configuration keys that may be passed over although they may change the model.
    pub ignore_keys: Vec<String>,
}

impl Opening {
    /// With this configuration.
    pub fn configured(configuration: impl Into<PathBuf>) -> Self {
        Self { configuration: Some(configuration.into()), ..Self::default() }
    }

    /// True for a tensor that may be left out.
    ///
    /// # Errors
    /// `is_usage` for a pattern that is none.
    pub(super) fn ignored_tensors(&self) -> Result<Ignored> {
        Ignored::of("ignore_tensors", &self.ignore_tensors)
    }

    /// The same of keys.
    pub(super) fn ignored_keys(&self) -> Result<Ignored> {
        Ignored::of("ignore_keys", &self.ignore_keys)
    }

    /// The patterns that left nothing out, by what was.
    pub(super) fn unmatched(&self, remarks: &[Remark]) -> Result<Option<Remark>> {
        let (mut keys, mut tensors) = (&Vec::new(), &Vec::new());
        for remark in remarks {
            match remark {
                Remark::IgnoredKeys(names) => keys = names,
                Remark::IgnoredTensors(names) => tensors = names,
                _ => {}
            }
        }
        let mut idle = Vec::new();
        for (patterns, names) in [(&self.ignore_keys, keys), (&self.ignore_tensors, tensors)] {
            for pattern in patterns {
                let one = Ignored::of("", std::slice::from_ref(pattern))?;
                if !names.iter().any(|name| one.has(name)) {
                    idle.push(pattern.clone());
                }
            }
        }
        Ok(Some(Remark::Unmatched(idle)).filter(|remark| *remark != Remark::Unmatched(Vec::new())))
    }
}

/// Names that may be left out.
#[derive(Debug, Default)]
pub(super) struct Ignored(Vec<Pattern>);

impl Ignored {
    fn of(option: &'static str, patterns: &[String]) -> Result<Self> {
        let read =
            |text: &String| Pattern::new(text).map_err(|e| Error::option(option, text, e.to_string()).because(e));
        Ok(Self(patterns.iter().map(read).collect::<Result<_>>()?))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

/// What should be known of how a checkpoint was read. Its words go into a run's facts and every report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Keys of the configuration that were passed over as asked.
    IgnoredKeys(Vec<String>),
    /// Tensors of the model that were left out as asked.
    IgnoredTensors(Vec<String>),
    /// Tensors beside the model that nothing reads.
    UnusedTensors(Vec<String>),
    /// Patterns of keys and tensors to leave out that left nothing out.
    Unmatched(Vec<String>),
    /// The configuration ties the output head to the token table, but a head of its own is stored, and read.
    OwnHead,
    /// Weights were stored as integers or 8-bit floats with scales.
    Dequantised {
        /// The recipe.
        recipe: &'static str,
        /// How many.
        tensors: usize,
    },
    /// The format also rounds activations while it runs, which is not imitated.
    FullActivations,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| {
            let shown = names.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
            match names.len() {
                0..=6 => shown,
                many => format!("{shown} and {} more", many - 6),
            }
        };
        match self {
            Self::IgnoredKeys(keys) => write!(f, "configuration keys ignored as asked: {}", list(keys)),
            Self::IgnoredTensors(names) => write!(f, "tensors left out as asked: {}", list(names)),
            Self::UnusedTensors(names) => write!(f, "tensors beside the model, unused: {}", list(names)),
            Self::Unmatched(patterns) => write!(f, "nothing was left out by the pattern {}", list(patterns)),
            Self::OwnHead => f.write_str(
                "the output head has stored weights of its own, which are used although the configuration ties it to the \
                 token table",
            ),
            Self::Dequantised { recipe, tensors } => write!(f, "{tensors} weights dequantised ({recipe})"),
            Self::FullActivations => {
                f.write_str("activations are not quantised here, although this format quantises them when it is served")
            }
        }
    }
}
