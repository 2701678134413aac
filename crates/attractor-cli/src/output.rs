//! What is written into a file: the ending of its name says it, or `--format` does; never one thing under another's name.

use std::path::Path;

use clap::ValueEnum;

use crate::error::Outcome;
use crate::picture;
use attractor_session::Error;

/// Refuses a name that no file can have, before any work is done for it.
pub fn check_name(path: &Path) -> Outcome {
    match path.to_str() {
        Some("-") => Err(Error::usage("-: is not the terminal here; name a file to write")),
        _ if path.is_dir() => Err(Error::usage(format!("{}: is a folder; name a file to write", path.display()))),
        _ => Ok(()),
    }
}

/// The ending of a name that must have one of `known`, lower case.
pub fn ending(path: &Path, known: &[&str]) -> Outcome<String> {
    check_name(path)?;
    let ending = picture::ending(path);
    match known.contains(&ending.as_str()) {
        true => Ok(ending),
        false => Err(Error::usage(format!(
            "{}: the ending says what is written; end it in {}",
            path.display(),
            alternatives(known)
        ))),
    }
}

/// What is written: what `--format` asks for, what the file's ending says, or `otherwise` without either.
pub fn format<F: ValueEnum + PartialEq>(
    output: Option<&Path>,
    given: Option<F>,
    endings: &[(&str, F)],
    otherwise: F,
) -> Outcome<F> {
    let Some(path) = output else { return Ok(given.unwrap_or(otherwise)) };
    check_name(path)?;
    let ending = picture::ending(path);
    let said = endings.iter().find(|(known, _)| *known == ending).map(|(_, format)| format.clone());
    let name = |format: &F| format.to_possible_value().map_or(String::new(), |value| value.get_name().to_string());
    match (given, said) {
        (Some(given), Some(said)) if given != said => Err(Error::usage(format!(
            "{}: --format {} is not written under an ending that says {}; change one of them",
            path.display(),
            name(&given),
            name(&said)
        ))),
        (Some(format), _) | (None, Some(format)) => Ok(format),
        (None, None) => {
            let known: Vec<&str> = endings.iter().map(|(known, _)| *known).collect();
            Err(Error::usage(format!(
                "{}: the ending does not say what is written; end it in {}, or give --format",
                path.display(),
                alternatives(&known)
            )))
        }
    }
}

/// ".svg, .png or .pdf".
fn alternatives(endings: &[&str]) -> String {
    let dotted: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
    match dotted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => dotted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
    enum Kind {
        Csv,
        Json,
        Table,
    }

    const ENDINGS: [(&str, Kind); 2] = [("csv", Kind::Csv), ("json", Kind::Json)];

    fn of(name: &str, given: Option<Kind>) -> Outcome<Kind> {
        format(Some(Path::new(name)), given, &ENDINGS, Kind::Table)
    }

    #[test]
    fn the_ending_decides_and_contradictions_are_refused() {
        assert_eq!(of("a.CSV", None).unwrap(), Kind::Csv);
        assert_eq!(of("a.json", Some(Kind::Json)).unwrap(), Kind::Json);
        assert_eq!(of("a.out", Some(Kind::Csv)).unwrap(), Kind::Csv);
        assert_eq!(format(None, None, &ENDINGS, Kind::Table).unwrap(), Kind::Table);
        let says = |result: Outcome<Kind>, words: &[&str]| {
            let why = result.unwrap_err().to_string();
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
        };
        says(of("a.csv", Some(Kind::Json)), &["a.csv", "json", "csv"]);
        says(of("a.dat", None), &["a.dat", ".csv or .json", "--format"]);
        says(of("-", None), &["-: is not the terminal"]);
        says(of(".", None), &["is a folder"]);
    }
}
