//! An answer as the JSON that is printed.

use serde::Serialize;
use serde_json::Value;

use crate::error::Outcome;
use attractor_session::Error;

/// What the library answered, and what only the command knows: which command it is, where the data came from.
pub fn document(answer: &impl Serialize, about: &[(&str, &str)]) -> Outcome<Value> {
    let mut document = serde_json::to_value(answer)
        .map_err(|error| Error::format(format!("the answer is no JSON: {error}")).because(error))?;
    about.iter().for_each(|&(key, value)| document[key] = value.into());
    Ok(document)
}
