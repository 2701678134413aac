//! Figures of experiments with memories: functions from their answers to SVG.

pub mod annealing;
pub mod attention;
pub mod boltzmann;
pub mod landscape;
pub mod modern;
pub mod spins;

/// "1 pattern", "3 patterns".
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
