//! Numbers in lines, separated by semicolons, tabs, commas or spaces.
//!
//! | a line or column                                | is                                                           |
//! |-------------------------------------------------|--------------------------------------------------------------|
//! | empty, or begins with `#`                       | left out                                                     |
//! | the first, without any number                   | names                                                        |
//! | the first, `0,1,2,...`: each column's position  | names, as pandas writes those of an array; from three columns |
//! | the first column, if its name is empty          | an index as pandas writes it: left out                       |
//! | named label, labels, class or target, or chosen | labels: kept aside                                           |
//! | the last, empty in every line                   | what follows a separator at the end: left out                |
//!
//! Where columns are separated by semicolons or tabs, a comma within a number is its decimal point. All that is left out is
//! noted, but for empty lines and lines of `#`.

use attractor::{DataNote, Error, Hint, Result};

use super::Samples;

/// Which lines and columns of a table are not numbers to learn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns {
    /// Lines at the top that are left out.
    pub skip: usize,
    /// The column of labels: its name, its position from 0, or `last`.
    pub label: Option<String>,
}

impl Columns {
    /// Refuses them for what is not a table.
    pub(super) fn none(&self) -> Result<()> {
        let why = "the data are not a table of lines";
        match (self.skip, &self.label) {
            (0, None) => Ok(()),
            (0, Some(label)) => Err(Error::option("label_column", label, why).hinted(Hint::Omit("label_column"))),
            (skip, _) => Err(Error::option("skip", skip, why).hinted(Hint::Omit("skip"))),
        }
    }
}

/// Names of a column of labels.
const LABELS: [&str; 4] = ["label", "labels", "class", "target"];

/// The lines of a table that are kept, and how they are cut.
struct Lines<'a> {
    text: &'a str,
    skip: usize,
    separator: Option<char>,
    /// Every line ends with a separator.
    ends: bool,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str, skip: usize) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = Self { text, skip, separator: None, ends: false };
        // A comma may be a decimal point; semicolons and tabs are nothing else.
        let first = lines.kept().next().map_or("", |(_, line)| line);
        let separator = [';', '\t', ','].into_iter().find(|&c| first.contains(c));
        let ends =
            separator.is_some_and(|separator| lines.kept().all(|(_, line)| line.trim_end().ends_with(separator)));
        Self { separator, ends, ..lines }
    }

    /// Each with its number, from 1.
    fn kept(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let all = self.text.lines().enumerate().skip(self.skip);
        all.map(|(at, line)| (at + 1, line)).filter(|(_, line)| is_kept(line))
    }

    /// Cuts a line into cells.
    fn cut(&self, line: &'a str, cells: &mut Vec<&'a str>) {
        cells.clear();
        let bare = |cell: &'a str| cell.trim().trim_matches('"').trim();
        match self.separator {
            Some(separator) => cells.extend(line.split(separator).map(bare)),
            None => cells.extend(line.split_whitespace().map(bare)),
        }
        cells.truncate(cells.len() - usize::from(self.ends));
    }
}

fn is_kept(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

/// Are these the names of columns, which are no numbers, or their positions?
fn is_header(cells: &[&str], decimal: bool) -> bool {
    // Only a line without any number is one of names: a single odd cell is a fault of the data.
    if cells.iter().all(|cell| parsed(cell, decimal).is_err()) {
        return true;
    }
    let columns = if cells[0].is_empty() { &cells[1..] } else { cells };
    columns.len() > 2 && columns.iter().enumerate().all(|(at, cell)| cell.parse() == Ok(at))
}

/// The column of labels, by what was asked for or by its name.
fn label(columns: &Columns, names: Option<&[&str]>, width: usize) -> Result<Option<usize>> {
    let named = |name: &str| names.and_then(|names| names.iter().position(|own| own.eq_ignore_ascii_case(name)));
    let Some(asked) = &columns.label else { return Ok(LABELS.iter().find_map(|name| named(name))) };
    let found = match asked.as_str() {
        "last" => named(asked).or(width.checked_sub(1)),
        name => named(name).or_else(|| name.parse().ok().filter(|&at: &usize| at < width)),
    };
    found.map(Some).ok_or_else(|| {
        let names = names.map_or(String::new(), |names| {
            format!(" ({})", names.iter().take(6).copied().collect::<Vec<_>>().join(", ").escape_debug())
        });
        Error::option(
            "label_column",
            asked,
            format!("the table has {width} columns{names}; give the name of one, its position from 0, or last"),
        )
    })
}

/// A cell as a number, or why it is none.
fn parsed(cell: &str, decimal: bool) -> std::result::Result<f32, std::num::ParseFloatError> {
    if decimal { cell.replace(',', ".").parse() } else { cell.parse() }
}

/// A number; `decimal` says that a comma is its point.
fn number(cell: &str, decimal: bool, (line, column): (usize, usize)) -> Result<f32> {
    let value = parsed(cell, decimal).map_err(|error| {
        let shown: String = cell.chars().take(40).collect();
        Error::format(format!("line {line}, column {}: {shown:?} is not a number", column + 1))
            .because(error)
            .hinted(Hint::GiveOne(vec!["skip", "label_column"]))
    })?;
    // Reading "1e39" as f32 gives infinity without a word; "inf" itself is told by its row.
    if value.is_infinite() && cell.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(Error::format(format!(
            "line {line}, column {}: {cell} lies beyond what single precision holds (3.4e38); scale the numbers down",
            column + 1
        )));
    }
    Ok(value)
}

/// Reads a table.
pub(super) fn read(text: &str, columns: &Columns) -> Result<Samples> {
    let lines = Lines::of(text, columns.skip);
    let Some((top, line)) = lines.kept().next() else {
        return Err(Error::format("is empty; needs a row of numbers on each line"));
    };
    let decimal = matches!(lines.separator, Some(';' | '\t'));
    let (mut first, mut cells) = (Vec::new(), Vec::new());
    lines.cut(line, &mut first);
    let header = is_header(&first, decimal).then_some(&first[..]);
    let rows = || lines.kept().skip(usize::from(header.is_some()));
    let Some((_, line)) = rows().next() else {
        return Err(Error::format("has one line of names and no row of numbers"));
    };
    lines.cut(line, &mut cells);
    let width = cells.len();
    // R writes one name less than there are columns.
    if let Some(names) = header.filter(|names| names.len() != width) {
        return Err(Error::format(format!(
            "line {top} has {} names, the first row {width} numbers; repair the names, or leave that line out",
            names.len()
        ))
        .hinted(Hint::give("skip", top)));
    }
    let mut notes = Vec::new();
    if header.is_some_and(|names| names.iter().any(|name| name.parse::<f32>().is_ok())) {
        notes.push(DataNote::HeaderOfPositions { line: top });
    }
    let label = label(columns, header, width)?;
    let index = header.is_some_and(|names| names[0].is_empty() || names[0] == "Unnamed: 0").then_some(0);
    for (at, is_label) in [(index, false), (label, true)] {
        if let Some(at) = at {
            let name = header.map_or(String::new(), |names| names[at].chars().take(40).collect());
            notes.push(DataNote::ColumnAside { column: at, name, is_label });
        }
    }
    let (mut values, mut labels, mut count, mut commas) = (Vec::new(), Vec::new(), 0, false);
    for (line, text) in rows() {
        lines.cut(text, &mut cells);
        if cells.len() != width {
            return Err(Error::format(format!(
                "line {line} has {} numbers, the first row {width}; all must have the same number",
                cells.len()
            )));
        }
        count += 1;
        for (column, cell) in cells.iter().enumerate() {
            if Some(column) == label {
                labels.push(*cell);
            } else if Some(column) != index {
                commas |= decimal && cell.contains(',');
                values.push(number(cell, decimal, (line, column))?);
            }
        }
    }
    if commas {
        notes.push(DataNote::DecimalCommas);
    }
    let samples = Samples::new(count, values, None)?;
    let square = |n: usize| n.isqrt().pow(2) == n;
    if label.is_none() && samples.features > 16 && square(samples.features - 1) {
        notes.push(DataNote::OneBesideASquare { numbers: samples.features });
    }
    Ok(Samples { labels: classes(&labels), notes, ..samples })
}

/// Labels as classes: small whole numbers as they are, other words by the order of their first appearance; none beyond 256.
fn classes(labels: &[&str]) -> Vec<u8> {
    if let Ok(classes) = labels.iter().map(|label| label.parse()).collect() {
        return classes;
    }
    let mut names: Vec<&str> = Vec::new();
    let mut classes = Vec::with_capacity(labels.len());
    for label in labels {
        let class = names.iter().position(|name| name == label).unwrap_or(names.len());
        if class == names.len() {
            names.push(label);
        }
        match u8::try_from(class) {
            Ok(class) => classes.push(class),
            Err(_) => return Vec::new(),
        }
    }
    classes
}
