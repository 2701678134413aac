//! The two sides of a map: tokens or positions, bands of their classes, the end of the prompt.

use crate::canvas::layout::{self, INK, SMALL, rect};
use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;
use attractor::{Error, Result};

/// Most tokens that are written out along an axis.
pub const MOST_LABELS: usize = 40;
/// Longest label, characters.
const LABEL: usize = 14;
/// Width of a band, CSS pixels.
const BAND: f64 = 6.0;
/// Pieces that a band is cut into at most; more would be thinner than a pixel.
const PIECES: usize = 512;

/// Classes of the positions along the sides of a map: roles of tokens, speakers, segments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bands {
    /// Names of the classes, in the order of their colours.
    pub classes: Vec<String>,
    /// The class of each query; none for a position without one. Empty: no band.
    pub queries: Vec<Option<usize>>,
    /// The class of each key.
    pub keys: Vec<Option<usize>>,
}

impl Bands {
    /// The same classes along both sides, of a map of tokens against themselves.
    pub fn both(classes: Vec<String>, positions: Vec<Option<usize>>) -> Self {
        Self { classes, queries: positions.clone(), keys: positions }
    }

    pub(crate) fn check(&self, queries: usize, keys: usize) -> Result<()> {
        for (name, band, n) in [("queries", &self.queries, queries), ("keys", &self.keys, keys)] {
            if !band.is_empty() && band.len() != n {
                return Err(Error::shape(format!(
                    "bands: {} classes for {n} {name}; needs one per position, or none at all",
                    band.len()
                )));
            }
            if let Some(class) = band.iter().flatten().find(|&&c| c >= self.classes.len()) {
                return Err(Error::shape(format!(
                    "bands: class {class} of the {name} has no name; there are {} names",
                    self.classes.len()
                )));
            }
        }
        Ok(())
    }
}

/// The positions along a side: tokens where they fit, round numbers otherwise.
pub(crate) struct Positions<'a> {
    /// Positions.
    count: usize,
    /// CSS pixels for a position.
    step: f64,
    tokens: Option<&'a [&'a str]>,
    band: &'a [Option<usize>],
}

impl<'a> Positions<'a> {
    /// `count` positions in `cells` cells of `cell` CSS pixels.
    pub(crate) fn new(count: usize, cells: usize, cell: f64, tokens: &'a [&'a str], band: &'a [Option<usize>]) -> Self {
        let step = cells as f64 * cell / count.max(1) as f64;
        // Letters smaller than this are not read.
        let fits = count == cells && count <= MOST_LABELS && tokens.len() >= count && step >= 7.5;
        Self { count, step, tokens: fits.then_some(tokens), band }
    }

    fn size(&self) -> f64 {
        (self.step * 0.95).clamp(7.5, 11.0)
    }

    fn band(&self) -> f64 {
        if self.band.is_empty() { 0.0 } else { BAND + 2.0 }
    }

    /// Room that band and labels take, away from the map.
    pub(crate) fn extent(&self, across: bool) -> f64 {
        let labels = match self.tokens {
            Some(tokens) => {
                let wide = |t: &&str| text::width(&text::label(t, LABEL));
                self.size() * tokens.iter().take(self.count).map(wide).fold(1.0, f64::max) + 9.0
            }
            None if across => 17.0,
            None => text::width(&self.count.saturating_sub(1).to_string()) * SMALL + 9.0,
        };
        labels + self.band()
    }

    /// Along the left side of a map whose corner is (x, y), or below it if `across`.
    pub(crate) fn draw(&self, svg: &mut Svg, (x, y): (f64, f64), across: bool) {
        self.draw_band(svg, (x, y), across);
        let away = self.band();
        match self.tokens {
            Some(tokens) => {
                for (position, token) in tokens.iter().take(self.count).enumerate() {
                    let at = (position as f64 + 0.5) * self.step;
                    let label = text::label(token, LABEL);
                    let middle = self.size() * 0.35;
                    match across {
                        true => {
                            let place = (x + at + middle, y + 6.0 + away);
                            svg.rotated(place, -90.0, Anchor::End, self.size(), "ink", &label);
                        }
                        false => {
                            svg.text((x - 6.0 - away, y + at + middle), Anchor::End, self.size(), "ink", &label);
                        }
                    }
                }
            }
            None => {
                let last = self.count.saturating_sub(1) as f64;
                let digits = text::width(&self.count.to_string()) * SMALL;
                let room = (self.count as f64 * self.step / (digits + 20.0).max(44.0)).clamp(1.0, 8.0);
                for tick in
                    crate::canvas::scale::ticks(0.0, last, room as usize).into_iter().filter(|t| t.fract() == 0.0)
                {
                    let at = (tick + 0.5) * self.step;
                    let number = format!("{tick:.0}");
                    match across {
                        true => {
                            svg.line((x + at, y + away), (x + at, y + away + 4.0));
                            svg.text((x + at, y + away + 15.0), Anchor::Middle, SMALL, "ink", &number);
                        }
                        false => {
                            svg.line((x - away - 4.0, y + at), (x - away, y + at));
                            svg.text((x - away - 7.0, y + at + 3.5), Anchor::End, SMALL, "ink", &number);
                        }
                    }
                }
            }
        }
    }

    fn draw_band(&self, svg: &mut Svg, (x, y): (f64, f64), across: bool) {
        if self.band.is_empty() {
            return;
        }
        let pieces = self.count.min(PIECES);
        let class = |piece: usize| {
            let own = &self.band[piece * self.count / pieces..(piece + 1) * self.count / pieces];
            // The most frequent class of a piece; the lower number wins a tie.
            let times = |c: &Option<usize>| own.iter().filter(|o| *o == c).count();
            own.iter().max_by_key(|c| (times(c), std::cmp::Reverse(**c))).copied().flatten()
        };
        let length = self.count as f64 * self.step;
        let mut start = 0;
        while start < pieces {
            let kind = class(start);
            let end = (start..pieces).find(|&p| class(p) != kind).unwrap_or(pieces);
            if let Some(kind) = kind {
                let at = |piece: usize| piece as f64 * length / pieces as f64;
                let (from, to) = (at(start), at(end));
                let place = match across {
                    true => (x + from, y + 2.0, to - from, BAND),
                    false => (x - 2.0 - BAND, y + from, BAND, to - from),
                };
                rect(svg, place, "band", layout::colour(kind));
            }
            start = end;
        }
    }
}

/// The lines between prompt and continuation over a map whose corner is (x, y), with their names above it.
///
/// `boundary` is the first generated position; queries count from the end of the keys, as they do with a cache.
pub(crate) fn draw_boundary(
    svg: &mut Svg,
    (x, y, width, height): (f64, f64, f64, f64),
    boundary: usize,
    (queries, keys): (usize, usize),
) {
    let across = boundary as f64 / keys.max(1) as f64 * width;
    let first_row = boundary as f64 - keys.saturating_sub(queries) as f64;
    let down = first_row / queries.max(1) as f64 * height;
    let mut lines = Vec::new();
    if across > 0.0 && across < width {
        lines.push(format!("M{} {}v{}", short(x + across), short(y), short(height)));
    }
    if down > 0.0 && down < height {
        lines.push(format!("M{} {}h{}", short(x), short(y + down), short(width)));
    }
    for d in lines {
        // White under black: seen on every colour of a map.
        layout::path(svg, &d, "boundary", "#fff", 2.2, "");
        layout::path(svg, &d, "boundary", INK, 1.2, "4 3");
    }
    for (from, to, name) in [(0.0, across, "prompt"), (across, width, "generated")] {
        if to - from > text::width(name) * SMALL + 4.0 {
            svg.text((x + (from + to) / 2.0, y - 5.0), Anchor::Middle, SMALL, "muted", name);
        }
    }
}
