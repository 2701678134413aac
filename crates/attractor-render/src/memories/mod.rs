//! Figures of memories and machines, each from the typed result of its experiment.

pub mod annealing;
pub mod attention;
pub mod boltzmann;
pub mod landscape;
pub mod modern;
pub mod rbm;
pub mod spins;

/// "1 pattern", "3 patterns".
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
