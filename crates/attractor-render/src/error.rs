//! The one error of this crate, with questions instead of variants.

use std::fmt;

/// What `attractor-render` answers when something cannot be drawn.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shape,
    Value,
    Source,
    #[cfg_attr(not(feature = "export"), allow(dead_code, reason = "only files have a format"))]
    Format,
}

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn shape(message: impl Into<String>) -> Self {
        Self { kind: Kind::Shape, message: message.into() }
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self { kind: Kind::Value, message: message.into() }
    }

    #[cfg(feature = "export")]
    pub(crate) fn format(message: impl Into<String>) -> Self {
        Self { kind: Kind::Format, message: message.into() }
    }

    /// True if lengths contradict each other.
    pub fn is_shape(&self) -> bool {
        self.kind == Kind::Shape
    }

    /// True if a number cannot be used: an empty range, a logarithm of nothing.
    pub fn is_value(&self) -> bool {
        self.kind == Kind::Value
    }

    /// True if the patterns could not be read.
    pub fn is_source(&self) -> bool {
        self.kind == Kind::Source
    }

    /// True if a text or a picture is not in the format that was asked for.
    pub fn is_format(&self) -> bool {
        self.kind == Kind::Format
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
        Self { kind: Kind::Source, message: error.to_string() }
    }
}
