//! Many heads at once: the heads of a layer side by side, all heads of a model, and a number for every head.

use crate::canvas::colour::{ColourMap, is_light};
use crate::canvas::layout::frame;
use crate::canvas::layout::{Heading, SMALL, rect};
use crate::canvas::numbers;
use crate::canvas::raster;
use crate::canvas::scale::Scale;
use crate::canvas::scale::{Spacing, labels};
use crate::canvas::svg::{Anchor, Svg};
use crate::canvas::text;
use crate::figures::heatmap::{self, BLANK, Bar, Style, colour_bar};
use crate::maps::map::{HeadMap, Map};
use attractor::Result;

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
    layer(heads, title, style, &Panels { linked, ..Panels::default() })
}

/// How small maps are laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Panels {
    /// True: one scale, that of the style, so that heads are compared with each other. False: each head from zero to
    /// the 98th percentile of its own cells, which is written beside its name, so that the pattern of faint heads is
    /// seen too. Not to the largest: the first row of causal attention is 1 whatever the head.
    pub shared: bool,
    /// True if each map is a link to `#L1H3`.
    pub linked: bool,
    /// Maps in a row.
    pub across: usize,
}

impl Default for Panels {
    fn default() -> Self {
        Self { shared: true, linked: false, across: ACROSS }
    }
}

/// The heads of a layer as small maps.
///
/// Without heads there is only the bar. With scales of their own there is no bar that would do for all, and a note
/// says so; a head without a finite weight above zero is drawn from 0 to 1.
///
/// # Errors
/// `is_shape` for a map without cells.
pub fn layer(heads: &[&HeadMap], title: &str, style: &Style, panels: &Panels) -> Result<String> {
    let most = even(heads.len(), panels.across);
    let across = heads.len().clamp(1, most);
    let down = heads.len().div_ceil(most).max(1);
    let (gap, line) = (12.0, 18.0);
    let left = 4.0;
    let width = across as f64 * (PANEL + gap) - gap;
    let bar = panels.shared.then(|| Bar::new(style, PANEL));
    let mut notes = said(heads, CELLS)?;
    if !panels.shared {
        notes.push("each map from 0 to its own 98th percentile; what is larger has the highest colour".to_string());
    }
    let content = width + bar.as_ref().map_or(0.0, |b| 16.0 + b.width());
    let heading = Heading::new(title, &notes, content.max(200.0));
    let top = heading.height();
    let layers = heads.first().map_or(String::new(), |h| format!("Layer {}, ", h.layer));
    let name = format!("{layers}{} heads, row = query, column = key", heads.len());
    let whole = left + content.max(heading.width()) + 4.0;
    let mut svg = Svg::new(whole, top + down as f64 * (PANEL + gap + line) - gap + 4.0, &name);
    heading.draw(&mut svg, left);
    for (index, head) in heads.iter().enumerate() {
        let x = left + (index % most) as f64 * (PANEL + gap);
        let y = top + (index / most) as f64 * (PANEL + gap + line);
        let label = format!("L{}H{}", head.layer, head.head);
        match panels.linked {
            true => svg.group("a", &[("href", &format!("#{label}"))]),
            false => svg.group("g", &[]),
        }
        let top = reach(&head.map);
        let scale = match (panels.shared, top) {
            (true, _) => style.scale,
            (false, Some(top)) => Scale::linear(0.0, top)?,
            (false, None) => Scale::unit(),
        };
        small(&mut svg, (x, y, PANEL), &head.map, CELLS, style.colours, &scale)?;
        match (panels.shared, top) {
            (true, _) => svg.text((x + PANEL / 2.0, y + PANEL + 13.0), Anchor::Middle, 11.0, "ink", &label),
            (false, top) => {
                svg.text((x, y + PANEL + 13.0), Anchor::Start, 11.0, "ink", &label);
                let most = top.map_or("–".to_string(), |top| format!("0–{}", labels(&[top], Spacing::Quantile)[0]));
                svg.text((x + PANEL, y + PANEL + 13.0), Anchor::End, SMALL, "muted", &most);
            }
        }
        svg.close();
    }
    if let Some(bar) = bar {
        bar.draw(&mut svg, (left + width + 16.0, top), style)?;
    }
    Ok(svg.finish())
}

/// Maps in a row, at most `most`, so that rows are as equal as can be: twelve are six and six, not eight and four.
fn even(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most.max(1)).max(1)).max(1)
}

/// What is said of all maps of a figure: what was done to them, how they were pooled, and which are not numbers.
fn said(heads: &[&HeadMap], cells: usize) -> Result<Vec<String>> {
    let Some(first) = heads.first() else { return Ok(Vec::new()) };
    let mut notes = heatmap::notes(&first.map.pooled(cells)?);
    let bad = heads.iter().filter(|head| head.map.not_numbers() > 0).count();
    if bad > 0 {
        notes.push(format!("magenta: weights that are not numbers, in {bad} of {} maps", heads.len()));
    }
    Ok(notes)
}

/// The 98th percentile of a map's cells, or the largest if that is zero; `None` if no cell is above zero.
fn reach(map: &Map) -> Option<f64> {
    let mut all: Vec<f64> = map.values().collect();
    all.sort_unstable_by(f64::total_cmp);
    let high = *all.get((0.98 * all.len().saturating_sub(1) as f64).round() as usize)?;
    [high, *all.last()?].into_iter().find(|v| *v > 0.0)
}

/// A map without its axes, stretched to a square.
fn small(
    svg: &mut Svg,
    (x, y, side): (f64, f64, f64),
    map: &Map,
    cells: usize,
    colours: ColourMap,
    scale: &Scale,
) -> Result<()> {
    if map.forbidden.iter().any(|&f| f) {
        rect(svg, (x, y, side, side), "forbidden", BLANK);
    }
    svg.image((x, y, side, side), &raster::png(&map.pooled(cells)?, colours, scale)?);
    frame(svg, x, y, side, side);
    Ok(())
}

/// Every head of a model as a very small map: layers down, heads across, one scale.
///
/// A place without a map stays empty. Without any map there is nothing to draw.
///
/// # Errors
/// `is_shape` for a map without cells.
pub fn model(heads: &[&HeadMap], title: &str, style: &Style) -> Result<Option<String>> {
    let sorted = |of: fn(&HeadMap) -> usize| {
        let mut all: Vec<usize> = heads.iter().map(|h| of(h)).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (layers, numbers) = (sorted(|h| h.layer), sorted(|h| h.head));
    let (Some(&deepest), Some(&highest)) = (layers.last(), numbers.last()) else { return Ok(None) };
    let side = (560.0 / numbers.len() as f64).floor().clamp(18.0, 64.0);
    let gap = if side >= 36.0 { 4.0 } else { 2.0 };
    let left = 30.0 + text::width(&deepest.to_string()) * SMALL;
    let (width, height) = (numbers.len() as f64 * (side + gap) - gap, layers.len() as f64 * (side + gap) - gap);
    let bar = Bar::new(style, height.clamp(72.0, 200.0));
    let content = width + 16.0 + bar.width();
    let heading = Heading::new(title, &said(heads, side as usize)?, content.max(200.0));
    let top = heading.height();
    let name = format!("{title}: {} heads of {} layers, row = query, column = key", heads.len(), layers.len());
    let mut svg =
        Svg::new(left + content.max(heading.width()) + 2.0, top + (height + 38.0).max(bar.height + 8.0), &name);
    heading.draw(&mut svg, left);
    for head in heads {
        let (Ok(row), Ok(column)) = (layers.binary_search(&head.layer), numbers.binary_search(&head.head)) else {
            continue;
        };
        let place = (left + column as f64 * (side + gap), top + row as f64 * (side + gap), side);
        small(&mut svg, place, &head.map, side as usize, style.colours, &style.scale)?;
    }
    for (row, layer) in layers.iter().enumerate() {
        let y = top + row as f64 * (side + gap) + side / 2.0 + 3.5;
        svg.text((left - 6.0, y), Anchor::End, SMALL, "ink", &layer.to_string());
    }
    let step = ((text::width(&highest.to_string()) * SMALL + 6.0) / (side + gap)).ceil() as usize;
    for (column, head) in numbers.iter().enumerate().step_by(step.max(1)) {
        let x = left + column as f64 * (side + gap) + side / 2.0;
        svg.text((x, top + height + 14.0), Anchor::Middle, SMALL, "ink", &head.to_string());
    }
    svg.rotated((12.0, top + height / 2.0), -90.0, Anchor::Middle, 11.0, "ink", "layer");
    svg.text((left + width / 2.0, top + height + 30.0), Anchor::Middle, 11.0, "ink", "head");
    bar.draw(&mut svg, (left + width + 16.0, top), style)?;
    Ok(Some(svg.finish()))
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
        ..Map::empty()
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
        return numbers::number(value);
    }
    let text = format!("{value:.2}");
    let text = if text == "-0.00" { "0.00".to_string() } else { text };
    match text.strip_prefix("0.") {
        Some(rest) => format!(".{rest}"),
        None if value.abs() >= 10.0 => numbers::number(value),
        None => text.replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_of_its_own_is_not_set_by_the_first_row() {
        let n = 60;
        let uniform =
            Map::exact((0..n * n).map(|i| if i % n > i / n { 0.0 } else { 1.0 / (i / n + 1) as f32 }).collect(), n, n);
        let top = reach(&uniform.unwrap().causal().unwrap()).unwrap();
        assert!((0.05..0.2).contains(&top), "{top}");
        assert_eq!(reach(&Map::exact(vec![f32::NAN, 0.0, 0.0], 1, 3).unwrap()), None);
        let mut lone = vec![0.0; 400];
        lone[7] = 0.25;
        assert_eq!(reach(&Map::exact(lone, 20, 20).unwrap()), Some(0.25));
    }

    #[test]
    fn rows_of_maps_are_as_equal_as_can_be() {
        let all = [(0, 8), (1, 8), (8, 8), (9, 8), (12, 8), (16, 8), (20, 8), (32, 8), (5, 0)];
        assert_eq!(all.map(|(count, most)| even(count, most)), [1, 1, 8, 5, 6, 8, 7, 8, 1]);
    }

    #[test]
    fn figures_fit_into_cells() {
        let all = [0.0, -1e-9, 0.874, 1.0, -0.25, 12.34, f64::NAN].map(two_digits);
        assert_eq!(all, [".00", ".00", ".87", "1.00", "−0.25", "12.3", "NaN"]);
    }
}
