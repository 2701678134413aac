//! Figures of a terminal's characters: aligned tables, bars of shares, patches as shades, states as half blocks.

use std::fmt::Display;

use attractor_judge::analysis::{Attribution, Share};
use attractor_record::table::{Column, Table};

use serde::Serialize;
use serde_json::Value;

use crate::canvas::text::{is_hidden, label};

/// Text as a terminal may have it: characters that command it or reorder what stands around them are written as JSON
/// writes them, `\u001b`; lines and tabs stay. Names in files come from anybody.
pub fn shown(text: &str) -> String {
    escaped(text, |c| c == '\n' || c == '\t')
}

/// The same of what stands on one line, such as an error.
pub fn on_one_line(text: &str) -> String {
    escaped(text, |_| false)
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && !stays(c) || is_hidden(c) && !c.is_control() {
            true if c == '\n' => out.push_str("\\n"),
            true => out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
            false => out.push(c),
        }
    }
    out
}

/// How far a stage is and how long it will take, some seconds after it began with `first` steps done already: "ablations: 12
/// of 240, about 3 min left".
pub fn progress(stage: &str, [first, done, total]: [usize; 3], seconds: f64) -> String {
    let stage = on_one_line(stage);
    let left = seconds / done.saturating_sub(first).max(1) as f64 * total.saturating_sub(done) as f64;
    match (done, total) {
        (_, 0 | 1) => format!("{stage}: {}", span(seconds)),
        (done, total) if done <= first && done < total => {
            format!("{stage}: {done} of {total}, {} so far", span(seconds))
        }
        (done, total) if done >= total => format!("{stage}: {total} of {total}, {}", span(seconds)),
        _ => format!("{stage}: {done} of {total}, about {} left", span(left.max(1.0))),
    }
}

/// A time in two digits or so: "8 s", "3 min", "2.5 h".
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Cells in aligned columns, two spaces apart: the first column to the left, the others to the right.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| -> String {
        let cells = row.iter().enumerate().map(|(at, cell)| match at {
            0 => format!("{cell:<width$}", width = widths[at]),
            _ => format!("{cell:>width$}", width = widths[at]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The first `most` of some things: "a, b and 3 more".
pub fn listed<T: Display>(all: &[T], most: usize) -> String {
    let more = if all.len() > most { format!(" and {} more", all.len() - most) } else { String::new() };
    all.iter().take(most).map(T::to_string).collect::<Vec<_>>().join(", ") + &more
}

/// A table in parts that fit on a screen of `width` characters, each with the columns that name its rows.
pub fn table(table: &Table, width: usize) -> String {
    /// Columns that stand before every part.
    const NAMES: [&str; 3] = ["step", "layer", "head"];
    let cell = |column: &Column, row: usize| match column {
        Column::Whole(x) => x[row].to_string(),
        Column::Number(x) if x[row].is_nan() => "-".to_string(),
        Column::Number(x) => format!("{:.4}", x[row]),
        Column::MaybeWhole(x) => x[row].map_or("-".to_string(), |x| x.to_string()),
        Column::Text(x) => x[row].clone(),
    };
    let aligned = |(name, column): &(String, Column)| {
        let lines: Vec<String> =
            std::iter::once(name.clone()).chain((0..table.rows()).map(|row| cell(column, row))).collect();
        let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        lines.into_iter().map(|line| format!("{line:>width$}")).collect::<Vec<_>>()
    };
    let cells: Vec<Vec<String>> = table.columns().iter().map(aligned).collect();
    let taken = |column: &Vec<String>| column[0].chars().count() + 2;
    let named = table.columns().iter().take_while(|(name, _)| NAMES.contains(&name.as_str())).count();
    let (names, rest) = cells.split_at(named);
    let own: usize = names.iter().map(taken).sum();
    let mut parts: Vec<Vec<&Vec<String>>> = vec![names.iter().collect()];
    let mut used = own;
    for column in rest {
        if used + taken(column) > width && used > own {
            parts.push(names.iter().collect());
            used = own;
        }
        used += taken(column);
        parts.last_mut().into_iter().for_each(|part| part.push(column));
    }
    let part = |part: &Vec<&Vec<String>>| -> String {
        (0..=table.rows())
            .map(|line| part.iter().map(|column| column[line].as_str()).collect::<Vec<_>>().join("  ") + "\n")
            .collect()
    };
    parts.iter().map(part).collect::<Vec<_>>().join("\n")
}

/// Fields and their values, a line each, nested ones set in; a list of structures has a line of JSON for each.
pub fn tree(value: &impl Serialize) -> String {
    fn lines(value: &Value, indent: usize, out: &mut String) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Object(_) => {
                    *out += &format!("{:indent$}{key}\n", "");
                    lines(value, indent + 2, out);
                }
                Value::Array(list) if list.iter().any(Value::is_object) => {
                    *out += &format!("{:indent$}{key}\n", "");
                    list.iter().for_each(|item| *out += &format!("{:1$}{item}\n", "", indent + 2));
                }
                Value::String(text) => *out += &format!("{:indent$}{key:<20} {text}\n", ""),
                other => *out += &format!("{:indent$}{key:<20} {other}\n", ""),
            }
        }
    }
    let mut out = String::new();
    lines(&serde_json::to_value(value).unwrap_or_default(), 0, &mut out);
    out
}

/// Prose in lines of a hundred characters, the first set in by two, the others by four.
pub fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 100;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("    {word}")),
            None => lines.push(format!("  {word}")),
        }
    }
    lines
}

/// "33.33 %".
fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A bar of eighths of a character, as long as its share of the largest.
fn bar(share: f64, most: f64) -> String {
    /// Characters of the longest.
    const BAR: f64 = 32.0;
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // Negated, so that nothing is drawn for what is not a number.
    if !(share > 0.0 && most > 0.0) {
        return String::new();
    }
    let eighths = (share / most * BAR * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// Shares as a table with bars: in order while they fit on a screen, else the largest first.
///
/// `by_share` and `top` choose otherwise: the largest first or not, and how many.
pub fn shares(found: &Attribution, lines: &[Share], by_share: Option<bool>, top: Option<usize>) -> String {
    /// Lines that are shown in order; of more, the largest half as many.
    const IN_ORDER: usize = 48;
    /// Characters of a token.
    const TEXT: usize = 24;
    let by_share = by_share.unwrap_or(lines.len() > IN_ORDER);
    let mut shown: Vec<usize> = (0..lines.len()).collect();
    shown.sort_by(|&a, &b| lines[b].share.total_cmp(&lines[a].share).then(a.cmp(&b)));
    let kept = top.unwrap_or(if by_share { IN_ORDER / 2 } else { shown.len() });
    let rest: f64 = shown.iter().skip(kept).map(|&at| lines[at].share).sum();
    let left = shown.len().saturating_sub(kept);
    shown.truncate(kept);
    if !by_share {
        shown.sort_unstable();
    }
    let most = lines.iter().map(|line| line.share).fold(0.0, f64::max);
    let labels: Vec<String> = shown.iter().map(|&at| label(&lines[at].token, TEXT)).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(5);
    let places = lines.len().to_string().len().max(8);
    let mut out = format!("{:>places$}  {:<width$}  {:>8}\n", "position", "token", "share");
    for (&at, label) in shown.iter().zip(labels) {
        let line = &lines[at];
        let mark = if line.positions.contains(&found.query) { "  <- query" } else { "" };
        let position = match line.positions.len() {
            1 => line.positions.start.to_string(),
            _ => format!("{}-{}", line.positions.start, line.positions.end - 1),
        };
        let bar = bar(line.share, most);
        let row = format!("{position:>places$}  {label:<width$}  {:>8}  {bar}{mark}", percent(line.share));
        out += row.trim_end();
        out += "\n";
    }
    if left > 0 {
        out += &format!("{:>places$}  {:<width$}  {:>8}\n", "", format!("{left} others"), percent(rest));
    }
    out
}

/// Patches as shades: the darkest is the largest share.
pub fn shades(grid: &[Vec<usize>], shares: &[f64]) -> String {
    const SHADES: [&str; 5] = ["··", "░░", "▒▒", "▓▓", "██"];
    let cells = || grid.iter().flatten().map(|&at| shares[at]);
    let (least, most) = (cells().fold(f64::INFINITY, f64::min), cells().fold(0.0, f64::max));
    let level = |share: f64| if most > least { ((share - least) / (most - least) * 5.0) as usize } else { 0 };
    let shade = |&at: &usize| SHADES[level(shares[at]).min(4)];
    let row = |row: &Vec<usize>| row.iter().map(shade).collect::<String>() + "\n";
    let rows: String = grid.iter().map(row).collect();
    format!("patches, {} (lightest) to {} (darkest)\n{rows}", percent(least), percent(most))
}

/// States of height x width units, `across` in a row, two units high each character: what is above one half is filled. The
/// first rows, with their names; `None` if not one state fits.
pub fn states(states: &[Vec<f32>], (height, width): (usize, usize), across: usize, rows: &[&str]) -> Option<String> {
    /// Columns of a terminal.
    const WIDTH: usize = 96;
    /// Rows of states.
    const MOST: usize = 5;
    let label = rows.iter().map(|name| name.len() + 2).max().unwrap_or(0);
    let fit = (WIDTH.saturating_sub(label) / (width + 2)).min(across);
    if fit == 0 || height > WIDTH {
        return None;
    }
    let mut out = String::new();
    for (number, row) in states.chunks(across).take(MOST).enumerate() {
        let on = |state: &[f32], y: usize, x: usize| y < height && state[y * width + x] > 0.5;
        for y in (0..height).step_by(2) {
            let name = rows.get(number).filter(|_| y == 0).copied().unwrap_or("");
            let line = row.iter().take(fit).filter(|state| state.len() == height * width).map(|state| {
                let cell = |x| match (on(state, y, x), on(state, y + 1, x)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => '·',
                };
                (0..width).map(cell).collect::<String>() + "  "
            });
            out += format!("{name:label$}{}", line.collect::<String>()).trim_end();
            out += "\n";
        }
        out += "\n";
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_far_it_is_and_how_long_it_takes() {
        assert_eq!(progress("ablations", [0, 12, 240], 10.0), "ablations: 12 of 240, about 3 min left");
        assert_eq!(progress("ablations", [0, 239, 240], 239.0), "ablations: 239 of 240, about 1 s left");
        assert_eq!(progress("heads", [0, 1, 2000], 8.0), "heads: 1 of 2000, about 4.4 h left");
        assert_eq!(progress("heads", [0, 0, 9], 7.2), "heads: 0 of 9, 7 s so far");
        assert_eq!(progress("heads", [0, 9, 9], 7.2), "heads: 9 of 9, 7 s");
        // A training that goes on: what was done before took no time now.
        assert_eq!(progress("epochs", [80, 90, 100], 20.0), "epochs: 90 of 100, about 20 s left");
        assert_eq!(progress("reading\u{1b}[2J", [0, 0, 1], 61.0), "reading\\u001b[2J: 61 s");
    }

    #[test]
    fn what_commands_a_terminal_is_written_out() {
        assert_eq!(shown("a\u{1b}[2J\tb\u{202e}\n\u{9b}1m\r"), "a\\u001b[2J\tb\\u202e\n\\u009b1m\\u000d");
        assert_eq!(on_one_line("one\ntwo\u{e0001}"), "one\\ntwo\\udb40\\udc01");
        for plain in ["Gr\u{fc}\u{df}e \u{4e2d}\u{6587} \u{1f600} \u{2713} \u{2588}\u{2581}", ""] {
            assert_eq!(shown(plain), plain);
        }
    }

    #[test]
    fn a_wide_table_goes_on_below_with_the_names_of_its_rows() {
        let column = |name: &str| (name.to_string(), Column::Number(vec![0.5, f64::NAN]));
        let head = ("head".to_string(), Column::Whole(vec![0, 1]));
        let narrow = table(&Table::new(vec![head, column("entropy"), column("sink")]).unwrap(), 16);
        assert_eq!(narrow, "head  entropy\n   0   0.5000\n   1        -\n\nhead    sink\n   0  0.5000\n   1       -\n");
    }

    #[test]
    fn cells_stand_under_each_other() {
        let rows = [["a", "1"], ["bcd", "12"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(columns(&rows), "a     1\nbcd  12\n");
    }

    #[test]
    fn a_character_draws_two_rows_of_units() {
        let state = vec![1.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        assert_eq!(states(&[state.clone()], (3, 2), 1, &[]).unwrap(), "█▄\n··\n\n");
        assert_eq!(states(&[state], (1, 600), 1, &[]), None);
    }

    #[test]
    fn the_largest_share_has_the_longest_bar() {
        assert_eq!(bar(0.2, 0.2).chars().count(), 32);
        assert_eq!(bar(0.1, 0.2).chars().count(), 16);
        assert_eq!(bar(f64::NAN, 0.2), "");
    }
}
