//! The one error of this crate, with questions instead of variants.

use std::fmt;

/// What `attractor-capture` answers when a file or a request cannot be served.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Format,
    Io,
    Request,
    Budget,
}

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A file that is not what it should be.
    pub fn format(message: impl Into<String>) -> Self {
        Self { kind: Kind::Format, message: message.into() }
    }

    /// A read or write that the system refused.
    pub fn io(message: impl Into<String>) -> Self {
        Self { kind: Kind::Io, message: message.into() }
    }

    /// A layer, head or row that is not there, an option that does not fit.
    pub fn request(message: impl Into<String>) -> Self {
        Self { kind: Kind::Request, message: message.into() }
    }

    /// More memory or disk than was allowed.
    pub fn budget(message: impl Into<String>) -> Self {
        Self { kind: Kind::Budget, message: message.into() }
    }

    /// The same error, naming the file it is about.
    pub(crate) fn at(mut self, path: &std::path::Path) -> Self {
        self.message = format!("{}: {}", path.display(), self.message);
        self
    }

    /// True if a file is torn, foreign or contradicts itself.
    pub fn is_format(&self) -> bool {
        self.kind == Kind::Format
    }

    /// True if the system refused a read or write.
    pub fn is_io(&self) -> bool {
        self.kind == Kind::Io
    }

    /// True if something was asked for that is not there.
    pub fn is_request(&self) -> bool {
        self.kind == Kind::Request
    }

    /// True if the allowed memory or disk would be exceeded.
    pub fn is_budget(&self) -> bool {
        self.kind == Kind::Budget
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
