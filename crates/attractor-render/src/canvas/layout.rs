//! What every figure has: a heading with notes, a legend, room for both; and the shapes that its data is drawn with.
//!
//! Classes by which a page recolours a figure: fill `ink` and `muted` (text) and `forbidden` (masked cells), stroke
//! `axis` (axes, frames, references) and `line` (data in the colour of the text). The others keep their colours on any
//! ground: `series` and `band` are of middle lightness, `grid` is nearly transparent, `on-light`, `on-dark`, `tint`,
//! `nan` and `boundary` stand on colours of their own.

use crate::canvas::svg::{Anchor, Svg, short};
use crate::canvas::text;

/// Eight colours that stay apart for every common colour blindness, in the order in which they are given out.
///
/// Source: Okabe and Ito, Color Universal Design (2008); their black is the ink of the figure, their yellow, which
/// vanishes on white, comes last but one, and a middle grey closes the list.
pub const COLOURS: [&str; 8] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#D9CC3C", "#8A8A8A"];

/// Colour of what is neither data nor text: chance, thresholds, lines of reference.
pub(crate) const MUTED: &str = "#666";
/// Colour of text.
pub(crate) const INK: &str = "#1b1b1f";

/// Font sizes, CSS pixels.
pub(crate) const TITLE: f64 = 14.0;
pub(crate) const LABEL: f64 = 11.0;
pub(crate) const SMALL: f64 = 10.0;
const NOTE: f64 = 10.5;
const NOTE_LINE: f64 = 14.0;
/// Margin above the heading.
const TOP: f64 = 6.0;

/// The colour of the n-th kind; they come round again after eight.
pub fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// A title and the notes under it.
pub(crate) struct Heading {
    title: Vec<String>,
    notes: Vec<String>,
}

impl Heading {
    /// Broken to `room` CSS pixels.
    pub(crate) fn new(title: &str, notes: &[String], room: f64) -> Self {
        // Bold letters are wider; `wrap` measures the regular ones.
        let title = text::wrap(title, room / TITLE / text::bold_width("n") * text::width("n"));
        let notes = notes.iter().filter(|n| !n.is_empty()).flat_map(|n| text::wrap(n, room / NOTE)).collect();
        Self { title, notes }
    }

    /// Height, the gap below it included.
    pub(crate) fn height(&self) -> f64 {
        let title = self.title.len() as f64 * 18.0;
        let notes = self.notes.len() as f64 * NOTE_LINE;
        TOP + title + notes + if title + notes > 0.0 { 8.0 } else { 0.0 }
    }

    /// Width of the widest line.
    pub(crate) fn width(&self) -> f64 {
        let title = self.title.iter().map(|t| text::bold_width(t) * TITLE);
        title.chain(self.notes.iter().map(|n| text::width(n) * NOTE)).fold(0.0, f64::max)
    }

    /// Draws it from the top of the figure.
    pub(crate) fn draw(&self, svg: &mut Svg, x: f64) {
        if self.title.is_empty() && self.notes.is_empty() {
            return;
        }
        // What a picture without its heading leaves out: all but the upper margin.
        svg.group("g", &[("class", &"heading"), ("data-height", &short(self.height() - TOP))]);
        let mut y = TOP;
        for line in &self.title {
            svg.text((x, y + 13.0), Anchor::Start, TITLE, "ink title", line);
            y += 18.0;
        }
        for line in &self.notes {
            svg.text((x, y + 11.0), Anchor::Start, NOTE, "muted", line);
            y += NOTE_LINE;
        }
        svg.close();
    }
}

/// How an entry of a legend looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sign {
    /// A filled square; its class, its colour.
    Square(&'static str, &'static str),
    /// A line; its class, its colour, its dashes.
    Line(&'static str, &'static str, &'static str),
    /// A dot of a shape; its class, its colour.
    Dot(usize, &'static str, &'static str),
}

/// Names of what is drawn, in rows.
pub(crate) struct Legend {
    rows: Vec<Vec<(Sign, String, f64)>>,
}

impl Legend {
    const ROW: f64 = 17.0;
    /// Between the entries of a row.
    const GAP: f64 = 16.0;

    /// Broken to `room` CSS pixels.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Sign, String)>, room: f64) -> Self {
        let mut rows: Vec<Vec<(Sign, String, f64)>> = Vec::new();
        let mut used = 0.0;
        for (sign, name) in entries {
            let name = text::label(&name, 60);
            let width = sign.width() + 5.0 + text::width(&name) * SMALL;
            match rows.last_mut() {
                Some(row) if used + Self::GAP + width <= room => {
                    used += Self::GAP + width;
                    row.push((sign, name, width));
                }
                _ => {
                    used = width;
                    rows.push(vec![(sign, name, width)]);
                }
            }
        }
        Self { rows }
    }

    /// Height, the gap below it included.
    pub(crate) fn height(&self) -> f64 {
        if self.rows.is_empty() { 0.0 } else { self.rows.len() as f64 * Self::ROW + 5.0 }
    }

    /// Width of the widest row.
    pub(crate) fn width(&self) -> f64 {
        let row = |r: &Vec<(Sign, String, f64)>| {
            r.iter().map(|e| e.2).sum::<f64>() + Self::GAP * r.len().saturating_sub(1) as f64
        };
        self.rows.iter().map(row).fold(0.0, f64::max)
    }

    /// Draws it below `y`.
    pub(crate) fn draw(&self, svg: &mut Svg, (left, top): (f64, f64)) {
        for (index, row) in self.rows.iter().enumerate() {
            let (mut x, y) = (left, top + (index as f64 + 0.5) * Self::ROW);
            for (sign, name, width) in row {
                sign.draw(svg, (x, y));
                svg.text((x + sign.width() + 5.0, y + 3.5), Anchor::Start, SMALL, "ink", name);
                x += width + Self::GAP;
            }
        }
    }
}

impl Sign {
    fn width(self) -> f64 {
        match self {
            Self::Square(..) => 11.0,
            Self::Line(..) => 20.0,
            Self::Dot(..) => 9.0,
        }
    }

    fn draw(self, svg: &mut Svg, (x, y): (f64, f64)) {
        match self {
            Self::Square(class, fill) => {
                rect(svg, (x, y - 5.5, 11.0, 11.0), class, fill);
                frame(svg, x, y - 5.5, 11.0, 11.0);
            }
            Self::Line(class, stroke, dash) => {
                path(svg, &format!("M{} {}h20", short(x), short(y)), class, stroke, 1.8, dash);
            }
            Self::Dot(shape, class, fill) => dot(svg, (x + 4.5, y), 4.0, shape, class, fill),
        }
    }
}

/// A thin frame.
pub(crate) fn frame(svg: &mut Svg, x: f64, y: f64, width: f64, height: f64) {
    svg.element(
        "rect",
        &[
            ("class", &"axis"),
            ("x", &crate::canvas::svg::short(x)),
            ("y", &crate::canvas::svg::short(y)),
            ("width", &crate::canvas::svg::short(width)),
            ("height", &crate::canvas::svg::short(height)),
            ("fill", &"none"),
            ("stroke", &"#666"),
            ("stroke-width", &"0.75"),
        ],
    );
}

/// A filled rectangle.
pub(crate) fn rect(svg: &mut Svg, (x, y, width, height): (f64, f64, f64, f64), class: &str, fill: &str) {
    let (x, y, width, height) = (short(x), short(y), short(width), short(height));
    svg.element(
        "rect",
        &[("class", &class), ("x", &x), ("y", &y), ("width", &width), ("height", &height), ("fill", &fill)],
    );
}

/// A stroke along `d`; dashes as in SVG, or none.
pub(crate) fn path(svg: &mut Svg, d: &str, class: &str, stroke: &str, width: f64, dash: &str) {
    let width = short(width);
    let dash = if dash.is_empty() { "none" } else { dash };
    svg.element(
        "path",
        &[
            ("class", &class),
            ("d", &d),
            ("fill", &"none"),
            ("stroke", &stroke),
            ("stroke-width", &width),
            ("stroke-dasharray", &dash),
            ("stroke-linejoin", &"round"),
        ],
    );
}

/// A filled area without a line around it.
pub(crate) fn area(svg: &mut Svg, d: &str, class: &str, fill: &str, opacity: f64) {
    svg.element(
        "path",
        &[("class", &class), ("d", &d), ("fill", &fill), ("fill-opacity", &short(opacity)), ("fill-rule", &"evenodd")],
    );
}

/// A dot whose shape tells its kind where its colour does not: circle, square, triangle, diamond.
pub(crate) fn dot(svg: &mut Svg, (x, y): (f64, f64), radius: f64, shape: usize, class: &str, fill: &str) {
    let r = radius;
    let at = |dx: f64, dy: f64| format!("{} {}", short(x + dx), short(y + dy));
    let d = match shape % 4 {
        0 => {
            let (cx, cy, r) = (short(x), short(y), short(r));
            return svg.element("circle", &[("class", &class), ("cx", &cx), ("cy", &cy), ("r", &r), ("fill", &fill)]);
        }
        // Of about the area of the circle.
        1 => format!(
            "M{}L{}L{}L{}Z",
            at(-0.89 * r, -0.89 * r),
            at(0.89 * r, -0.89 * r),
            at(0.89 * r, 0.89 * r),
            at(-0.89 * r, 0.89 * r)
        ),
        2 => format!("M{}L{}L{}Z", at(0.0, -1.3 * r), at(1.2 * r, 0.85 * r), at(-1.2 * r, 0.85 * r)),
        _ => format!("M{}L{}L{}L{}Z", at(0.0, -1.3 * r), at(1.3 * r, 0.0), at(0.0, 1.3 * r), at(-1.3 * r, 0.0)),
    };
    svg.element("path", &[("class", &class), ("d", &d), ("fill", &fill)]);
}

/// "3 values are not finite numbers and are left out", or nothing.
pub(crate) fn left_out(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 non-finite value is left out".to_string(),
        n => format!("{n} non-finite values are left out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legends_break_where_the_room_ends() {
        let entry = |name: &str| (Sign::Square("series", "#000"), name.to_string());
        let all = || ["first", "second", "third"].map(entry);
        let wide = Legend::new(all(), 1000.0);
        assert_eq!(wide.rows.len(), 1);
        let exact = Legend::new(all(), wide.width() + 0.01);
        assert_eq!(exact.rows.len(), 1);
        let narrow = Legend::new(all(), wide.width() - 0.01);
        assert_eq!(narrow.rows.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(Legend::new([], 10.0).height(), 0.0);
    }

    #[test]
    fn colours_stay_apart_for_the_colour_blind() {
        // Simulated by leaving out red-green differences: luminance and blue-yellow must still differ.
        let rgb = |c: &str| {
            let part = |i| f64::from(u8::from_str_radix(&c[i..i + 2], 16).unwrap()) / 255.0;
            (part(1), part(3), part(5))
        };
        let seen = |c: &str| {
            let (r, g, b) = rgb(c);
            let yellow = 0.33 * r + 0.67 * g;
            (yellow, b - yellow)
        };
        for (i, a) in COLOURS.iter().enumerate() {
            for b in &COLOURS[..i] {
                let ((y1, b1), (y2, b2)) = (seen(a), seen(b));
                assert!((y1 - y2).hypot(b1 - b2) > 0.07, "{a} {b}");
            }
        }
    }
}
