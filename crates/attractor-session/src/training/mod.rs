//! Trainings in a folder: begun, stopped, taken up again, bit for bit.
//!
//! Every trainer keeps the same protocol with its folder: a folder that holds another training or somebody's model is
//! refused; one writer at a time; what must be as it was is compared when a training goes on; metrics are logged as they
//! come; the whole state is saved in one file that is replaced whole; and a training that somebody stops keeps what is done
//! and says how much, as [`Stopped`].

pub mod causal_lm;
mod folder;
pub mod rbm;

pub use folder::{Counted, Stopped};
