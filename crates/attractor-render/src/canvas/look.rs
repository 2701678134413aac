//! A figure as a paper or a slide wants it: without its heading, at a width, at a resolution.

use std::str::FromStr;

use attractor::{Error, Result};

use crate::canvas::svg::short;

/// Pixels of a PNG for a CSS pixel unless a resolution is asked for: sharp on a dense screen.
const DENSE: f64 = 2.0;
/// CSS pixels in an inch.
const INCH: f64 = 96.0;

/// A width on paper, in CSS pixels of 1/96 inch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Width(pub f64);

impl FromStr for Width {
    type Err = Error;

    /// "85mm", "8.5cm", "3.5in", "250pt" or "480px".
    fn from_str(text: &str) -> Result<Self> {
        let units = [("mm", INCH / 25.4), ("cm", INCH / 2.54), ("in", INCH), ("pt", INCH / 72.0), ("px", 1.0)];
        let read = |(unit, pixels): &(&str, f64)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * pixels);
        match units.iter().find_map(read).filter(|width| (16.0..=1e5).contains(width)) {
            Some(width) => Ok(Self(width)),
            None => Err(Error::usage("expected a number and its unit, such as 85mm, 3.5in or 480px; 16 px at least")),
        }
    }
}

/// How a figure is drawn into a file.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Look {
    /// Leave out the title and the notes below it: they stand in the caption.
    pub no_title: bool,
    /// The picture's width; it is scaled as a whole. `None`: as it is drawn.
    pub width: Option<Width>,
    /// Pixels of a PNG per inch; `None`: two per CSS pixel.
    pub dpi: Option<u32>,
}

impl Look {
    /// The figure with this look.
    ///
    /// # Errors
    /// `is_format` for what is no figure of this house.
    pub fn apply(&self, svg: &str) -> Result<String> {
        let (head, body) = svg.split_once('>').ok_or_else(|| Error::format("figure: not an SVG"))?;
        let of = |name: &str| -> Option<&str> { head.split_once(&format!(" {name}=\""))?.1.split('"').next() };
        let sides = of("width").zip(of("height"));
        let sides = sides.and_then(|(width, height)| Some((width.parse::<f64>().ok()?, height.parse::<f64>().ok()?)));
        let (width, height) = sides.ok_or_else(|| Error::format("figure: an SVG without a size in pixels"))?;
        let (body, cut) = if self.no_title { without_heading(body) } else { (body.to_string(), 0.0) };
        let inside = height - cut;
        let scale = self.width.map_or(1.0, |wanted| wanted.0 / width);
        let replaced = |head: String, name: &str, value: String| match of(name) {
            Some(was) => head.replacen(&format!(" {name}=\"{was}\""), &format!(" {name}=\"{value}\""), 1),
            None => head,
        };
        let head = replaced(head.to_string(), "width", short(width * scale));
        let head = replaced(head, "height", short(inside * scale));
        let head = replaced(head, "viewBox", format!("0 {} {} {}", short(cut), short(width), short(inside)));
        Ok(format!("{head}>{body}"))
    }

    /// Pixels of a PNG for a CSS pixel.
    pub fn pixels(&self) -> f64 {
        self.dpi.map_or(DENSE, |dpi| f64::from(dpi) / INCH)
    }
}

/// What is drawn, without the figure's own heading, and the height that it took. Panels keep their own.
fn without_heading(body: &str) -> (String, f64) {
    let found = body.split_once("<g class=\"heading\" data-height=\"").and_then(|(before, rest)| {
        let (height, rest) = rest.split_once("\">")?;
        let (_, after) = rest.split_once("</g>")?;
        // That of a panel lies in an SVG of its own.
        (!before.contains("<svg ")).then_some((format!("{before}{after}"), height.parse().ok()?))
    });
    found.unwrap_or((body.to_string(), 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::layout::Heading;
    use crate::canvas::svg::{Anchor, Svg};

    fn figure(title: &str) -> String {
        let heading = Heading::new(title, &["a note".to_string()], 200.0);
        let mut svg = Svg::new(200.0, 100.0 + heading.height(), title);
        heading.draw(&mut svg, 4.0);
        svg.text((4.0, heading.height() + 50.0), Anchor::Start, 10.0, "ink", "data");
        svg.finish()
    }

    #[test]
    fn a_picture_without_its_title_is_the_rest_of_it() {
        let whole = figure("Entropy");
        let bare = Look { no_title: true, ..Look::default() }.apply(&whole).unwrap();
        assert!(whole.contains(">Entropy<") && whole.contains(">a note<"));
        assert!(!bare.contains(">Entropy<") && !bare.contains(">a note<") && bare.contains(">data<"), "{bare}");
        // Title 18, note 14, margins 6 and 8: all but the upper margin is cut.
        assert!(bare.contains("height=\"106\" viewBox=\"0 40 200 106\""), "{bare}");
        assert!(bare.contains("aria-label=\"Entropy\""), "a reader of screens still hears what it is");
        assert_eq!(Look::default().apply(&whole).unwrap(), whole);
    }

    #[test]
    fn a_width_scales_the_whole_and_a_resolution_counts_pixels() {
        let whole = figure("Entropy");
        let look = Look { width: Some("100 mm".parse().unwrap()), dpi: Some(300), ..Look::default() };
        let wide = look.apply(&whole).unwrap();
        assert!(wide.contains("width=\"377.95\" height=\"275.91\" viewBox=\"0 0 200 146\""), "{wide}");
        assert_eq!((look.pixels(), Look::default().pixels()), (3.125, 2.0));
        assert_eq!("3.5in".parse::<Width>().unwrap(), Width(336.0));
        for bad in ["85", "mm", "-3in", "NaN px", "1e9mm", "3px", "3 ft"] {
            assert!(bad.parse::<Width>().is_err(), "{bad}");
        }
    }
}
