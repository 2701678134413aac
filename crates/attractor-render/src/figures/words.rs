//! Text whose tokens are tinted by a weight: rollout, gradients, the attention of one query.

use crate::canvas::colour::{hex, is_light};
use crate::canvas::layout::frame;
use crate::canvas::layout::{self, Heading, LABEL, SMALL, rect};
use crate::canvas::raster;
use crate::canvas::scale::labels;
use crate::canvas::svg::{Anchor, Svg};
use crate::canvas::text;
use crate::figures::heatmap::{NAN_COLOUR, Style};
use attractor::{Error, Result};

/// Font size of the text, CSS pixels.
const SIZE: f64 = 13.0;
const LINE: f64 = 26.0;
/// Longest token, characters.
const LONGEST: usize = 40;
/// Length of the colour bar, CSS pixels.
const BAR: f64 = 200.0;
/// Most tokens: several pages of text.
const MOST: usize = 4096;

/// A text with a weight a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Words<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// The tokens as they are; what is invisible in them is shown.
    pub tokens: &'a [&'a str],
    /// A weight a token.
    pub weights: &'a [f64],
    /// The token whose weights these are; it is underlined.
    pub query: Option<usize>,
    /// Width of the text, CSS pixels; 0 stands for 560.
    pub width: f64,
}

impl Words<'_> {
    /// The figure as SVG, in the colours, scale and unit of `style`.
    ///
    /// A weight that is not a number has its own colour and is counted under the title. The end of the prompt, if the
    /// style has one, is a line between two tokens.
    ///
    /// # Errors
    /// `is_shape` without tokens, above 4096 of them, unless there is a weight a token, and for a query that is not
    /// among them.
    pub fn svg(&self, style: &Style) -> Result<String> {
        let n = self.tokens.len();
        if n == 0 || n > MOST || self.weights.len() != n {
            return Err(Error::shape(format!(
                "text {:?}: {n} tokens and {} weights; needs a weight a token, and 1 to {MOST} of both",
                self.title,
                self.weights.len()
            )));
        }
        if let Some(query) = self.query.filter(|&q| q >= n) {
            return Err(Error::shape(format!("text {:?}: query {query} of {n} tokens", self.title)));
        }
        let room = if self.width >= 120.0 && self.width.is_finite() { self.width } else { 560.0 };
        let bad = self.weights.iter().filter(|w| !w.is_finite()).count();
        let mut notes = self.notes.clone();
        notes.push(match bad {
            0 => String::new(),
            n => format!("tokens with a non-finite weight (magenta): {n}"),
        });
        let heading = Heading::new(self.title, &notes, room);
        let left = 8.0;
        let top = heading.height();

        // A token that begins with a space starts a word: the space is the gap before it.
        let mut places: Vec<(f64, f64, f64, String)> = Vec::new();
        let (mut x, mut y) = (0.0, 0.0);
        for token in self.tokens {
            let word = token.strip_prefix(' ').filter(|rest| !rest.is_empty());
            let label = if token.is_empty() { "∅".to_string() } else { text::label(word.unwrap_or(token), LONGEST) };
            let gap = if word.is_some() && x > 0.0 { 6.0 } else { 1.0 };
            let width = text::width(&label) * SIZE + 6.0;
            if x > 0.0 && x + gap + width > room {
                (x, y) = (0.0, y + LINE);
            } else if x > 0.0 {
                x += gap;
            }
            places.push((left + x, top + y, width, label));
            x += width;
        }
        let bar_top = top + y + LINE + 14.0;
        let widest = places.iter().map(|p| p.0 + p.2).fold(0.0, f64::max);
        let legend = left + 6.0 + BAR + 14.0 + text::width(&style.unit) * LABEL;
        let whole = widest.max(left + heading.width()).max(legend).max(300.0) + 8.0;
        let name = format!("{}: {} tokens tinted by {}", self.title, n, style.unit);
        let mut svg = Svg::new(whole, bar_top + 32.0, &name);
        heading.draw(&mut svg, left);
        for (index, (x, y, width, label)) in places.iter().enumerate() {
            let t = style.scale.position(self.weights[index]);
            let fill = if t.is_nan() { NAN_COLOUR.to_string() } else { hex(style.colours.at(t)) };
            let light = is_light(style.colours.at(t));
            rect(&mut svg, (*x, *y, *width, 20.0), "tint", &fill);
            let class = if light { "on-light" } else { "on-dark" };
            svg.text((x + 3.0, y + 14.5), Anchor::Start, SIZE, class, label);
            if self.query == Some(index) {
                let d = format!(
                    "M{} {}h{}",
                    crate::canvas::svg::short(*x),
                    crate::canvas::svg::short(y + 22.0),
                    crate::canvas::svg::short(*width)
                );
                layout::path(&mut svg, &d, "line", layout::INK, 2.0, "");
            }
            if style.boundary == Some(index) && index > 0 {
                let d = format!("M{} {}v26", crate::canvas::svg::short(x - 1.5), crate::canvas::svg::short(y - 3.0));
                layout::path(&mut svg, &d, "line", layout::INK, 1.4, "3 2");
            }
        }
        bar(&mut svg, (left + 6.0, bar_top), BAR, style)?;
        Ok(svg.finish())
    }
}

/// A colour bar that lies, with its numbers and its unit below.
pub(crate) fn bar(svg: &mut Svg, (x, y): (f64, f64), width: f64, style: &Style) -> Result<()> {
    svg.image((x, y, width, 9.0), &raster::lying_ramp(style.colours)?);
    frame(svg, x, y, width, 9.0);
    let ticks = style.scale.ticks(4);
    let texts = labels(&ticks, style.scale.spacing());
    let mut free = f64::NEG_INFINITY;
    for (tick, text) in ticks.iter().zip(texts) {
        let at = x + width * style.scale.position(*tick);
        let half = text::width(&text) * SMALL / 2.0;
        svg.line((at, y + 9.0), (at, y + 12.0));
        if at - half > free {
            svg.text((at, y + 22.0), Anchor::Middle, SMALL, "ink", &text);
            free = at + half + 4.0;
        }
    }
    svg.text((x + width + 14.0, y + 9.0), Anchor::Start, LABEL, "ink", &style.unit);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::colour::NAN;

    #[test]
    fn every_token_has_its_tint_and_lines_break_at_the_width() {
        let tokens = ["The", " cat", " sat", "", " \u{202E}x"];
        let weights = [0.0, 1.0, 0.5, f64::NAN, 0.25];
        let words =
            Words { title: "t", notes: vec![], tokens: &tokens, weights: &weights, query: Some(1), width: 130.0 };
        let style = Style { boundary: Some(2), ..Style::default() };
        let svg = words.svg(&style).unwrap();
        assert_eq!(svg.matches("class=\"tint\"").count(), 5);
        for w in [0.0, 1.0, 0.5, 0.25] {
            assert!(svg.contains(&hex(style.colours.at(style.scale.position(w)))), "{w}");
        }
        assert!(svg.contains(&hex(NAN)) && svg.contains("(magenta): 1") && svg.contains("[U+202E]"));
        assert_eq!(svg.matches("class=\"line\"").count(), 2);
    }

    #[test]
    fn shapes_that_contradict_are_refused() {
        let words = Words { title: "t", notes: vec![], tokens: &["a"], weights: &[0.5], query: None, width: 0.0 };
        let refused = |w: Words<'_>| w.svg(&Style::default()).unwrap_err().is_shape();
        assert!(refused(Words { weights: &[], ..words.clone() }));
        assert!(refused(Words { tokens: &[], weights: &[], ..words.clone() }));
        assert!(refused(Words { query: Some(1), ..words }));
    }
}
