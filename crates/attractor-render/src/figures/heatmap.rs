//! One head: query against key, ticks or tokens, and a colour bar with numbers.

use crate::canvas::colour::{ColourMap, NAN};
use crate::canvas::layout::frame;
use crate::canvas::layout::{self, Heading, LABEL, Legend, SMALL, Sign, rect};
use crate::canvas::numbers;
use crate::canvas::raster;
use crate::canvas::scale::Scale;
use crate::canvas::scale::{Spacing, labels};
use crate::canvas::svg::{Anchor, Svg};
use crate::canvas::text;
pub use crate::figures::positions::MOST_LABELS;
use crate::figures::positions::{Bands, Positions, draw_boundary};
use crate::maps::map::{Map, Pooling};
use attractor::Result;

/// Longest side of the picture's cells, CSS pixels.
const EXTENT: f64 = 384.0;
/// Ground of what the mask forbids.
pub(crate) const BLANK: &str = "#e9e9ee";

/// How a heatmap is drawn.
#[derive(Debug, Clone)]
pub struct Style {
    /// Colour map.
    pub colours: ColourMap,
    /// From weights to colours.
    pub scale: Scale,
    /// What the colour bar measures.
    pub unit: String,
    /// Name of the rows.
    pub rows: String,
    /// Name of the columns.
    pub columns: String,
    /// Where the prompt ends: the first generated position.
    pub boundary: Option<usize>,
    /// Classes of the positions, drawn along both sides.
    pub bands: Bands,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            colours: ColourMap::default(),
            scale: Scale::unit(),
            unit: "attention weight".to_string(),
            rows: "query (destination)".to_string(),
            columns: "key (source)".to_string(),
            boundary: None,
            bands: Bands::default(),
        }
    }
}

/// A heatmap as SVG.
///
/// `tokens` are written along the axes where there are at most 40, one per position; otherwise positions are. Pooled maps
/// and maps whose weights were changed say so under the title. Forbidden cells are left blank, cells that are no
/// number have a colour of their own, and their number is written beside the bar.
///
/// # Errors
/// `is_shape` for a map without cells, and for bands that do not fit it.
pub fn heatmap(map: &Map, title: &str, tokens: &[&str], style: &Style) -> Result<String> {
    // Whole pixels a cell keep cells of one size; a map of few cells does not fill the page.
    let panel = MapPanel::new(map, tokens, style, EXTENT, 36.0)?;
    let left = panel.left();
    let bar = Bar::new(style, panel.height.max(96.0).min(220.0));
    let (extras, extra_height) = extras(map);
    let extras = Legend::new(extras, 0.0);
    let content = left + panel.width + 16.0 + bar.width().max(extras.width());
    let mut said = notes(map);
    said.push(beyond(map, style));
    let heading = Heading::new(title, &said, (content - left - 6.0).max(300.0));
    let legend = Legend::new(band_names(style), (content - left).max(300.0));
    let top = heading.height() + legend.height() + panel.above();
    let whole = content.max(left + heading.width() + 8.0).max(left + legend.width() + 8.0).max(220.0);
    let height = (panel.height + panel.below()).max(bar.height + 16.0 + extra_height);

    let mut svg = Svg::new(whole, top + height + 6.0, &name(map, title));
    heading.draw(&mut svg, left);
    legend.draw(&mut svg, (left, heading.height()));
    panel.draw(&mut svg, (left, top), style)?;
    let x = left + panel.width + 16.0;
    bar.draw(&mut svg, (x, top), style)?;
    extras.draw(&mut svg, (x, top + bar.height + 14.0));
    Ok(svg.finish())
}

/// A map with what stands along its left and lower side.
pub(crate) struct MapPanel<'a> {
    map: &'a Map,
    png: Vec<u8>,
    rows: Positions<'a>,
    columns: Positions<'a>,
    boundary: Option<usize>,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl<'a> MapPanel<'a> {
    /// At most `extent` CSS pixels along its longer side, `largest` for a cell.
    pub(crate) fn new(
        map: &'a Map,
        tokens: &'a [&'a str],
        style: &'a Style,
        extent: f64,
        largest: f64,
    ) -> Result<Self> {
        let png = raster::png(map, style.colours, &style.scale)?;
        style.bands.check(map.queries, map.keys)?;
        let cell = (extent / map.rows.max(map.columns) as f64).floor().clamp(1.0, largest);
        Ok(Self {
            map,
            png,
            rows: Positions::new(map.queries, map.rows, cell, tokens, &style.bands.queries),
            columns: Positions::new(map.keys, map.columns, cell, tokens, &style.bands.keys),
            boundary: style.boundary.filter(|&b| b > 0 && b < map.keys),
            width: map.columns as f64 * cell,
            height: map.rows as f64 * cell,
        })
    }

    /// Room to the left of the cells.
    pub(crate) fn left(&self) -> f64 {
        self.rows.extent(false) + 20.0
    }

    /// Room above them, for the names of prompt and continuation.
    pub(crate) fn above(&self) -> f64 {
        if self.boundary.is_some() { 16.0 } else { 0.0 }
    }

    /// Room below them.
    pub(crate) fn below(&self) -> f64 {
        self.columns.extent(true) + 20.0
    }

    /// Draws it; (x, y) is the corner of the cells.
    pub(crate) fn draw(&self, svg: &mut Svg, (x, y): (f64, f64), style: &Style) -> Result<()> {
        self.draw_inner(svg, (x, y), style)?;
        self.rows.draw(svg, (x, y), false);
        let label_x = x - self.rows.extent(false) - 6.0;
        svg.rotated((label_x, y + self.height / 2.0), -90.0, Anchor::Middle, LABEL, "ink", &style.rows);
        Ok(())
    }

    /// The same without what stands to its left, for a panel beside another with the same rows.
    pub(crate) fn draw_inner(&self, svg: &mut Svg, (x, y): (f64, f64), style: &Style) -> Result<()> {
        let (width, height) = (self.width, self.height);
        // Shows through where cells are forbidden.
        rect(svg, (x, y, width, height), "forbidden", BLANK);
        svg.image((x, y, width, height), &self.png);
        if let Some(boundary) = self.boundary {
            draw_boundary(svg, (x, y, width, height), boundary, (self.map.queries, self.map.keys));
        }
        frame(svg, x, y, width, height);
        self.columns.draw(svg, (x, y + height), true);
        svg.text((x + width / 2.0, y + height + self.below() - 5.0), Anchor::Middle, LABEL, "ink", &style.columns);
        Ok(())
    }
}

/// What is said of a map under its title: what was done to it, and how it was pooled.
pub(crate) fn notes(map: &Map) -> Vec<String> {
    let mut all = map.notes.clone();
    if map.is_pooled() {
        let (down, across) = (map.queries.div_ceil(map.rows.max(1)), map.keys.div_ceil(map.columns.max(1)));
        let even = map.queries % map.rows.max(1) + map.keys % map.columns.max(1) == 0;
        let up_to = if even { "" } else { "up to " };
        let what = match map.pooling {
            Pooling::Maximum => "maximum",
            Pooling::Mean => "mean",
            Pooling::Magnitude => "largest difference",
        };
        all.push(format!("{} × {} weights; a cell is the {what} of {up_to}{down} × {across}", map.queries, map.keys));
    }
    all
}

/// How many cells the scale cannot tell apart from its ends.
fn beyond(map: &Map, style: &Style) -> String {
    let (low, high) = (style.scale.low(), style.scale.high());
    // Weights are single precision: an end that was rounded is not passed.
    let slack = 1e-6 * (high - low).abs();
    let below = map.values().filter(|v| *v < low - slack.min(1e-6 * low.abs())).count();
    let above = map.values().filter(|v| *v > high + slack).count();
    match (below, above) {
        (0, 0) => String::new(),
        (n, 0) => format!("{n} cells lie below the scale and have its lowest colour"),
        (0, n) => format!("{n} cells lie above the scale and have its highest colour"),
        (n, m) => format!("{n} cells lie below the scale, {m} above it"),
    }
}

fn name(map: &Map, title: &str) -> String {
    let peak = map
        .peak()
        .map_or("no finite weight".to_string(), |p| format!("largest weight {}", numbers::number(f64::from(p))));
    format!("{title}: attention from {} queries (rows) to {} keys (columns), {peak}", map.queries, map.keys)
}

/// The classes of the bands that occur, for a legend.
pub(crate) fn band_names(style: &Style) -> Vec<(Sign, String)> {
    let used = |class: usize| style.bands.queries.iter().chain(&style.bands.keys).any(|c| *c == Some(class));
    let all = style.bands.classes.iter().enumerate().filter(|(class, _)| used(*class));
    all.map(|(class, name)| (Sign::Square("band", layout::colour(class)), name.clone())).collect()
}

/// What the bar does not explain, and the room that it takes: cells that are not a number, cells that are masked.
fn extras(map: &Map) -> (Vec<(Sign, String)>, f64) {
    let mut all = Vec::new();
    let bad = map.not_numbers();
    if bad > 0 {
        all.push((Sign::Square("nan", NAN_COLOUR), format!("NaN: {bad}")));
    }
    if map.forbidden.iter().any(|&f| f) {
        let name = if map.hides_keys { "masked or hidden" } else { "masked" };
        all.push((Sign::Square("forbidden", BLANK), name.to_string()));
    }
    let height = all.len() as f64 * 17.0;
    (all, height)
}

/// [`NAN`] in words of SVG.
pub(crate) const NAN_COLOUR: &str = "#ff00c8";
const _: () = assert!(NAN[0] == 0xFF && NAN[1] == 0 && NAN[2] == 0xC8);

/// A colour bar, its numbers and what they measure.
pub(crate) struct Bar {
    pub(crate) height: f64,
    ticks: Vec<(f64, String)>,
    widest: f64,
    unit: Vec<String>,
}

impl Bar {
    const WIDTH: f64 = 11.0;
    /// Between the lines of what is measured.
    const LINE: f64 = 13.0;

    pub(crate) fn new(style: &Style, height: f64) -> Self {
        // One number does not say what the colours mean: round numbers are sought more closely until there are three.
        let wanted = (height / 26.0).clamp(2.0, 6.0) as usize;
        let several = (wanted..=2 * wanted).map(|count| style.scale.ticks(count)).find(|ticks| ticks.len() > 2);
        let ticks = several.unwrap_or_else(|| style.scale.ticks(wanted));
        let texts = labels(&ticks, style.scale.spacing());
        let widest = texts.iter().map(|t| text::width(t) * SMALL).fold(0.0, f64::max);
        let how = match style.scale.spacing() {
            Spacing::Linear => "",
            Spacing::Log => "log scale",
            Spacing::Quantile => "by rank",
        };
        let parts: Vec<&str> = [style.unit.as_str(), how].into_iter().filter(|part| !part.is_empty()).collect();
        let line = parts.join(", ");
        // Beside a short bar each part has a line of its own.
        let unit = match text::width(&line) * LABEL > height {
            true => parts.iter().map(ToString::to_string).collect(),
            false => parts.first().map(|_| line).into_iter().collect(),
        };
        Self { height, ticks: ticks.into_iter().zip(texts).collect(), widest, unit }
    }

    /// Its width with numbers and unit.
    pub(crate) fn width(&self) -> f64 {
        let unit = if self.unit.is_empty() { 4.0 } else { 22.0 + Self::LINE * (self.unit.len() - 1) as f64 };
        Self::WIDTH + 9.0 + self.widest + unit
    }

    /// Draws it to the right of and below (x, y).
    pub(crate) fn draw(&self, svg: &mut Svg, (x, y): (f64, f64), style: &Style) -> Result<()> {
        let (width, height) = (Self::WIDTH, self.height);
        svg.image((x, y, width, height), &raster::ramp(style.colours)?);
        frame(svg, x, y, width, height);
        // Quantiles of data with ties crowd: a number that would stand on another is left out.
        let mut free = f64::INFINITY;
        for (tick, text) in &self.ticks {
            let at = y + height * (1.0 - style.scale.position(*tick));
            svg.line((x + width, at), (x + width + 4.0, at));
            if at + 10.0 <= free {
                svg.text((x + width + 7.0, at + 3.5), Anchor::Start, SMALL, "ink", text);
                free = at;
            }
        }
        for (line, unit) in self.unit.iter().enumerate() {
            let place = (x + width + 21.0 + self.widest + Self::LINE * line as f64, y + height / 2.0);
            svg.rotated(place, -90.0, Anchor::Middle, LABEL, "ink", unit);
        }
        Ok(())
    }
}

/// The bar, its numbers and what they measure, to the right of `place`.
pub(crate) fn colour_bar(svg: &mut Svg, place: (f64, f64), height: f64, style: &Style) -> Result<()> {
    Bar::new(style, height).draw(svg, place, style)
}
