//! What a refusal is on a command line: its exit code, and its hint as an option.

use attractor_session::{Error, Hint, Kind};

/// A command's result.
pub type Outcome<T = ()> = attractor_session::Result<T>;

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

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Usage | Kind::Budget => Self::Usage,
            Kind::Shape | Kind::NonFinite | Kind::Format | Kind::Unsupported | Kind::Io => Self::Unreadable,
            Kind::Interrupted => Self::Interrupted,
        }
    }
}

/// An option as it is written here.
fn option(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// A hint in the words of the command line.
pub fn worded(hint: &Hint) -> String {
    match hint {
        Hint::Give { option: name, value } => format!("give {} {value}", option(name)),
        Hint::GiveOne(names) => {
            let options: Vec<String> = names.iter().map(|name| option(name)).collect();
            match options.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("give {} or {last}", rest.join(", ")),
                _ => format!("give {}", options.concat()),
            }
        }
        Hint::Omit(name) => format!("omit {}", option(name)),
        Hint::Raise(name) => format!("raise {}", option(name)),
        Hint::Capture { keep } => format!("capture with --keep {keep}, or name the checkpoint"),
        Hint::Job(words) => format!("next: attractor {words}"),
    }
}

/// What is said of a refusal: the option that is at fault, what is wrong, and what would help.
pub fn message(error: &Error) -> String {
    let mut said = match error.at_fault() {
        Some((name, "")) => format!("{}: {}", option(name), error.message()),
        Some((name, value)) => format!("{} {value}: {}", option(name), error.message()),
        None => error.message().to_string(),
    };
    if let Some(hint) = error.hint() {
        said += &format!("; {}", worded(hint));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_exit_code() {
        let codes = Kind::ALL.map(|kind| (kind.name(), Code::from(kind) as u8));
        let expected = [
            ("usage", 2),
            ("shape", 3),
            ("non-finite", 3),
            ("format", 3),
            ("unsupported", 3),
            ("budget", 2),
            ("interrupted", 130),
            ("io", 3),
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn hints_are_worded_as_options() {
        let said = |hint| message(&Error::usage("no").hinted(hint));
        assert_eq!(said(Hint::give("seq_len", 128)), "no; give --seq-len 128");
        assert_eq!(said(Hint::GiveOne(vec!["text", "text_file", "input"])), "no; give --text, --text-file or --input");
        assert_eq!(said(Hint::Omit("seq_len")), "no; omit --seq-len");
        assert_eq!(said(Hint::Raise("max_bytes")), "no; raise --max-bytes");
        assert_eq!(message(&Error::option("seq_len", 0, "give at least 1")), "--seq-len 0: give at least 1");
    }
}
