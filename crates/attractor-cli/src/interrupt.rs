//! Ctrl-C: asked once, work stops where nothing is lost; asked again, at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use attractor_session::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use crate::error::Outcome;

/// While it lives, the first Ctrl-C (or SIGTERM) is remembered instead of ending the process; the second ends it.
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    watching: Vec<SigId>,
}

impl Interrupt {
    /// Begins to watch.
    pub fn watch() -> Outcome<Self> {
        let mut interrupt = Self { asked: Arc::default(), watching: Vec::new() };
        let failed = |error: std::io::Error| Error::io(format!("Ctrl-C cannot be watched: {error}")).because(error);
        for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal)) {
            // The first of the two sees what the second has stored before: nothing at the first signal.
            let second = flag::register_conditional_default(signal, Arc::clone(&interrupt.asked)).map_err(failed)?;
            interrupt.watching.push(second);
            interrupt.watching.push(flag::register(signal, Arc::clone(&interrupt.asked)).map_err(failed)?);
        }
        Ok(interrupt)
    }

    /// True after the first Ctrl-C.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// What whoever started us wants ignored (nohup, a job in the background) stays ignored.
#[cfg(unix)]
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: the structure is plain data, which the call fills; nothing is changed.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
fn is_ignored(_: i32) -> bool {
    false
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for id in self.watching.drain(..) {
            low_level::unregister(id);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_first_interrupt_is_remembered() {
        // SAFETY: the default handler runs no code of ours. A test that was started in the background has none.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        let interrupt = Interrupt::watch().unwrap();
        assert!(!interrupt.asked());
        low_level::raise(SIGINT).unwrap();
        assert!(interrupt.asked());
    }
}
