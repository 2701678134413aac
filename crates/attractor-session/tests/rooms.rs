//! The arrows between the rooms (docs/design.md), held to the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may know.
const ROOMS: [(&str, &[&str]); 9] = [
    ("attractor", &[]),
    ("attractor-record", &["attractor"]),
    ("attractor-data", &["attractor", "attractor-record"]),
    ("attractor-capture", &["attractor", "attractor-record", "attractor-data"]),
    ("attractor-nn", &["attractor", "attractor-record"]),
    ("attractor-judge", &["attractor", "attractor-record"]),
    ("attractor-render", &["attractor", "attractor-record", "attractor-judge"]),
    (
        "attractor-session",
        &["attractor", "attractor-record", "attractor-data", "attractor-capture", "attractor-nn", "attractor-judge"],
    ),
    // Options and words: whatever a job needs, the library hands on.
    ("attractor-cli", &["attractor-session", "attractor-render"]),
];

#[test]
fn every_room_knows_only_the_rooms_below_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (room, allowed) in ROOMS {
        let manifest = std::fs::read_to_string(crates.join(room).join("Cargo.toml")).unwrap();
        let used = manifest
            .split("\n[")
            .filter(|section| section.split(']').next().is_some_and(|name| name.ends_with("dependencies")))
            .filter(|section| !section.starts_with("dev-") && !section.starts_with("build-"))
            .flat_map(str::lines)
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|name| name.starts_with("attractor"))
            .collect::<BTreeSet<_>>();
        let allowed = allowed.iter().copied().collect::<BTreeSet<_>>();
        let beyond: Vec<_> = used.difference(&allowed).collect();
        assert!(beyond.is_empty(), "{room} knows {beyond:?}, which docs/design.md does not draw");
    }
}

/// Lines of all files in a folder.
fn lines(folder: &Path) -> usize {
    let each = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() { lines(&path) } else { std::fs::read_to_string(path).unwrap().lines().count() }
    };
    std::fs::read_dir(folder).unwrap().map(each).sum()
}

#[test]
fn the_command_line_has_options_and_words_alone() {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("attractor-cli/src");
    assert!(lines(&cli) <= 4000, "{} lines: what is no option and no word belongs in a library", lines(&cli));
}

/// The source files of a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The files of a room that a line of a file imports: `use crate::a::b::C`, `use super::b::{self, C}`.
fn imported(line: &str, file: &Path, src: &Path) -> Option<PathBuf> {
    let path = line.trim_start().strip_prefix("use ").or(line.trim_start().strip_prefix("pub use "))?;
    let module = match file.file_stem()?.to_str()? {
        "mod" | "lib" | "main" => file.parent()?.to_path_buf(),
        name => file.parent()?.join(name),
    };
    let (mut at, rest) = match path.split_once("::")? {
        ("crate", rest) => (src.to_path_buf(), rest),
        ("super", rest) => (module.parent()?.to_path_buf(), rest),
        _ => return None,
    };
    for word in rest.split("::").map(|word| word.trim_end_matches(';')) {
        let next = at.join(word);
        if next.with_extension("rs").is_file() {
            return Some(next.with_extension("rs"));
        }
        if !next.is_dir() {
            break;
        }
        at = next;
    }
    // Names that a folder hands on: whoever takes them takes the folder.
    None
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (room, _) in ROOMS {
        let (src, mut files) = (crates.join(room).join("src"), Vec::new());
        sources(&src, &mut files);
        let imports = |file: &PathBuf| -> BTreeSet<PathBuf> {
            let text = std::fs::read_to_string(file).unwrap();
            // Tests may know whom they like.
            let code = text.split("#[cfg(test)]").next().unwrap().to_string();
            code.lines().filter_map(|line| imported(line, file, &src)).filter(|other| other != file).collect()
        };
        let all: BTreeMap<PathBuf, BTreeSet<PathBuf>> = files.iter().map(|f| (f.clone(), imports(f))).collect();
        // Files that import nothing of what is left, or are imported by none of it, lie on no circle.
        let mut left = all;
        loop {
            let names: BTreeSet<PathBuf> = left.keys().cloned().collect();
            let before = left.len();
            let wanted: BTreeSet<PathBuf> = left.values().flatten().cloned().collect();
            left.retain(|file, imports| imports.intersection(&names).next().is_some() && wanted.contains(file));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "{room}: these import each other in a circle: {:#?}", left.keys());
    }
}

/// The rooms within the hall, as its own folders, know each other one way.
#[test]
fn no_folders_of_the_hall_import_each_other_in_a_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("attractor/src");
    let folders: Vec<PathBuf> = std::fs::read_dir(&src).unwrap().map(|entry| entry.unwrap().path()).collect();
    let folders = folders.iter().filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap());
    let folders: Vec<&str> = folders.collect();
    let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for folder in &folders {
        let mut files = Vec::new();
        sources(&src.join(folder), &mut files);
        let mut known = BTreeSet::new();
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            known.extend(folders.iter().filter(|other| code.contains(&format!("use crate::{other}::"))));
        }
        known.remove(folder);
        left.insert(folder, known);
    }
    // A folder that knows none of those left lies on no circle.
    loop {
        let names: BTreeSet<&str> = left.keys().copied().collect();
        left.retain(|_, known| known.intersection(&names).next().is_some());
        if left.len() == names.len() {
            break;
        }
    }
    assert!(left.is_empty(), "these know each other in a circle: {left:#?}");
}

/// Options that code names in refusals and hints.
fn named(code: &str) -> Vec<&str> {
    let after = |mark: &'static str| code.match_indices(mark).map(move |(at, _)| code[at + mark.len()..].trim_start());
    let one = ["Error::option(", "Hint::give(", "Hint::Omit(", "Hint::Raise("].into_iter().flat_map(after);
    let one = one.filter_map(|from| from.strip_prefix('"')?.split('"').next());
    let several = after("GiveOne(vec![").filter_map(|from| from.split(']').next());
    one.chain(several.flat_map(|list| list.split('"').skip(1).step_by(2))).collect()
}

/// A misspelt option in a refusal sends its reader after something that is not there.
#[test]
fn refusals_name_options_that_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    ROOMS.iter().for_each(|(room, _)| sources(&crates.join(room).join("src"), &mut files));
    let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let code = || texts.iter().map(|text| text.split("#[cfg(test)]").next().unwrap());
    let fields: BTreeSet<&str> = code()
        .flat_map(str::lines)
        .filter_map(|line| line.trim_start().trim_start_matches("pub ").split_once(':').map(|(name, _)| name))
        .collect();
    let asked: BTreeSet<&str> = code().flat_map(named).collect();
    assert!(asked.len() > 50, "refusals were not found: {asked:?}");
    let missing: Vec<_> = asked.difference(&fields).collect();
    assert!(missing.is_empty(), "no structure has these options: {missing:?}");
}

/// What docs/notation.md, "Words of the code", says: names of one type alone, and names that are read with their module.
fn words() -> (BTreeSet<String>, BTreeSet<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/notation.md");
    let page = std::fs::read_to_string(path).unwrap();
    let section = page.split("## Words of the code").nth(1).unwrap();
    let (table, modules) = section.split_once("### Names that are read with their module").unwrap();
    let alone = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let several = modules.split('`').skip(1).step_by(2);
    (alone.map(str::to_string).collect(), several.map(str::to_string).collect())
}

/// Public types of the libraries, with the files that declare them.
fn declared(folder: &Path, found: &mut BTreeMap<String, Vec<String>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declared(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let line = line.trim_start();
                let words_of_line: Vec<&str> =
                    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
                if let ["pub", "struct" | "enum" | "trait" | "type", name, ..] = words_of_line[..]
                    && line.starts_with("pub ")
                {
                    found.entry(name.to_string()).or_default().push(path.display().to_string());
                }
            }
        }
    }
}

#[test]
fn one_word_has_one_meaning() {
    let (alone, several) = words();
    assert!(alone.len() >= 10 && several.len() >= 10, "docs/notation.md lists {alone:?}, {several:?}");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    for (room, _) in ROOMS.iter().filter(|(room, _)| *room != "attractor-cli") {
        declared(&crates.join(room).join("src"), &mut found);
    }
    for word in &alone {
        assert_eq!(found.get(word).map(Vec::len), Some(1), "{word}: {:?}", found.get(word));
    }
    let twice: BTreeSet<&String> = found.iter().filter(|(_, files)| files.len() > 1).map(|(name, _)| name).collect();
    let unlisted: Vec<_> = twice.iter().filter(|name| !several.contains(**name)).collect();
    assert!(unlisted.is_empty(), "one word for several types: {unlisted:?}; rename all but one, or list the word");
    let single: Vec<_> = several.iter().filter(|name| !twice.contains(name)).collect();
    assert!(single.is_empty(), "listed in docs/notation.md as the name of several types, and is not: {single:?}");
}
