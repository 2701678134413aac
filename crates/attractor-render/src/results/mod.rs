//! Figures of results: what a job of the library found, drawn.

pub mod compare;
pub mod export;
pub mod heads;
pub mod metrics;
pub mod rollout;

/// With a capital, as headings are.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
