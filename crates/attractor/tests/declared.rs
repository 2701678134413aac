//! What follows from the declaration of the statistics: their page in the documentation, and their names.

use attractor::retrieve::{HeadStatistics, Over, RowNumbers, When};

/// The page as the declaration says it.
fn page() -> String {
    let mut page = "\
# Statistics of a head

One line in `crates/attractor/src/retrieve/statistics.rs` declares a statistic of a row; engines, runs, tables, tests and this
page follow from it. n_i is the number of keys that row i may see, p_ij its weights, s_ij its scores after beta and the modifiers.
A row that sees no key is *empty*, one whose scores are not all numbers *invalid*; neither takes part in a sum.

## One number per row

| name | unit | there | mean in the table of heads | what it is |
|------|------|-------|----------------------------|------------|
"
    .to_string();
    for s in HeadStatistics::ROWS {
        let when = match s.when {
            When::Always => "always",
            When::Sinks => "with a learned sink",
            When::Extended => "extended",
            When::Tokens => "with tokens",
        };
        let table = if s.in_table { "yes" } else { "" };
        page += &format!("| `{}` | {} | {when} | {table} | {} |\n", s.name, s.unit, s.meaning.replace('|', "\\|"));
    }
    page += "\n## Numbers per row, several times\n\n| name | once per | unit | what it is |\n|------|-----|------|------------|\n";
    for s in HeadStatistics::FAMILIES {
        let over = match s.over {
            Over::Class => "class of keys",
            Over::Lag => "lag",
        };
        page += &format!("| `{}` | {over} | {} | {} |\n", s.name, s.unit, s.meaning.replace('|', "\\|"));
    }
    page += "\n## Sums over rows\n\n| name | per | unit | what it is |\n|------|-----|------|------------|\n";
    for s in HeadStatistics::SUMS {
        let axis = s.axis.replace('_', " ");
        page += &format!("| `{}` | {axis} | {} | {} |\n", s.name, s.unit, s.meaning.replace('|', "\\|"));
    }
    page
}

#[test]
fn the_documentation_is_what_is_declared() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/statistics.md");
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if std::env::var_os("ATTRACTOR_BLESS").is_some() {
        std::fs::write(path, page()).unwrap();
        return;
    }
    assert!(found == page(), "docs/statistics.md is not current: run this test with ATTRACTOR_BLESS=1");
}

#[test]
fn names_are_told_apart_and_every_statistic_has_its_own_numbers() {
    let names: Vec<&str> =
        HeadStatistics::ROWS.iter().map(|s| s.name).chain(HeadStatistics::SUMS.iter().map(|s| s.name)).collect();
    let families = HeadStatistics::FAMILIES.iter().map(|s| s.name);
    let names: Vec<&str> = names.into_iter().chain(families).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
    // Each is written where it is read.
    for (at, statistic) in HeadStatistics::ROWS.iter().enumerate() {
        let mut head = HeadStatistics::default();
        match statistic.numbers {
            RowNumbers::Float(_, field) => field(&mut head).push(at as f32),
            RowNumbers::Whole(_, field) => field(&mut head).push(at as u32),
        }
        for (other, read) in HeadStatistics::ROWS.iter().enumerate() {
            let expected = if other == at { vec![at as f64] } else { Vec::new() };
            assert_eq!(read.read(&head), expected, "{} read as {}", statistic.name, read.name);
        }
    }
}
