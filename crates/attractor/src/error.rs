//! The one error of this crate, with questions instead of variants.

use std::fmt;

/// What `attractor` answers when it cannot do what was asked.
///
/// The message names the operation, the axis, what came, what was expected and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shape,
    Value,
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

    /// True if two axes that must agree do not.
    pub fn is_shape(&self) -> bool {
        self.kind == Kind::Shape
    }

    /// True if a parameter lies outside its range (a beta of zero, a window of no keys).
    pub fn is_value(&self) -> bool {
        self.kind == Kind::Value
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
