//! Numbers in lines, separated by commas, semicolons, tabs or spaces.

use super::Samples;
use attractor::{Error, Result};

/// Reads a table; a first line of names is skipped, empty lines are.
pub(super) fn read(text: &str) -> Result<Samples> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, first)) = lines().next() else {
        return Err(Error::format("is empty; needs a row of numbers on each line"));
    };
    let separator = [',', ';', '\t'].into_iter().find(|&c| first.contains(c));
    let cells = |line: &'_ str| -> Vec<String> {
        let bare = |cell: &str| cell.trim().trim_matches('"').trim().to_string();
        match separator {
            Some(separator) => line.split(separator).map(bare).collect(),
            None => line.split_whitespace().map(bare).collect(),
        }
    };
    // Only a line without any number is one of names: a single odd cell is a fault of the data.
    let names = usize::from(cells(first).iter().all(|cell| cell.parse::<f32>().is_err()));
    let (mut values, mut width, mut count) = (Vec::new(), 0, 0);
    for (number, line) in lines().skip(names) {
        let own = cells(line);
        if count > 0 && own.len() != width {
            return Err(Error::format(format!(
                "line {} has {} numbers, the first row {width}; all must have the same number",
                number + 1,
                own.len()
            )));
        }
        (width, count) = (own.len(), count + 1);
        for (column, cell) in own.iter().enumerate() {
            let value: f32 = cell.parse().map_err(|error| {
                let shown: String = cell.chars().take(40).collect();
                Error::format(format!("line {}, column {}: {shown:?} is not a number", number + 1, column + 1))
                    .because(error)
            })?;
            // Reading "1e39" as f32 gives infinity without a word; "inf" itself is told by its row.
            if value.is_infinite() && cell.bytes().any(|byte| byte.is_ascii_digit()) {
                return Err(Error::format(format!(
                    "line {}, column {}: {cell} lies beyond what single precision holds (3.4e38); scale the numbers down",
                    number + 1,
                    column + 1
                )));
            }
            values.push(value);
        }
    }
    if count == 0 {
        return Err(Error::format("has one line of names and no row of numbers"));
    }
    Samples::new(count, values, None)
}
