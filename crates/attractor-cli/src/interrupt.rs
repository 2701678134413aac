//! Ctrl-C: asked once, work stops where nothing is lost; asked again, at once.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// While it lives, the first Ctrl-C (or SIGTERM) is remembered instead of ending the process; the second ends it.
pub struct Interrupt {
    #[cfg(unix)]
    earlier: Vec<(libc::c_int, libc::sigaction)>,
}

#[cfg(unix)]
extern "C" fn remember(_: libc::c_int) {
    // A store to an atomic is all that a signal handler may safely do here.
    ASKED.store(true, Ordering::Relaxed);
}

impl Interrupt {
    /// Begins to watch.
    pub fn watch() -> Self {
        ASKED.store(false, Ordering::Relaxed);
        #[cfg(unix)]
        {
            let mut earlier = Vec::new();
            for signal in [libc::SIGINT, libc::SIGTERM] {
                // SAFETY: both structures are plain data that the call fills or reads; the handler only stores to an atomic.
                unsafe {
                    let mut old: libc::sigaction = std::mem::zeroed();
                    let mut new: libc::sigaction = std::mem::zeroed();
                    let handler: extern "C" fn(libc::c_int) = remember;
                    new.sa_sigaction = handler as libc::sighandler_t;
                    // The second one finds what was there before: the end.
                    new.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
                    // What whoever started us wants ignored (nohup, a job in the background) stays ignored.
                    if libc::sigaction(signal, std::ptr::null(), &mut old) == 0
                        && old.sa_sigaction != libc::SIG_IGN
                        && libc::sigaction(signal, &new, std::ptr::null_mut()) == 0
                    {
                        earlier.push((signal, old));
                    }
                }
            }
            Self { earlier }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// True after the first Ctrl-C.
    pub fn asked(&self) -> bool {
        ASKED.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
impl Drop for Interrupt {
    fn drop(&mut self) {
        for (signal, old) in &self.earlier {
            // SAFETY: `old` is what the system gave for this signal.
            unsafe {
                libc::sigaction(*signal, old, std::ptr::null_mut());
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_first_interrupt_is_remembered_and_watching_ends() {
        let handler = |signal| {
            // SAFETY: asks for the present handler, changes nothing.
            unsafe {
                let mut now: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &mut now);
                now.sa_sigaction
            }
        };
        // SAFETY: the default handler runs no code of ours. A test that was started in the background has none.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        let before = handler(libc::SIGINT);
        let interrupt = Interrupt::watch();
        assert!(!interrupt.asked());
        // SAFETY: a signal to this process, which is handled.
        unsafe { libc::raise(libc::SIGINT) };
        assert!(interrupt.asked());
        assert_eq!(handler(libc::SIGINT), libc::SIG_DFL, "the next one ends the process");
        drop(interrupt);
        assert_eq!(handler(libc::SIGINT), before);
    }
}
