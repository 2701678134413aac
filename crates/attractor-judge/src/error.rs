//! The one error of this crate, with questions instead of variants.

use std::fmt;

/// What `attractor-judge` answers when it cannot judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Config,
    Source,
    Request,
}

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self { kind: Kind::Config, message: message.into() }
    }

    pub(crate) fn source(message: impl Into<String>) -> Self {
        Self { kind: Kind::Source, message: message.into() }
    }

    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self { kind: Kind::Request, message: message.into() }
    }

    /// True if something was asked for that is not there, or an option does not fit.
    pub fn is_request(&self) -> bool {
        self.kind == Kind::Request
    }

    /// True if the thresholds file is at fault.
    pub fn is_config(&self) -> bool {
        self.kind == Kind::Config
    }

    /// True if the patterns could not be read or contradict themselves.
    pub fn is_source(&self) -> bool {
        self.kind == Kind::Source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<attractor_capture::Error> for Error {
    fn from(error: attractor_capture::Error) -> Self {
        Self::source(error.to_string())
    }
}
