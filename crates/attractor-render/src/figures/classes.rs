//! What kind of head each one is: a map of layers by heads in categorical colours, with a legend that counts.

use crate::canvas::layout::frame;
use crate::canvas::layout::{self, COLOURS, Heading, LABEL, Legend, SMALL, Sign, rect};
use crate::canvas::svg::{Anchor, Svg};
use crate::canvas::text;
use crate::figures::heatmap::BLANK;
use attractor::{Error, Result};

/// A head and its classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Layer, the model's own number.
    pub layer: usize,
    /// Head, the model's own number.
    pub head: usize,
    /// Its classes, in order; none for a head that belongs to none.
    pub classes: Vec<usize>,
}

/// A figure of head classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes<'a> {
    /// Heading.
    pub title: &'a str,
    /// Lines under the heading.
    pub notes: Vec<String>,
    /// Names of the classes, in the order of their colours.
    pub names: &'a [&'a str],
    /// The heads.
    pub heads: &'a [Member],
}

impl Classes<'_> {
    /// The figure as SVG. A head of several classes has a stripe of each, a head of none is grey, a head that is not
    /// there is blank.
    ///
    /// Each class has its first letters in its cells too, so that it is told without colours. The legend counts a head in
    /// each of its classes.
    ///
    /// # Errors
    /// `is_shape` without heads, for more than eight classes (more colours are not told apart: join some), for a class
    /// without a name and for a head that is named twice.
    pub fn svg(&self) -> Result<String> {
        let title = self.title;
        if self.heads.is_empty() {
            return Err(Error::shape(format!("classes {title:?}: there are no heads; needs at least one")));
        }
        if self.names.len() > COLOURS.len() {
            return Err(Error::shape(format!(
                "classes {title:?}: {} classes; at most {} colours can be distinguished, merge some",
                self.names.len(),
                COLOURS.len()
            )));
        }
        let unnamed = |h: &&Member| h.classes.iter().any(|&c| c >= self.names.len());
        if let Some(h) = self.heads.iter().find(unnamed) {
            return Err(Error::shape(format!(
                "classes {title:?}: class {} of L{}H{} has no name; there are {} names",
                h.classes.iter().max().unwrap_or(&0),
                h.layer,
                h.head,
                self.names.len()
            )));
        }
        let mut heads = self.heads.to_vec();
        heads.sort_by_key(|h| (h.layer, h.head));
        if let Some(pair) = heads.windows(2).find(|w| (w[0].layer, w[0].head) == (w[1].layer, w[1].head)) {
            return Err(Error::shape(format!(
                "classes {title:?}: L{}H{} is there twice; needs one class per head",
                pair[0].layer, pair[0].head
            )));
        }
        let sorted = |of: fn(&Member) -> usize| {
            let mut all: Vec<usize> = heads.iter().map(of).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let (layers, numbers) = (sorted(|h| h.layer), sorted(|h| h.head));
        let cell = (420.0 / numbers.len() as f64).floor().clamp(6.0, 30.0);
        let down = cell.min((640.0 / layers.len() as f64).floor().max(6.0));
        let (width, height) = (numbers.len() as f64 * cell, layers.len() as f64 * down);
        let widest = |all: &[usize]| all.last().map_or(0.0, |n| text::width(&n.to_string()) * SMALL);
        let left = 30.0 + widest(&layers);

        let count = |class: usize| heads.iter().filter(|h| h.classes.contains(&class)).count();
        let of_none = heads.iter().filter(|h| h.classes.is_empty()).count();
        let mut entries: Vec<(Sign, String)> = self
            .names
            .iter()
            .enumerate()
            .map(|(c, name)| (Sign::Square("series", layout::colour(c)), format!("{name} ({})", count(c))))
            .collect();
        if of_none > 0 {
            entries.push((Sign::Square("forbidden", BLANK), format!("none of these ({of_none})")));
        }
        let room = width.max(320.0);
        let (heading, legend) = (Heading::new(title, &self.notes, room), Legend::new(entries, room));
        let top = heading.height() + legend.height() + 2.0;
        let whole = left + width.max(heading.width()).max(legend.width()) + 8.0;
        let mut svg =
            Svg::new(whole, top + height + 38.0, &format!("{title}: the class of each head, layers by heads"));
        heading.draw(&mut svg, left);
        legend.draw(&mut svg, (left, heading.height()));
        for head in &heads {
            let (Ok(row), Ok(column)) = (layers.binary_search(&head.layer), numbers.binary_search(&head.head)) else {
                continue;
            };
            let (x, y) = (left + column as f64 * cell, top + row as f64 * down);
            // A hair of ground between cells, so that neighbours of one class stay two heads.
            let gap = if cell >= 12.0 { 1.0 } else { 0.25 };
            let (x0, y0, wide, high) = (x + gap / 2.0, y + gap / 2.0, cell - gap, down - gap);
            if head.classes.is_empty() {
                rect(&mut svg, (x0, y0, wide, high), "forbidden", BLANK);
            }
            let stripe = wide / head.classes.len() as f64;
            for (index, &class) in head.classes.iter().enumerate() {
                let x = x0 + index as f64 * stripe;
                rect(&mut svg, (x, y0, stripe, high), "series", layout::colour(class));
                let letters = self.short(class);
                if stripe >= (text::width(&letters) * SMALL + 3.0).max(9.0) && down >= 14.0 {
                    let light = crate::canvas::colour::is_light(rgb(layout::colour(class)));
                    let ink = if light { "on-light" } else { "on-dark" };
                    svg.text((x + stripe / 2.0, y + down / 2.0 + 3.5), Anchor::Middle, SMALL, ink, &letters);
                }
            }
        }
        frame(&mut svg, left, top, width, height);
        let every = |room: f64, size: f64| (room / size).ceil().max(1.0) as usize;
        for (row, layer) in layers.iter().enumerate().step_by(every(12.0, down)) {
            let y = top + (row as f64 + 0.5) * down + 3.5;
            svg.text((left - 6.0, y), Anchor::End, SMALL, "ink", &layer.to_string());
        }
        for (column, head) in numbers.iter().enumerate().step_by(every(widest(&numbers) + 6.0, cell)) {
            let x = left + (column as f64 + 0.5) * cell;
            svg.text((x, top + height + 14.0), Anchor::Middle, SMALL, "ink", &head.to_string());
        }
        svg.rotated((12.0, top + height / 2.0), -90.0, Anchor::Middle, LABEL, "ink", "layer");
        svg.text((left + width / 2.0, top + height + 31.0), Anchor::Middle, LABEL, "ink", "head");
        Ok(svg.finish())
    }

    /// The first letter of a class, or the first two where another class begins with it.
    fn short(&self, class: usize) -> String {
        let first = |name: &str, n: usize| name.chars().take(n).collect::<String>().to_uppercase();
        let own = first(self.names[class], 1);
        let shared = self.names.iter().enumerate().any(|(other, name)| other != class && first(name, 1) == own);
        let name: String = self.names[class].chars().take(if shared { 2 } else { 1 }).collect();
        let mut letters = name.chars();
        letters.next().map_or(String::new(), |c| c.to_uppercase().chain(letters).collect())
    }
}

/// "#rrggbb" as numbers.
fn rgb(hex: &str) -> [u8; 3] {
    let part = |i: usize| hex.get(i..i + 2).and_then(|p| u8::from_str_radix(p, 16).ok()).unwrap_or(0);
    [part(1), part(3), part(5)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(layer: usize, head: usize, classes: &[usize]) -> Member {
        Member { layer, head, classes: classes.to_vec() }
    }

    #[test]
    fn every_head_has_the_colour_of_its_class_and_the_legend_counts() {
        let heads = [member(0, 0, &[0]), member(0, 1, &[1]), member(1, 0, &[0, 1]), member(1, 1, &[])];
        let figure = Classes { title: "t", notes: vec![], names: &["sink", "induction"], heads: &heads };
        let svg = figure.svg().unwrap();
        // One in the legend each.
        assert_eq!(svg.matches("fill=\"#D55E00\"").count(), 3);
        assert!(svg.contains(">sink (2)<") && svg.contains(">induction (2)<") && svg.contains(">none of these (1)<"));
        // Both letters of the head of two classes, side by side.
        assert_eq!((svg.matches(">S<").count(), svg.matches(">I<").count()), (2, 2));
        assert_eq!(rgb("#0072B2"), [0, 0x72, 0xB2]);
    }

    #[test]
    fn letters_tell_classes_apart() {
        let figure = Classes { title: "", notes: vec![], names: &["sink", "previous", "positional", "x"], heads: &[] };
        assert_eq!([0, 1, 2, 3].map(|c| figure.short(c)), ["S", "Pr", "Po", "X"]);
    }

    #[test]
    fn classes_without_a_name_and_heads_named_twice_are_refused() {
        let of = |heads: &[Member], names: &[&str]| {
            Classes { title: "t", notes: vec![], names, heads }.svg().unwrap_err().is_shape()
        };
        assert!(of(&[], &["a"]));
        assert!(of(&[member(0, 0, &[1])], &["a"]));
        assert!(of(&[member(0, 0, &[]), member(0, 0, &[0])], &["a"]));
        assert!(of(&[member(0, 0, &[])], &["a"; 9]));
    }
}
