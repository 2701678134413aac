//! A training that was stopped: what is said, and the command line that goes on with it.

use attractor_session::Error;
use attractor_session::training::{Counted, Stopped};

/// The refusal of a stopped training in the words of the command line; any other as it is.
pub fn worded(error: Error) -> Error {
    let Some(Stopped { counted, done, asked, folder }) = Stopped::of(&error) else { return error };
    let folder = folder.display();
    Error::interrupted(match (counted, done) {
        (Counted::Epochs, 0) => {
            format!("stopped before the first epoch was complete; {folder} holds nothing to resume: start again")
        }
        (Counted::Epochs, _) => format!(
            "stopped: {done} of {asked} epochs are complete and kept in {folder}; the current one is lost\nnext: {}",
            go_on()
        ),
        (Counted::Steps, _) => {
            format!("stopped: {done} of {asked} steps are done and kept in {folder}\nnext: {}", go_on())
        }
    })
}

/// The command line that goes on with what this one began.
fn go_on() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:@%+".contains(c);
    let quoted = |word: String| match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let mut words: Vec<String> = words.filter(|word| word != "--resume").map(quoted).collect();
    words.push("--resume".to_string());
    format!("attractor {}", words.join(" "))
}
