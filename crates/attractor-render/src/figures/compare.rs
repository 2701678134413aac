//! Before and after: two maps on one scale, and what changed between them.

use crate::canvas::colour::ColourMap;
use crate::canvas::layout::{Heading, LABEL, Legend};
use crate::canvas::numbers;
use crate::canvas::scale::Scale;
use crate::canvas::svg::{Anchor, Svg};
use crate::figures::heatmap::{Bar, MapPanel, Style, band_names, notes};
use crate::maps::map::Map;
use crate::maps::transform;
use attractor::Result;

/// Longest side of a panel, CSS pixels.
const EXTENT: f64 = 232.0;

/// The scale of differences: zero in the middle, as far down as up. Maps without any change reach from -1 to 1.
pub fn centred(map: &Map) -> Scale {
    let reach = map.values().map(f64::abs).fold(0.0, f64::max);
    Scale::centred(reach).or_else(|_| Scale::centred(1.0)).unwrap_or(Scale::unit())
}

/// The style of a difference map: blue for less, white for none, red for more, symmetric about zero.
pub fn difference_style(map: &Map, style: &Style) -> Style {
    Style {
        colours: if style.colours.is_diverging() { style.colours } else { ColourMap::BlueRed },
        scale: centred(map),
        unit: "after − before".to_string(),
        ..style.clone()
    }
}

/// Three panels: `before` and `after` on the scale of `style`, and their difference centred on zero.
///
/// Without any finite difference the third panel is blank or NaN, as its cells are; where nothing changed it is white.
///
/// # Errors
/// As [`transform::difference`] and [`heatmap`](crate::figures::heatmap::heatmap).
pub fn before_after(
    (before, after): (&Map, &Map),
    names: (&str, &str),
    title: &str,
    tokens: &[&str],
    style: &Style,
) -> Result<String> {
    let change = transform::difference(before, after)?;
    let changed = difference_style(&change, style);
    let panels = [(before, style), (after, style), (&change, &changed)];
    let panels = panels
        .into_iter()
        .map(|(map, style)| Ok((MapPanel::new(map, tokens, style, EXTENT, 22.0)?, style)))
        .collect::<Result<Vec<_>>>()?;
    let bar_height = panels[0].0.height.max(96.0);
    let bars = [Bar::new(style, bar_height), Bar::new(&changed, bar_height)];

    // The second panel shares the rows of the first, and its scale; a bar stands behind the pair and behind the change.
    let (left, width, above) = (panels[0].0.left(), panels[0].0.width, panels[0].0.above());
    let second = left + width + 20.0;
    let bar_x = second + width + 12.0;
    let third = bar_x + bars[0].width() + left + 4.0;
    let last_bar = third + width + 12.0;
    let content = last_bar + bars[1].width() + 2.0;

    let mut all_notes = notes(&change);
    let peak = change.reach().map_or("no finite difference".to_string(), |r| {
        format!("largest change of a cell {}", numbers::number(f64::from(r)))
    });
    all_notes.push(peak.clone());
    let heading = Heading::new(title, &all_notes, content - left);
    let legend = Legend::new(band_names(style), content - left);
    let top = heading.height() + legend.height() + above + 16.0;
    let below = panels.iter().map(|p| p.0.below()).fold(0.0, f64::max);
    let height = (panels[0].0.height + below).max(bar_height + 10.0);
    let name = format!("{title}: {}, {} and their difference, {peak}", names.0, names.1);
    let mut svg = Svg::new(content, top + height + 6.0, &name);
    heading.draw(&mut svg, left);
    legend.draw(&mut svg, (left, heading.height()));
    let titles = [names.0.to_string(), names.1.to_string(), format!("{} − {}", names.1, names.0)];
    for (index, ((panel, style), (x, name))) in
        panels.iter().zip([left, second, third].into_iter().zip(titles)).enumerate()
    {
        let at = (x + width / 2.0, top - above - 6.0);
        svg.text(at, Anchor::Middle, LABEL, "ink title", &name);
        match index {
            1 => panel.draw_inner(&mut svg, (x, top), style)?,
            _ => panel.draw(&mut svg, (x, top), style)?,
        }
    }
    bars[0].draw(&mut svg, (bar_x, top), style)?;
    bars[1].draw(&mut svg, (last_bar, top), &changed)?;
    Ok(svg.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_of_a_difference_is_symmetric_whatever_the_data() {
        let of = |cells: Vec<f32>| {
            let n = cells.len();
            let scale = centred(&Map::exact(cells, 1, n).unwrap());
            (scale.low(), scale.high(), scale.position(0.0))
        };
        assert_eq!(of(vec![-0.25, 0.125]), (-0.25, 0.25, 0.5));
        assert_eq!(of(vec![0.0; 3]), (-1.0, 1.0, 0.5));
        assert_eq!(of(vec![f32::NAN; 2]), (-1.0, 1.0, 0.5));
    }

    #[test]
    fn three_panels_with_their_names() {
        let before = Map::exact(vec![0.5, 0.5, 0.0, 1.0], 2, 2).unwrap();
        let after = Map::exact(vec![0.25, 0.75, 0.875, 0.125], 2, 2).unwrap();
        let svg = before_after((&before, &after), ("base", "tuned"), "L0H0", &[], &Style::default()).unwrap();
        assert!(svg.contains(">tuned − base<") && svg.contains("largest change of a cell 0.875"), "{svg}");
        // Three maps and two bars.
        assert_eq!(svg.matches("<image").count(), 5);
        let other = Map::exact(vec![0.5; 6], 2, 3).unwrap();
        assert!(before_after((&before, &other), ("a", "b"), "", &[], &Style::default()).unwrap_err().is_shape());
    }
}
