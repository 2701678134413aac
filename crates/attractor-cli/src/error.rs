//! What a command says when it cannot go on, and the exit code that says it to a machine.

use std::fmt;

/// Exit codes: 0 ok, 1 checks failed, 2 usage, 3 unreadable input or a write that failed, 130 stopped by Ctrl-C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Checks failed.
    Failed = 1,
    /// The command asks for something that does not exist or does not fit.
    Usage = 2,
    /// A file cannot be read, or is not what it should be.
    Unreadable = 3,
    /// Somebody stopped it; what was whole is kept.
    Interrupted = 130,
}

/// The end of a command.
#[derive(Debug)]
pub struct Failure {
    /// What the process exits with.
    pub code: Code,
    /// What is said.
    pub message: String,
}

/// A command's result.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Asks for another command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: Code::Usage, message: message.into() }
    }

    /// Names a file that cannot be read or written.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self { code: Code::Unreadable, message: message.into() }
    }

    /// Says what became of work that was stopped.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self { code: Code::Interrupted, message: message.into() }
    }

    /// Names the place at which it happened.
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
    }
}

impl From<attractor_nn::Error> for Failure {
    fn from(error: attractor_nn::Error) -> Self {
        let code = if error.is_request() || error.is_value() { Code::Usage } else { Code::Unreadable };
        Self { code, message: error.to_string() }
    }
}

impl From<attractor_capture::Error> for Failure {
    fn from(error: attractor_capture::Error) -> Self {
        let code = if error.is_request() || error.is_budget() { Code::Usage } else { Code::Unreadable };
        Self { code, message: error.to_string() }
    }
}

impl From<attractor_judge::Error> for Failure {
    fn from(error: attractor_judge::Error) -> Self {
        let code = if error.is_config() || error.is_request() { Code::Usage } else { Code::Unreadable };
        Self { code, message: error.to_string() }
    }
}

impl From<attractor::Error> for Failure {
    fn from(error: attractor::Error) -> Self {
        Self { code: Code::Usage, message: error.to_string() }
    }
}
