//! The one error of all crates, with questions instead of variants.
//!
//! Every crate answers with it, so that a refusal keeps its kind, its hint and its cause on the way up. The faces (command
//! line, Python) decide what a kind means to them: an exit code, an exception.

use std::fmt;
use std::sync::Arc;

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Something was asked for that does not exist, does not fit, or lies outside its range.
    Usage,
    /// Axes that must agree do not.
    Shape,
    /// A NaN or an infinity where a number must be.
    NonFinite,
    /// A file that is torn, foreign or contradicts itself.
    Format,
    /// Valid, but of a kind that is not built in, or that would have to run code to be read.
    Unsupported,
    /// More memory, disk or time than was allowed.
    Budget,
    /// Somebody stopped it; what was whole is kept.
    Interrupted,
    /// A read or write that the system refused.
    Io,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Usage,
        Self::Shape,
        Self::NonFinite,
        Self::Format,
        Self::Unsupported,
        Self::Budget,
        Self::Interrupted,
        Self::Io,
    ];

    /// As machines read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Shape => "shape",
            Self::NonFinite => "non-finite",
            Self::Format => "format",
            Self::Unsupported => "unsupported",
            Self::Budget => "budget",
            Self::Interrupted => "interrupted",
            Self::Io => "io",
        }
    }
}

/// What would help, for each face to word: the command line says `--seq-len 128`, Python `seq_len=128`.
///
/// Options are named as the structures of `attractor-session` name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Give this option this value.
    Give {
        /// Its name, with underscores.
        option: &'static str,
        /// The value, as it is written on a command line.
        value: String,
    },
    /// Give any of these options.
    GiveOne(Vec<&'static str>),
    /// Leave this option out.
    Omit(&'static str),
    /// Give this option a larger value.
    Raise(&'static str),
    /// Capture again, and keep this.
    Capture {
        /// A value of the option `keep`.
        keep: &'static str,
    },
    /// Run this job with these words.
    Job(&'static str),
}

impl Hint {
    /// Give this option this value.
    pub fn give(option: &'static str, value: impl fmt::Display) -> Self {
        Self::Give { option, value: value.to_string() }
    }
}

/// The neutral wording, as the library itself says it.
impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Give { option, value } => write!(f, "give {option} = {value}"),
            Self::GiveOne(options) => write!(f, "give {}", options.join(" or ")),
            Self::Omit(option) => write!(f, "omit {option}"),
            Self::Raise(option) => write!(f, "raise {option}"),
            Self::Capture { keep } => write!(f, "capture with keep = {keep}"),
            Self::Job(words) => write!(f, "run {words}"),
        }
    }
}

/// What this house answers when it cannot do what was asked.
///
/// The message names the operation, the axis or file, what came, what was expected and the next step. A next step that is
/// an option stands apart, as [`hint`](Self::hint): each face words it.
///
/// # Example
/// ```
/// use attractor::{Error, Hint};
/// let refused = Error::usage("input: 900 tokens, the model has 512 positions").hinted(Hint::give("seq_len", 512));
/// assert!(refused.is_usage());
/// assert_eq!(refused.to_string(), "input: 900 tokens, the model has 512 positions; give seq_len = 512");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    /// The option that is at fault, with its value; empty where it is the option itself.
    option: Option<(&'static str, String)>,
    message: String,
    hint: Option<Hint>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// `Result` with this house's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($kind:ident $make:ident $question:ident: $means:literal;)*) => {
        impl Error {
            $(
                #[doc = $means]
                pub fn $make(message: impl Into<String>) -> Self {
                    Self::new(Kind::$kind, message)
                }

                #[doc = concat!("True for: ", $means)]
                pub fn $question(&self) -> bool {
                    self.kind() == Kind::$kind
                }
            )*
        }
    };
}

kinds! {
    Usage usage is_usage: "something was asked for that does not exist, does not fit, or lies outside its range.";
    Shape shape is_shape: "axes that must agree and do not.";
    NonFinite non_finite is_non_finite: "a NaN or an infinity where a number must be.";
    Format format is_format: "a file that is truncated, of another kind or inconsistent.";
    Unsupported unsupported is_unsupported: "a valid file of a kind that is not built in, or that asks for code to be run.";
    Budget budget is_budget: "more memory, disk or time than was allowed.";
    Interrupted interrupted is_interrupted: "work that somebody stopped.";
    Io io is_io: "a read or write that the system refused.";
}

impl Error {
    /// A refusal of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, option: None, message: message.into(), hint: None, cause: None }))
    }

    /// A refusal of an option's value, which each face words: `--noise 1.5: give a share from 0 to 1`, `noise=1.5: ...`.
    ///
    /// An empty value refuses the option itself.
    pub fn option(name: &'static str, value: impl fmt::Display, message: impl Into<String>) -> Self {
        let mut error = Self::usage(message);
        error.0.option = Some((name, value.to_string()));
        error
    }

    /// What kind of refusal it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The option that is at fault and its value, empty where it is the option itself.
    pub fn at_fault(&self) -> Option<(&'static str, &str)> {
        self.0.option.as_ref().map(|(name, value)| (*name, value.as_str()))
    }

    /// What is wrong, without the option and the hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What would help, if it is an option or a job.
    pub fn hint(&self) -> Option<&Hint> {
        self.0.hint.as_ref()
    }

    /// The same refusal, with what would help.
    pub fn hinted(mut self, hint: Hint) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// The same refusal, with the error that it comes from; its words should stand in the message already.
    pub fn because(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    /// The same refusal, its message led by where it happened: a file, a tensor.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// The same refusal as one of another kind.
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.0.kind, self.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at_fault() {
            Some((name, "")) => write!(f, "{name}: ")?,
            Some((name, value)) => write!(f, "{name} = {value}: ")?,
            None => {}
        }
        f.write_str(&self.0.message)?;
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Two refusals are equal if they say the same; causes have no equality.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        let said = |e: &Self| (e.0.kind, e.0.option.clone(), e.0.message.clone(), e.0.hint.clone());
        said(self) == said(other)
    }
}

impl Eq for Error {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_refusal_keeps_its_kind_hint_and_cause_when_its_place_is_named() {
        let cause = std::io::Error::other("the disk is gone");
        let error = Error::io("cannot be read").because(cause).hinted(Hint::Omit("threads")).at("file.npz");
        assert!(error.is_io() && !error.is_usage());
        assert_eq!(error.message(), "file.npz: cannot be read");
        assert_eq!(error.to_string(), "file.npz: cannot be read; omit threads");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the disk is gone"));
    }

    #[test]
    fn names_of_kinds_are_distinct() {
        let names: std::collections::BTreeSet<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
