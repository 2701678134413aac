//! Whole figures side by side under one heading, each with its own axes, legend and bar.

use crate::canvas::layout::Heading;
use crate::canvas::svg::Svg;
use attractor::{Error, Result};

/// Most figures beside each other.
const MOST: usize = 8;
/// Room between two of them, CSS pixels.
const GAP: f64 = 18.0;

/// Figures of this crate from left to right, the lower ends of their pictures on one line.
///
/// # Errors
/// `is_shape` without figures, above eight of them, and for text that is no figure of this crate.
pub fn beside(title: &str, notes: &[String], figures: &[String]) -> Result<String> {
    if figures.is_empty() || figures.len() > MOST {
        return Err(Error::shape(format!("panels {title:?}: {} figures; needs 1 to {MOST}", figures.len())));
    }
    let sizes = figures
        .iter()
        .map(|figure| {
            size(figure).ok_or_else(|| Error::shape(format!("panels {title:?}: one of them is not a figure")))
        })
        .collect::<Result<Vec<_>>>()?;
    let wide = sizes.iter().map(|size| size.0).sum::<f64>() + GAP * (figures.len() - 1) as f64;
    let high = sizes.iter().map(|size| size.1).fold(0.0, f64::max);
    let heading = Heading::new(title, notes, wide - 24.0);
    let top = heading.height();
    let mut svg = Svg::new(wide.max(heading.width() + 24.0), top + high, title);
    heading.draw(&mut svg, 12.0);
    let mut x = 0.0;
    for (figure, (width, height)) in figures.iter().zip(&sizes) {
        // Headings and legends differ in height; pictures end where their axes do.
        svg.nested((x, top + high - height), figure);
        x += width + GAP;
    }
    Ok(svg.finish())
}

/// Width and height that a figure gives itself.
fn size(figure: &str) -> Option<(f64, f64)> {
    let opening = figure.strip_prefix("<svg ")?.split_once('>')?.0;
    let number = |name: &str| opening.split_once(name)?.1.split_once('"')?.0.parse::<f64>().ok();
    Some((number(" width=\"")?, number(" height=\"")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_each_other_on_one_line() {
        let (a, b) = (Svg::new(100.0, 50.0, "a").finish(), Svg::new(60.0, 80.0, "b").finish());
        let both = beside("both", &[], &[a.clone(), b]).unwrap();
        let top = Heading::new("both", &[], 154.0).height();
        assert_eq!(size(&both), Some((178.0, top + 80.0)));
        assert!(both.contains(&format!("<svg x=\"0\" y=\"{}\" ", top + 30.0)), "{both}");
        assert!(both.contains(&format!("<svg x=\"118\" y=\"{top}\" ")), "{both}");
        assert_eq!(both.matches("</svg>").count(), 3);
        assert!(beside("none", &[], &[]).unwrap_err().is_shape());
        assert!(beside("text", &[], &[a, "<p>".to_string()]).unwrap_err().is_shape());
    }
}
