//! What it all comes to, as it is reported.

use serde::{Deserialize, Serialize};

use crate::conclusion::Scenario;

/// The conclusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// Which story.
    pub scenario: Scenario,
    /// It in a sentence.
    pub headline: String,
    /// The figures that the conclusion rests on.
    pub reasons: Vec<String>,
    /// What to do now.
    pub action: String,
}
