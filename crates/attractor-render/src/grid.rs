//! Many heads at once: the heads of a layer side by side, and a map of layers by heads.

use crate::colour::{self, is_light};
use crate::error::Result;
use crate::heatmap::{Style, colour_bar, frame};
use crate::map::{HeadMap, Map};
use crate::raster;
use crate::svg::{Anchor, Svg};

/// Side of a small map, CSS pixels.
const PANEL: f64 = 96.0;
/// Cells of a small map; more than pixels would be invisible.
const CELLS: usize = 48;
/// Width of an overview, CSS pixels; three stand side by side in a page.
const OVERVIEW: f64 = 256.0;
/// Small maps in a row.
const ACROSS: usize = 8;

/// The heads of a layer as small maps with one scale, under `title` unless it is empty, each a link to `#L1H3` if `linked`.
///
/// # Errors
/// `is_shape` for a map without cells.
pub fn layer_grid(heads: &[&HeadMap], title: &str, style: &Style, linked: bool) -> Result<String> {
    let across = heads.len().clamp(1, ACROSS);
    let down = heads.len().div_ceil(ACROSS).max(1);
    let (gap, line) = (12.0, 18.0);
    let (left, top) = (4.0, if title.is_empty() { 8.0 } else { 30.0 });
    let (width, height) = (across as f64 * (PANEL + gap), down as f64 * (PANEL + gap + line));
    let layers = heads.first().map_or(String::new(), |h| format!("Layer {}, ", h.layer));
    let name = format!("{layers}{} heads, row = query, column = key", heads.len());
    let mut svg = Svg::new(left + width + 84.0, top + height, &name);
    if !title.is_empty() {
        svg.text((left, 16.0), Anchor::Start, 14.0, "ink title", title);
    }
    for (index, head) in heads.iter().enumerate() {
        let x = left + (index % ACROSS) as f64 * (PANEL + gap);
        let y = top + (index / ACROSS) as f64 * (PANEL + gap + line);
        let label = format!("L{}H{}", head.layer, head.head);
        match linked {
            true => svg.group("a", &[("href", &format!("#{label}"))]),
            false => svg.group("g", &[]),
        }
        svg.element(
            "rect",
            &[
                ("class", &"forbidden"),
                ("x", &x),
                ("y", &y),
                ("width", &PANEL),
                ("height", &PANEL),
                ("fill", &"#e9e9ee"),
            ],
        );
        let small = head.map.pooled(CELLS)?;
        svg.image((x, y, PANEL, PANEL), &raster::png(&small, style.colours, &style.scale)?);
        frame(&mut svg, x, y, PANEL, PANEL);
        svg.text((x + PANEL / 2.0, y + PANEL + 13.0), Anchor::Middle, 11.0, "ink", &label);
        svg.close();
    }
    colour_bar(&mut svg, (left + width + 4.0, top), (PANEL - 4.0).max(60.0), style)?;
    Ok(svg.finish())
}

/// A figure of every head: layers down, heads across.
#[derive(Debug, Clone)]
pub struct Overview<'a> {
    /// Heading.
    pub title: &'a str,
    /// (layer, head, figure); what is not testable is `None`.
    pub heads: &'a [(usize, usize, Option<f64>)],
    /// True if the cells are links to `#L1H3`.
    pub linked: bool,
}

/// The figures of all heads as a map with their numbers in it where they fit.
///
/// A head without a figure is a dash, a head that was not captured is blank. Without heads there is nothing to draw.
///
/// # Errors
/// `is_shape` if there are more layers or heads than a picture holds.
pub fn overview(figure: &Overview<'_>, style: &Style) -> Result<Option<String>> {
    let mut layers: Vec<usize> = figure.heads.iter().map(|h| h.0).collect();
    layers.sort_unstable();
    layers.dedup();
    let Some(last) = figure.heads.iter().map(|h| h.1).max() else { return Ok(None) };
    // A capture may hold few of many heads: only their numbers are columns.
    let mut numbers: Vec<usize> = figure.heads.iter().map(|h| h.1).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let (rows, columns) = (layers.len(), numbers.len());
    let mut map = Map {
        rows,
        columns,
        cells: vec![0.0; rows * columns],
        forbidden: vec![true; rows * columns],
        queries: rows,
        keys: columns,
    };
    let mut testable = vec![false; rows * columns];
    for &(layer, head, value) in figure.heads {
        if let (Ok(row), Ok(column)) = (layers.binary_search(&layer), numbers.binary_search(&head)) {
            let cell = row * columns + column;
            map.forbidden[cell] = value.is_none();
            testable[cell] = true;
            map.cells[cell] = value.unwrap_or(0.0) as f32;
        }
    }
    let cell = (OVERVIEW / columns as f64).floor().clamp(8.0, 38.0);
    let down = cell.min((640.0 / rows as f64).floor().clamp(6.0, 24.0).max(cell.min(24.0) * 0.5));
    let (width, height) = (columns as f64 * cell, rows as f64 * down);
    let left = 36.0 + 6.2 * layers.last().map_or(1, |l| l.to_string().len()) as f64;
    let (top, bar_height) = (30.0, height.clamp(72.0, 200.0));
    let whole = (left + width + if style.unit.is_empty() { 56.0 } else { 92.0 }).max(200.0);
    let mut svg =
        Svg::new(whole, top + (height + 40.0).max(bar_height + 10.0), &format!("{}, layers by heads", figure.title));
    svg.text((left, 17.0), Anchor::Start, 14.0, "ink title", figure.title);
    svg.image((left, top, width, height), &raster::png(&map, style.colours, &style.scale)?);
    frame(&mut svg, left, top, width, height);
    let written = cell >= 20.0 && down >= 14.0;
    for (index, &known) in testable.iter().enumerate() {
        if !known {
            continue;
        }
        let (row, column) = (index / columns, index % columns);
        let (x, y) = (left + column as f64 * cell, top + row as f64 * down);
        if figure.linked {
            svg.group("a", &[("href", &format!("#L{}H{}", layers[row], numbers[column]))]);
            // The whole cell can be clicked.
            svg.element(
                "rect",
                &[
                    ("x", &x),
                    ("y", &y),
                    ("width", &cell),
                    ("height", &down),
                    ("fill", &"none"),
                    ("pointer-events", &"all"),
                ],
            );
        }
        let middle = (x + cell / 2.0, y + down / 2.0 + 3.5);
        match map.is_forbidden(index) {
            true => svg.text(middle, Anchor::Middle, 10.0, "muted", "–"),
            false if written => {
                let value = f64::from(map.cells[index]);
                let light = is_light(style.colours.at(style.scale.position(value)));
                svg.text(
                    middle,
                    Anchor::Middle,
                    if cell < 24.0 { 9.0 } else { 10.0 },
                    if light { "on-light" } else { "on-dark" },
                    &two_digits(value),
                );
            }
            false => {}
        }
        if figure.linked {
            svg.close();
        }
    }
    let every = |n: usize, size: f64, room: f64| (room / size).ceil().max(1.0) as usize * usize::from(n > 0).max(1);
    for (row, layer) in layers.iter().enumerate().step_by(every(rows, down, 12.0)) {
        svg.text((left - 6.0, top + (row as f64 + 0.5) * down + 3.5), Anchor::End, 10.0, "ink", &layer.to_string());
    }
    let digits = last.to_string().len() as f64;
    for (column, head) in numbers.iter().enumerate().step_by(every(columns, cell, 8.0 + 6.0 * digits)) {
        let x = left + (column as f64 + 0.5) * cell;
        svg.text((x, top + height + 14.0), Anchor::Middle, 10.0, "ink", &head.to_string());
    }
    svg.rotated((12.0, top + height / 2.0), -90.0, Anchor::Middle, 11.0, "ink", "layer");
    svg.text((left + width / 2.0, top + height + 31.0), Anchor::Middle, 11.0, "ink", "head");
    colour_bar(&mut svg, (left + width + 14.0, top), bar_height, style)?;
    Ok(Some(svg.finish()))
}

/// Two digits after the point, without the leading zero: ".87".
fn two_digits(value: f64) -> String {
    if !value.is_finite() {
        return colour::number(value);
    }
    let text = format!("{value:.2}");
    let text = if text == "-0.00" { "0.00".to_string() } else { text };
    match text.strip_prefix("0.") {
        Some(rest) => format!(".{rest}"),
        None if value.abs() >= 10.0 => colour::number(value),
        None => text.replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_into_cells() {
        let all = [0.0, -1e-9, 0.874, 1.0, -0.25, 12.34, f64::NAN].map(two_digits);
        assert_eq!(all, [".00", ".00", ".87", "1.00", "−0.25", "12.3", "NaN"]);
    }
}
