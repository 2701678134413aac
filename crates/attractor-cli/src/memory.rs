//! What becomes of freed memory.

use libmimalloc_sys::{mi_option_set, mi_option_set_default, mi_option_t};

/// Burn and the readers allocate and free large blocks all the time: twice as fast as with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's option `mi_option_purge_delay`, milliseconds, which its crate does not name.
const PURGE_DELAY: mi_option_t = 15;

/// Keeps it until the end, unless the environment says otherwise: jobs free and take the same sizes again and again, and
/// what went back comes again as pages to be cleared, a sixth of the time of judging.
pub fn keep_freed() {
    // SAFETY: sets a number that mimalloc reads when it frees.
    unsafe { mi_option_set_default(PURGE_DELAY, -1) };
}

/// Gives it back soon: of long inputs the blocks are so large, and of so many sizes, that keeping all costs a third more.
pub fn return_freed() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: as above.
        unsafe { mi_option_set(PURGE_DELAY, 100) };
    }
}
