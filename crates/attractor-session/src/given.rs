//! Which options of a structure were given, by names that the compiler checks.

/// An option that may be left out.
pub(crate) trait Given {
    /// True if it was not.
    fn is_given(&self) -> bool;
}

impl<T> Given for Option<T> {
    fn is_given(&self) -> bool {
        self.is_some()
    }
}

impl Given for bool {
    fn is_given(&self) -> bool {
        *self
    }
}

impl<T> Given for Vec<T> {
    fn is_given(&self) -> bool {
        !self.is_empty()
    }
}

/// The names of those of these fields that were given, in their order.
macro_rules! given {
    ($options:expr, [$($field:ident),+ $(,)?]) => {
        [$((stringify!($field), $crate::given::Given::is_given(&$options.$field))),+]
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| name)
    };
}
pub(crate) use given;
