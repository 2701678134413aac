//! Metrics of every head as columns: CSV and JSON (Parquet is written by `attractor-capture`).

use std::ops::Range;

use attractor::retrieve::{HeadStatistics, Mask};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::Stack;
use crate::patterns::Patterns;
use attractor::{Error, Result};

/// Values of a column, one per row of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Numbers; NaN where a metric has no value (an empty cell, null in JSON and Parquet).
    Number(Vec<f64>),
    /// Whole numbers, where there is one.
    MaybeWhole(Vec<Option<i64>>),
    /// Text.
    Text(Vec<String>),
}

/// A table: named columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<(String, Column)>,
}

fn nothing_like(column: &Column) -> Column {
    match column {
        Column::Whole(_) => Column::Whole(Vec::new()),
        Column::Number(_) => Column::Number(Vec::new()),
        Column::MaybeWhole(_) => Column::MaybeWhole(Vec::new()),
        Column::Text(_) => Column::Text(Vec::new()),
    }
}

/// Makes a column `rows` long; what was not there has no value.
fn fill(column: &mut Column, rows: usize) {
    if let Column::Whole(x) = column
        && x.len() < rows
    {
        *column = Column::MaybeWhole(x.iter().copied().map(Some).collect());
    }
    match column {
        Column::Whole(_) => {}
        Column::Number(x) => x.resize(rows, f64::NAN),
        Column::MaybeWhole(x) => x.resize(rows, None),
        Column::Text(x) => x.resize(rows, String::new()),
    }
}

/// Puts a column behind the first `before` rows of another.
fn append(column: &mut Column, before: usize, more: &Column) -> std::result::Result<(), &'static str> {
    fill(column, before);
    if let (Column::Whole(x), Column::MaybeWhole(_)) = (&*column, more) {
        *column = Column::MaybeWhole(x.iter().copied().map(Some).collect());
    }
    match (column, more) {
        (Column::Whole(x), Column::Whole(more)) => x.extend(more),
        (Column::Number(x), Column::Number(more)) => x.extend(more),
        (Column::MaybeWhole(x), Column::MaybeWhole(more)) => x.extend(more),
        (Column::MaybeWhole(x), Column::Whole(more)) => x.extend(more.iter().copied().map(Some)),
        (Column::Text(x), Column::Text(more)) => x.extend(more.iter().cloned()),
        _ => return Err("the column is of another type in another table"),
    }
    Ok(())
}

/// Means over inputs of what each comes to.
#[derive(Default)]
struct Means(Vec<(&'static str, f64, u64)>);

impl Means {
    /// An input's mean over those of its rows that have a value.
    fn add(&mut self, name: &'static str, values: impl Iterator<Item = f64>) {
        let place = match self.0.iter().position(|(known, ..)| *known == name) {
            Some(place) => place,
            None => {
                self.0.push((name, 0.0, 0));
                self.0.len() - 1
            }
        };
        let (mut sum, mut rows) = (0.0, 0u64);
        for value in values.filter(|value| !value.is_nan()) {
            sum += value;
            rows += 1;
        }
        if rows > 0 {
            self.0[place].1 += sum / rows as f64;
            self.0[place].2 += 1;
        }
    }
}

/// True if a row counts in the mean of a mass on one key: it sees that key, and has another to choose. Without this a row
/// that has no previous position would count as one that does not look there. The detectors of heads count the same rows.
fn chooses(name: &str, s: &HeadStatistics, mask: &Mask, row: usize) -> bool {
    let (position, keys) = (row + mask.offset, s.keys);
    let sees = |key: Option<usize>| key.is_some_and(|key| mask.admits(row, key, keys));
    let has_key = match name {
        "self_mass" => sees(Some(position)),
        "previous_mass" => sees(position.checked_sub(1)),
        // Position 0 looks at itself there.
        "first_mass" => sees((position > 0).then_some(0)),
        "same_token_mass" => s.same_token_keys.get(row).is_none_or(|&keys| keys > 0),
        _ => return true,
    };
    has_key && s.visible.get(row).is_none_or(|&visible| visible >= 2)
}

fn add_rows(means: &mut Means, s: &HeadStatistics, mask: &Mask) {
    let each = |f: fn(&HeadStatistics, usize) -> f32| (0..s.entropy.len()).map(move |row| f64::from(f(s, row)));
    for statistic in HeadStatistics::ROWS.iter().filter(|statistic| statistic.in_table) {
        let rows = statistic.read(s).into_iter().enumerate();
        let counted = rows.filter(|&(row, _)| chooses(statistic.name, s, mask, row));
        means.add(statistic.name, counted.map(|(_, value)| value));
        // What follows from the entropy stands beside it.
        if statistic.name == "entropy" {
            if s.visible.len() == s.entropy.len() {
                means.add("normalised_entropy", each(HeadStatistics::normalised_entropy));
            }
            // A row that sees one key spreads over one whatever the head does.
            let spread = |s: &HeadStatistics, row: usize| match s.visible.get(row) {
                Some(0 | 1) => f32::NAN,
                _ => s.effective_keys(row),
            };
            means.add("effective_keys", each(spread));
        }
    }
    let counted = (s.queries - s.empty_rows.min(s.queries) - s.invalid_rows.min(s.queries)) as f64;
    means.add("largest_column_share", s.column_argmax().map(|key| s.column_mass[key] / counted).into_iter());
}

impl Table {
    /// The columns of numbers that [`Table::of`] may have, but for those that name a row.
    pub fn names() -> Vec<&'static str> {
        let rows = HeadStatistics::ROWS.iter().filter(|statistic| statistic.in_table).map(|statistic| statistic.name);
        let more = ["normalised_entropy", "effective_keys", "largest_column_share"];
        ["inputs", "rows"].into_iter().chain(rows).chain(more).chain(["empty_rows", "invalid_rows"]).collect()
    }

    /// One row a kept head: means over inputs of their means over the rows that have a value. Masses on one key (the
    /// query's own, the previous, the first, those of its token) are over the rows that see such a key and another.
    ///
    /// `largest_column_share` is the attention that the best-attended key receives, as a share of all, averaged over
    /// inputs; `rows`, `empty_rows` and `invalid_rows` are counts over all inputs.
    ///
    /// # Errors
    /// What reading the statistics answers.
    pub fn of(patterns: &dyn Patterns) -> Result<Self> {
        Self::of_inputs(patterns, 0..patterns.inputs())
    }

    /// The same over some inputs alone.
    ///
    /// # Errors
    /// As [`Table::of`].
    pub fn of_inputs(patterns: &dyn Patterns, chosen: Range<usize>) -> Result<Self> {
        let (mut layers, mut heads, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut empty, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
        let mut numbers: Vec<(&'static str, Vec<f64>)> = Vec::new();
        for shape in patterns.layers() {
            for &head in &shape.heads {
                let mut means = Means::default();
                let mut counts = [0i64; 4];
                for input in chosen.clone() {
                    let Some(s) = patterns.statistics(shape.layer, head, input)? else { continue };
                    let found = [1, s.queries as i64, s.empty_rows as i64, s.invalid_rows as i64];
                    counts.iter_mut().zip(found).for_each(|(count, found)| *count += found);
                    add_rows(&mut means, &s, &patterns.mask(shape.layer, input)?);
                }
                for (name, sum, count) in means.0 {
                    let mean = sum / count as f64;
                    match numbers.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, column)) => column.resize(layers.len(), f64::NAN),
                        None => numbers.push((name, vec![f64::NAN; layers.len()])),
                    }
                    if let Some((_, column)) = numbers.iter_mut().find(|(known, _)| *known == name) {
                        column.push(mean);
                    }
                }
                layers.push(shape.layer as i64);
                heads.push(head as i64);
                for (column, count) in [&mut inputs, &mut rows, &mut empty, &mut invalid].into_iter().zip(counts) {
                    column.push(count);
                }
            }
        }
        let mut table = Self::default();
        let whole = [("layer", layers), ("head", heads), ("inputs", inputs), ("rows", rows)];
        let length = whole[0].1.len();
        table.columns.extend(whole.into_iter().map(|(name, x)| (name.to_string(), Column::Whole(x))));
        for (name, mut column) in numbers {
            column.resize(length, f64::NAN);
            if column.iter().any(|x| !x.is_nan()) {
                table.columns.push((name.to_string(), Column::Number(column)));
            }
        }
        for (name, column) in [("empty_rows", empty), ("invalid_rows", invalid)] {
            table.columns.push((name.to_string(), Column::Whole(column)));
        }
        Ok(table)
    }

    /// A table of given columns.
    ///
    /// # Errors
    /// `is_usage` if they differ in length or share a name.
    pub fn new(columns: Vec<(String, Column)>) -> Result<Self> {
        let lengths: Vec<usize> = columns.iter().map(|(_, column)| length(column)).collect();
        if lengths.windows(2).any(|w| w[0] != w[1]) {
            return Err(Error::usage(format!("table: columns of {lengths:?} rows; they must be equally long")));
        }
        let twice =
            columns.iter().enumerate().find(|(i, (name, _))| columns[..*i].iter().any(|(other, _)| other == name));
        match twice {
            Some((_, (name, _))) => Err(Error::usage(format!("table: two columns are called {name:?}"))),
            None => Ok(Self { columns }),
        }
    }

    /// The same table with more columns behind the others.
    ///
    /// # Errors
    /// As [`Table::new`].
    pub fn with(self, more: Vec<(String, Column)>) -> Result<Self> {
        Self::new(self.columns.into_iter().chain(more).collect())
    }

    /// The same table with a column before the others.
    ///
    /// # Errors
    /// As [`Table::new`].
    pub fn behind(self, name: &str, column: Column) -> Result<Self> {
        Self::new([(name.to_string(), column)].into_iter().chain(self.columns).collect())
    }

    /// The same table with its stack before the other columns, where a model has several.
    ///
    /// # Errors
    /// `is_usage` if it names one already.
    pub fn of_stack(self, stack: Stack) -> Result<Self> {
        let rows = self.rows();
        match stack.is_only() {
            true => Ok(self),
            false => self.behind("stack", Column::Text(vec![stack.to_string(); rows])),
        }
    }

    /// Tables one below the other; where one lacks a column, its rows have no value there.
    ///
    /// # Errors
    /// `is_usage` if a column of one name is of two types.
    pub fn joined(tables: Vec<Self>) -> Result<Self> {
        let mut joined: Vec<(String, Column)> = Vec::new();
        let mut before = 0;
        for table in tables {
            let rows = table.rows();
            for (name, column) in table.columns {
                match joined.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => {
                        append(known, before, &column).map_err(|why| Error::usage(format!("{name}: {why}")))?
                    }
                    None => {
                        let mut empty = nothing_like(&column);
                        append(&mut empty, before, &column).map_err(Error::usage)?;
                        joined.push((name, empty));
                    }
                }
            }
            before += rows;
            joined.iter_mut().for_each(|(_, column)| fill(column, before));
        }
        Self::new(joined)
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[(String, Column)] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| length(column))
    }

    fn cell(&self, column: usize, row: usize) -> Value {
        match &self.columns[column].1 {
            Column::Whole(x) => json!(x[row]),
            Column::Number(x) => json!(x[row].is_finite().then(|| x[row])),
            Column::MaybeWhole(x) => json!(x[row]),
            Column::Text(x) => json!(x[row]),
        }
    }

    /// Comma-separated values with a header line; RFC 4180 quoting; numbers at full precision.
    pub fn csv(&self) -> String {
        let quoted = |text: &str| match text.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_string(),
        };
        let line = |cells: Vec<String>| cells.join(",") + "\n";
        let mut csv = line(self.columns.iter().map(|(name, _)| quoted(name)).collect());
        for row in 0..self.rows() {
            let cell = |column| match self.cell(column, row) {
                Value::Null => String::new(),
                Value::String(text) => quoted(&text),
                value => value.to_string(),
            };
            csv += &line((0..self.columns.len()).map(cell).collect());
        }
        csv
    }
}

/// One object per row.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.rows()).map(|row| Row { table: self, row }))
    }
}

/// A row, its cells by name in the order of the columns.
struct Row<'a> {
    table: &'a Table,
    row: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut cells = serializer.serialize_map(Some(self.table.columns.len()))?;
        for (at, (name, _)) in self.table.columns.iter().enumerate() {
            cells.serialize_entry(name, &self.table.cell(at, self.row))?;
        }
        cells.end()
    }
}

fn length(column: &Column) -> usize {
    match column {
        Column::Whole(x) => x.len(),
        Column::Number(x) => x.len(),
        Column::MaybeWhole(x) => x.len(),
        Column::Text(x) => x.len(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::to_value;

    use super::*;

    #[test]
    fn tables_stand_below_each_other_with_gaps_where_there_is_no_value() {
        let mut whole = Column::Whole(vec![1, 2]);
        fill(&mut whole, 2);
        assert_eq!(whole, Column::Whole(vec![1, 2]));
        append(&mut whole, 3, &Column::Whole(vec![4])).unwrap();
        assert_eq!(whole, Column::MaybeWhole(vec![Some(1), Some(2), None, Some(4)]));
        let mut late = nothing_like(&Column::Number(vec![0.5]));
        append(&mut late, 1, &Column::Number(vec![0.5])).unwrap();
        assert!(matches!(&late, Column::Number(x) if x[0].is_nan() && x[1] == 0.5));
        assert!(append(&mut late, 2, &Column::Whole(vec![1])).is_err());
        let of = |name: &str, column| Table::new(vec![(name.to_string(), column)]).unwrap();
        let joined = Table::joined(vec![
            of("step", Column::Whole(vec![1])),
            of("step", Column::MaybeWhole(vec![None])),
            of("name", Column::Text(vec!["x".into()])),
        ]);
        let joined = joined.unwrap().of_stack(Stack::Encoder).unwrap();
        let names: Vec<&str> = joined.columns().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["stack", "step", "name"]);
        assert_eq!(joined.columns()[1].1, Column::MaybeWhole(vec![Some(1), None, None]));
        assert!(joined.clone().of_stack(Stack::Decoder).unwrap_err().is_usage());
        assert_eq!(joined.clone().of_stack(Stack::Only).unwrap(), joined);
    }

    fn table() -> Table {
        let columns = [
            ("layer", Column::Whole(vec![0, 7])),
            ("entropy", Column::Number(vec![1.25, f64::NAN])),
            ("name", Column::Text(vec!["a,\"b\"".into(), "ø".into()])),
        ];
        Table::new(columns.map(|(name, column)| (name.to_string(), column)).into()).unwrap()
    }

    #[test]
    fn csv_quotes_and_leaves_missing_cells_empty() {
        assert_eq!(table().csv(), "layer,entropy,name\n0,1.25,\"a,\"\"b\"\"\"\n7,,ø\n");
    }

    #[test]
    fn json_has_null_for_a_missing_value() {
        assert_eq!(to_value(table()).unwrap()[1], json!({ "layer": 7, "entropy": null, "name": "ø" }));
    }

    #[test]
    fn more_columns_stand_behind_the_others() {
        let more = table().with(vec![("rank".to_string(), Column::Number(vec![2.0, f64::NAN]))]).unwrap();
        assert_eq!(more.csv().lines().next(), Some("layer,entropy,name,rank"));
        assert_eq!(to_value(&more).unwrap()[0]["rank"], 2.0);
        assert!(table().with(vec![("layer".to_string(), Column::Whole(vec![1, 2]))]).unwrap_err().is_usage());
        assert!(table().with(vec![("rank".to_string(), Column::Number(vec![1.0]))]).unwrap_err().is_usage());
    }

    #[test]
    fn unequal_columns_are_refused() {
        let columns = vec![("a".to_string(), Column::Whole(vec![1])), ("b".to_string(), Column::Whole(vec![]))];
        assert!(Table::new(columns).unwrap_err().is_usage());
    }
}
