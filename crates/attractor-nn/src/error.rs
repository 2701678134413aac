//! The one error of this crate, with questions instead of variants.

use std::fmt;
use std::path::Path;

/// What `attractor-nn` answers when a checkpoint, a text, an image or a request cannot be served.
///
/// The message names the file and the tensor or key, what came, what was expected and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Format,
    Io,
    Unsupported,
    Refused,
    Request,
    Shape,
    Value,
    NonFinite,
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

    /// A valid file of a kind that is not built in.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self { kind: Kind::Unsupported, message: message.into() }
    }

    /// A file that would have to run code to be read.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, message: message.into() }
    }

    /// A layer, tensor or length that is not there, an option that does not fit.
    pub fn request(message: impl Into<String>) -> Self {
        Self { kind: Kind::Request, message: message.into() }
    }

    /// Shapes that must agree and do not: weights against configuration, inputs against the model.
    pub fn shape(message: impl Into<String>) -> Self {
        Self { kind: Kind::Shape, message: message.into() }
    }

    /// A number outside its range.
    pub fn value(message: impl Into<String>) -> Self {
        Self { kind: Kind::Value, message: message.into() }
    }

    /// A NaN or an infinity where a number must be.
    pub fn non_finite(message: impl Into<String>) -> Self {
        Self { kind: Kind::NonFinite, message: message.into() }
    }

    /// The system's refusal to read `path`, with a word about what it was wanted for.
    pub(crate) fn reading(path: &Path, wanted: &str, error: &std::io::Error) -> Self {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => "; check the path",
            std::io::ErrorKind::PermissionDenied => "; check the permissions",
            _ => "",
        };
        Self::io(format!("{}: {wanted} cannot be read: {error}{advice}", path.display()))
    }

    /// True if a file is torn, foreign or contradicts itself.
    pub fn is_format(&self) -> bool {
        self.kind == Kind::Format
    }

    /// True if the system refused a read or write.
    pub fn is_io(&self) -> bool {
        self.kind == Kind::Io
    }

    /// True if the file is valid but of a kind that is not built in (an architecture, a number format).
    pub fn is_unsupported(&self) -> bool {
        self.kind == Kind::Unsupported
    }

    /// True if the file asks for code to be run; none was.
    pub fn is_refused(&self) -> bool {
        self.kind == Kind::Refused
    }

    /// True if something was asked for that is not there.
    pub fn is_request(&self) -> bool {
        self.kind == Kind::Request
    }

    /// True if shapes disagree: weights against configuration, an input against the model.
    pub fn is_shape(&self) -> bool {
        self.kind == Kind::Shape
    }

    /// True if a number lies outside its range.
    pub fn is_value(&self) -> bool {
        self.kind == Kind::Value
    }

    /// True if a weight or an input is NaN or infinite.
    pub fn is_non_finite(&self) -> bool {
        self.kind == Kind::NonFinite
    }

    /// The same error, its message led by where it happened (a file, a tensor).
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<attractor::Error> for Error {
    fn from(error: attractor::Error) -> Self {
        if error.is_shape() { Self::shape(error.to_string()) } else { Self::value(error.to_string()) }
    }
}

impl From<attractor_capture::Error> for Error {
    fn from(error: attractor_capture::Error) -> Self {
        if error.is_io() { Self::io(error.to_string()) } else { Self::format(error.to_string()) }
    }
}
