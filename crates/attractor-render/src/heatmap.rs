//! One head: query against key, ticks or tokens, and a colour bar with numbers.

use crate::colour::{self, ColourMap, NAN, Scale};
use crate::error::Result;
use crate::map::Map;
use crate::raster;
use crate::svg::{Anchor, Svg};
use crate::text;

/// Longest side of the picture's cells, CSS pixels.
const EXTENT: f64 = 384.0;
/// Most tokens that are written out along an axis.
pub const MOST_LABELS: usize = 40;
/// Longest label, characters.
const LABEL: usize = 14;
const SMALL: f64 = 10.0;

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
}

impl Default for Style {
    fn default() -> Self {
        Self {
            colours: ColourMap::default(),
            scale: Scale::unit(),
            unit: "attention weight".to_string(),
            rows: "query (destination)".to_string(),
            columns: "key (source)".to_string(),
        }
    }
}

/// A heatmap as SVG.
///
/// `tokens` are written along the axes where there are at most 40, one a position; otherwise positions are. Pooled maps
/// say so under the title. Forbidden cells are left blank, cells that are no number have a colour of their own, and
/// their number is written beside the bar.
///
/// # Errors
/// `is_shape` for a map without cells.
pub fn heatmap(map: &Map, title: &str, tokens: &[&str], style: &Style) -> Result<String> {
    let png = raster::png(map, style.colours, &style.scale)?;
    // Whole pixels a cell keep cells of one size; a map of few cells does not fill the page.
    let longest = map.rows.max(map.columns) as f64;
    let cell = (EXTENT / longest).floor().clamp(1.0, 36.0);
    let (width, height) = (map.columns as f64 * cell, map.rows as f64 * cell);

    let labelled = |n: usize, cells: usize| n == cells && n <= MOST_LABELS && tokens.len() >= n;
    let rows = Axis::new(map.queries, map.rows, cell, labelled(map.queries, map.rows).then_some(tokens));
    let columns = Axis::new(map.keys, map.columns, cell, labelled(map.keys, map.columns).then_some(tokens));

    let subtitle = subtitle(map);
    let left = 30.0 + rows.extent();
    let top = if subtitle.is_empty() { 34.0 } else { 48.0 };
    let below = 30.0 + if columns.is_labelled() { columns.extent() } else { 16.0 };
    let bar_height = height.max(96.0);
    let right = 92.0;
    // A narrow map still has room for its title.
    let whole = (left + width + right).max(left + 0.62 * 10.5 * subtitle.chars().count() as f64).max(220.0);
    let mut svg = Svg::new(whole, top + bar_height.max(height + below - 12.0) + 12.0, &name(map, title));

    svg.text((left, 18.0), Anchor::Start, 14.0, "ink title", title);
    if !subtitle.is_empty() {
        svg.text((left, 35.0), Anchor::Start, 10.5, "muted", &subtitle);
    }
    // Shows through where cells are forbidden.
    let blank = |svg: &mut Svg, x: f64, y: f64, w: f64, h: f64| {
        svg.element(
            "rect",
            &[("class", &"forbidden"), ("x", &x), ("y", &y), ("width", &w), ("height", &h), ("fill", &"#e9e9ee")],
        );
    };
    blank(&mut svg, left, top, width, height);
    svg.image((left, top, width, height), &png);
    frame(&mut svg, left, top, width, height);
    rows.draw(&mut svg, (left, top), false);
    columns.draw(&mut svg, (left, top + height), true);
    svg.rotated((left - rows.extent() - 12.0, top + height / 2.0), -90.0, Anchor::Middle, 11.0, "ink", &style.rows);
    svg.text((left + width / 2.0, top + height + below - 8.0), Anchor::Middle, 11.0, "ink", &style.columns);

    let bar = (left + width + 16.0, top);
    colour_bar(&mut svg, bar, bar_height.min(220.0), style)?;
    let mut y = top + bar_height.min(220.0) + 22.0;
    let bad = map.not_numbers();
    if bad > 0 {
        swatch(&mut svg, (bar.0, y), &colour::hex(NAN), "nan");
        svg.text((bar.0 + 17.0, y + 9.0), Anchor::Start, SMALL, "ink", &format!("NaN: {bad}"));
        y += 18.0;
    }
    if map.forbidden.iter().any(|&f| f) && y + 12.0 < top + bar_height.max(height + below) {
        swatch(&mut svg, (bar.0, y), "#e9e9ee", "forbidden");
        svg.text((bar.0 + 17.0, y + 9.0), Anchor::Start, SMALL, "ink", "masked");
    }
    Ok(svg.finish())
}

fn subtitle(map: &Map) -> String {
    if !map.is_pooled() {
        return String::new();
    }
    let (down, across) = (map.queries.div_ceil(map.rows), map.keys.div_ceil(map.columns));
    let up_to = if map.queries % map.rows + map.keys % map.columns > 0 { "up to " } else { "" };
    format!("{} × {} weights; a cell is the maximum of {up_to}{down} × {across}", map.queries, map.keys)
}

fn name(map: &Map, title: &str) -> String {
    let peak = map
        .peak()
        .map_or("no finite weight".to_string(), |p| format!("largest weight {}", colour::number(f64::from(p))));
    format!("{title}: attention from {} queries (rows) to {} keys (columns), {peak}", map.queries, map.keys)
}

pub(crate) fn frame(svg: &mut Svg, x: f64, y: f64, width: f64, height: f64) {
    svg.element(
        "rect",
        &[
            ("class", &"axis"),
            ("x", &x),
            ("y", &y),
            ("width", &width),
            ("height", &height),
            ("fill", &"none"),
            ("stroke", &"#666"),
            ("stroke-width", &"0.75"),
        ],
    );
}

fn swatch(svg: &mut Svg, (x, y): (f64, f64), fill: &str, class: &str) {
    svg.element(
        "rect",
        &[("class", &class), ("x", &x), ("y", &y), ("width", &"11"), ("height", &"11"), ("fill", &fill)],
    );
    frame(svg, x, y, 11.0, 11.0);
}

/// The bar, its numbers and what they measure, to the right of `place`.
pub(crate) fn colour_bar(svg: &mut Svg, (x, y): (f64, f64), height: f64, style: &Style) -> Result<()> {
    let width = 11.0;
    svg.image((x, y, width, height), &raster::ramp(style.colours)?);
    frame(svg, x, y, width, height);
    let mut widest: f64 = 0.0;
    for tick in style.scale.ticks((height / 36.0).clamp(2.0, 6.0) as usize) {
        let at = y + height * (1.0 - style.scale.position(tick));
        let number = colour::number(tick);
        svg.line((x + width, at), (x + width + 4.0, at));
        svg.text((x + width + 7.0, at + 3.5), Anchor::Start, SMALL, "ink", &number);
        widest = widest.max(text::width(&number) * SMALL);
    }
    svg.rotated((x + width + 22.0 + widest, y + height / 2.0), -90.0, Anchor::Middle, 11.0, "ink", &style.unit);
    Ok(())
}

/// The positions along a side: tokens where they fit, round numbers otherwise.
struct Axis<'a> {
    /// Positions.
    count: usize,
    /// CSS pixels for a position.
    step: f64,
    tokens: Option<&'a [&'a str]>,
}

impl<'a> Axis<'a> {
    fn new(count: usize, cells: usize, cell: f64, tokens: Option<&'a [&'a str]>) -> Self {
        Self { count, step: cells as f64 * cell / count.max(1) as f64, tokens }
    }

    fn is_labelled(&self) -> bool {
        self.tokens.is_some()
    }

    fn size(&self) -> f64 {
        (self.step * 0.95).clamp(7.5, 11.0)
    }

    /// Room that the labels take, away from the map.
    fn extent(&self) -> f64 {
        let widest = match self.tokens {
            Some(tokens) => {
                let wide = |t: &&str| text::width(&text::label(t, LABEL));
                self.size() * tokens.iter().take(self.count).map(wide).fold(1.0, f64::max)
            }
            None => SMALL * 0.62 * self.count.saturating_sub(1).to_string().len() as f64,
        };
        widest + 8.0
    }

    fn draw(&self, svg: &mut Svg, (x, y): (f64, f64), across: bool) {
        match self.tokens {
            Some(tokens) => {
                for (position, token) in tokens.iter().take(self.count).enumerate() {
                    let at = (position as f64 + 0.5) * self.step;
                    let label = text::label(token, LABEL);
                    match across {
                        true => svg.rotated(
                            (x + at + self.size() * 0.35, y + 6.0),
                            -90.0,
                            Anchor::End,
                            self.size(),
                            "ink",
                            &label,
                        ),
                        false => {
                            svg.text((x - 6.0, y + at + self.size() * 0.35), Anchor::End, self.size(), "ink", &label)
                        }
                    }
                }
            }
            None => {
                let last = self.count.saturating_sub(1) as f64;
                let room = (self.count as f64 * self.step / 48.0).clamp(1.0, 8.0);
                for tick in colour::ticks(0.0, last.max(0.0), room as usize).into_iter().filter(|t| t.fract() == 0.0) {
                    let at = (tick + 0.5) * self.step;
                    let number = format!("{tick:.0}");
                    match across {
                        true => {
                            svg.line((x + at, y), (x + at, y + 4.0));
                            svg.text((x + at, y + 15.0), Anchor::Middle, SMALL, "ink", &number);
                        }
                        false => {
                            svg.line((x - 4.0, y + at), (x, y + at));
                            svg.text((x - 7.0, y + at + 3.5), Anchor::End, SMALL, "ink", &number);
                        }
                    }
                }
            }
        }
    }
}
