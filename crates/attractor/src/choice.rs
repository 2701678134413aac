//! Choices among named ways, each declared once: its name in options and tables, and the line that explains it.

use crate::error::{Error, Result};

/// One of several named ways of doing a thing, such as a rule of learning.
///
/// Declared by [`choice!`](crate::choice): every face reads the same names and shows the same explanations. It is displayed
/// as its name.
///
/// # Example
/// ```
/// use attractor::{Choice, sample::Cooling};
/// assert_eq!(Cooling::named("linear"), Some(Cooling::Linear));
/// assert_eq!(Cooling::Linear.about(), "By the same difference each sweep");
/// ```
pub trait Choice: std::fmt::Display + Copy + PartialEq + Send + Sync + 'static {
    /// All of them, in the order in which they are listed.
    const ALL: &'static [Self];

    /// Its name, in small letters and hyphens.
    fn name(self) -> &'static str;

    /// What it is, in one line without a full stop.
    fn about(self) -> &'static str;

    /// The one of that name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|way| way.name() == name)
    }

    /// The one of that name, as the value of an option.
    ///
    /// # Errors
    /// `usage` if none has it; the message lists those that exist.
    fn of_option(option: &'static str, name: &str) -> Result<Self> {
        let known = || Self::ALL.iter().map(|way| way.name()).collect::<Vec<_>>().join(", ");
        Self::named(name).ok_or_else(|| Error::option(option, name, format!("expected one of {}", known())))
    }
}

/// Declares an enumeration that is a [`Choice`]: each variant has one line of documentation and its name.
///
/// ```
/// attractor::choice! {
///     /// The order of updates.
///     #[derive(Default)]
///     pub enum Order {
///         /// One unit after the other.
///         #[default]
///         Sequential = "sequential",
///         /// All units at once.
///         Synchronous = "synchronous",
///     }
/// }
/// ```
#[macro_export]
macro_rules! choice {
    ($(#[$of:meta])* $vis:vis enum $choice:ident {
        $(#[doc = $about:literal] $(#[$more:meta])* $way:ident = $name:literal),+ $(,)?
    }) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $choice {
            $(#[doc = $about] $(#[$more])* $way),+
        }

        impl std::fmt::Display for $choice {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad($crate::Choice::name(*self))
            }
        }

        impl $crate::Choice for $choice {
            const ALL: &'static [Self] = &[$(Self::$way),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$way => $name),+
                }
            }

            fn about(self) -> &'static str {
                match self {
                    $(Self::$way => $about),+
                }
                .trim()
                .trim_end_matches('.')
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Cooling;

    #[test]
    fn an_unknown_name_is_refused_with_those_that_exist() {
        assert_eq!(Cooling::of_option("schedule", "linear").unwrap(), Cooling::Linear);
        let error = Cooling::of_option("schedule", "exponential").unwrap_err();
        assert_eq!(error.at_fault(), Some(("schedule", "exponential")));
        assert_eq!(error.message(), "expected one of geometric, linear, logarithmic");
    }
}
