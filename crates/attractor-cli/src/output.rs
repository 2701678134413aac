//! What is written into a file: the ending of its name says it, or `--format` does; never one thing under another's name.

use std::path::Path;

use clap::ValueEnum;

use crate::error::Outcome;
use crate::files;
use attractor_session::Error;

/// The ending of a name that must have one of `known`, lower case.
pub fn ending(path: &Path, known: &[&str]) -> Outcome<String> {
    let ending = files::ending(path);
    match known.contains(&ending.as_str()) {
        true => Ok(ending),
        false => {
            Err(Error::usage(format!("{}: unsupported file extension; use {}", path.display(), alternatives(known))))
        }
    }
}

/// The name of a format, as `--format` takes it.
pub fn name(format: &impl ValueEnum) -> String {
    format.to_possible_value().map_or(String::new(), |value| value.get_name().to_string())
}

/// The endings that say a format: its aliases, or its name where it has none.
fn endings(format: &impl ValueEnum) -> Vec<String> {
    let Some(value) = format.to_possible_value() else { return Vec::new() };
    let names: Vec<String> = value.get_name_and_aliases().map(String::from).collect();
    if names.len() > 1 { names[1..].to_vec() } else { names }
}

/// What is written: what `--format` asks for, what the file's ending says, or `otherwise` without either.
pub fn format<F: ValueEnum + PartialEq>(output: Option<&Path>, given: Option<F>, otherwise: F) -> Outcome<F> {
    let Some(path) = output else { return Ok(given.unwrap_or(otherwise)) };
    let ending = files::ending(path);
    let said = F::value_variants().iter().find(|format| endings(*format).contains(&ending)).cloned();
    match (given, said) {
        (Some(given), Some(said)) if given != said => Err(Error::usage(format!(
            "{}: --format {} contradicts the file extension, which says {}; change one of them",
            path.display(),
            name(&given),
            name(&said)
        ))),
        (Some(format), _) | (None, Some(format)) => Ok(format),
        (None, None) => Err(Error::usage(format!(
            "{}: unknown file extension; use {}, or give --format",
            path.display(),
            alternatives(&F::value_variants().iter().flat_map(endings).collect::<Vec<_>>())
        ))),
    }
}

/// ".svg, .png or .pdf".
fn alternatives(endings: &[impl std::fmt::Display]) -> String {
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
        #[value(alias = "txt")]
        Table,
    }

    fn of(name: &str, given: Option<Kind>) -> Outcome<Kind> {
        format(Some(Path::new(name)), given, Kind::Table)
    }

    #[test]
    fn the_ending_decides_and_contradictions_are_refused() {
        assert_eq!(of("a.CSV", None).unwrap(), Kind::Csv);
        assert_eq!(of("a.json", Some(Kind::Json)).unwrap(), Kind::Json);
        assert_eq!(of("a.txt", None).unwrap(), Kind::Table);
        assert_eq!(of("a.out", Some(Kind::Csv)).unwrap(), Kind::Csv);
        assert_eq!(format(None, None, Kind::Table).unwrap(), Kind::Table);
        let says = |result: Outcome<Kind>, words: &[&str]| {
            let why = result.unwrap_err().to_string();
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
        };
        says(of("a.csv", Some(Kind::Json)), &["a.csv", "json", "csv"]);
        says(of("a.dat", None), &["a.dat", ".csv, .json or .txt", "--format"]);
    }
}
