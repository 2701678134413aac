//! Foreign code on a file that may be wrong in any way: a panic there is the file's fault, and one error like any other.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use attractor::{Error, Result};

thread_local! {
    /// True while this thread runs foreign code whose panics are caught.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Panics that are caught say nothing; all others are told as before.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                told(panic);
            }
        }));
    });
}

/// Runs the tokenizer library on the file at `place`; `what` is done with the tokenizer ("read", "used").
///
/// # Errors
/// `is_format` where the library refuses the file or breaks on it.
pub(super) fn guarded<T>(place: &Path, what: &str, run: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    let failed = |why: &dyn std::fmt::Display| {
        Error::format(format!("{}: the tokenizer cannot be {what}: {why}; fetch or write it again", place.display()))
    };
    silence();
    let outer = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(outer);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(&error).because(std::io::Error::other(error))),
        Err(_) => Err(failed(&"its rules break the tokenizer library")),
    }
}
