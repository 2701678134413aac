//! Curves of several quantities over one axis, a panel each, one below the other.

use crate::canvas::axis::Panel;
use crate::canvas::layout::{Heading, left_out};
use crate::canvas::svg::Svg;
use crate::figures::lines::Lines;
use attractor::{Error, Result};

/// Most panels.
const MOST: usize = 6;

/// Panels from top to bottom over the same axis: that of the first one, which holds the data of all. The legend of a panel
/// stands above it if it has more than one curve; titles and notes of the panels are not shown.
///
/// # Errors
/// `is_shape` without panels and above six, and as [`Lines::svg`]; `is_usage` for an axis whose ends are not in order.
pub fn stacked(title: &str, notes: &[String], panels: &[Lines<'_>]) -> Result<String> {
    let Some(first) = panels.first().filter(|_| panels.len() <= MOST) else {
        return Err(Error::shape(format!("stacked curves {title:?}: {} panels; needs 1 to {MOST}", panels.len())));
    };
    panels.iter().try_for_each(Lines::check)?;
    let across = first.x.axis(panels.iter().flat_map(Lines::points).map(|p| p.0))?;
    let axes = panels.iter().map(|lines| lines.axes(across.clone())).collect::<Result<Vec<_>>>()?;
    let (width, gap) = (440.0, 14.0);
    // The first panel is what the figure is about.
    let height = |at: usize| if at == 0 { 210.0 } else { 120.0 };
    let left = axes.iter().enumerate().map(|(at, a)| Panel::left(&a.1, height(at))).fold(0.0, f64::max);
    let mut notes = notes.to_vec();
    notes.push(left_out(axes.iter().map(|a| a.2).sum()));
    let heading = Heading::new(title, &notes, width);
    let legends: Vec<_> = panels.iter().map(|lines| (lines.series.len() > 1).then(|| lines.legend(width))).collect();
    let legend_height = |at: usize| legends[at].as_ref().map_or(0.0, |legend| legend.height());
    let panel_tops: Vec<f64> = (0..panels.len())
        .scan(heading.height() + 2.0, |top, at| {
            *top += legend_height(at);
            let own = *top;
            *top += height(at) + gap;
            Some(own)
        })
        .collect();
    let last = panels.len() - 1;
    let bottom = panel_tops[last] + height(last) + Panel::below(&across);
    let mut svg = Svg::new(left + width.max(heading.width()) + 16.0, bottom, title);
    heading.draw(&mut svg, left);
    for (at, (lines, (across, up, _))) in panels.iter().zip(axes).enumerate() {
        if let Some(legend) = &legends[at] {
            legend.draw(&mut svg, (left, panel_tops[at] - legend.height()));
        }
        let panel = Panel { x: left, y: panel_tops[at], width, height: height(at), across, up };
        match at == last {
            true => panel.draw(&mut svg, true),
            false => panel.draw_above(&mut svg),
        }
        lines.draw(&mut svg, &panel);
    }
    Ok(svg.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::axis::Side;
    use crate::figures::lines::Series;

    #[test]
    fn panels_share_one_axis_and_its_numbers_stand_once() {
        let (energy, heat) = (
            [Series::new("energy", vec![(1.0, 5.0), (40.0, -3.0)])],
            [Series::new("hot", vec![(1.0, 2.0), (20.0, 0.1)]), Series::new("cold", vec![(1.0, 0.2), (20.0, 0.1)])],
        );
        let lines = |label: &str, series| Lines {
            title: "not shown",
            notes: vec![],
            x: Side::new("sweep"),
            y: Side::new(label),
            series,
        };
        let svg = stacked("both", &[], &[lines("energy", &energy), lines("temperature", &heat)]).unwrap();
        assert_eq!((svg.matches(">sweep<").count(), svg.matches(">40<").count()), (1, 1), "{svg}");
        for said in [">energy<", ">temperature<", ">hot<", ">both<"] {
            assert!(svg.contains(said), "{said}");
        }
        assert!(!svg.contains("not shown"));
        assert!(stacked("none", &[], &[]).unwrap_err().is_shape());
        assert!(stacked("empty", &[], &[lines("energy", &[])]).unwrap_err().is_shape());
    }
}
