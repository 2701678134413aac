//! A small SVG writer: escaped, balanced, figures to two decimals.

use std::fmt::{Display, Write as _};

use crate::canvas::text::escape;

/// The namespace: a name, never fetched.
pub const NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// Fonts of a figure that stands alone; inside a page the page's own font wins.
const FONTS: &str = "'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif";

/// Which end of a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// A figure as it grows.
///
/// Colours are given as presentation attributes, so that a figure stands alone; every part has a class, by which a
/// page recolours it for a dark background.
#[derive(Debug)]
pub struct Svg {
    body: String,
    open: Vec<&'static str>,
    /// Width and height, CSS pixels.
    size: (f64, f64),
    name: String,
}

impl Svg {
    /// A figure of `width` by `height` CSS pixels, called `name` by screen readers.
    pub fn new(width: f64, height: f64, name: &str) -> Self {
        Self { body: String::new(), open: Vec::new(), size: (width, height), name: name.to_string() }
    }

    /// An element without content.
    pub fn element(&mut self, name: &'static str, attributes: &[(&str, &dyn Display)]) {
        self.tag(name, attributes, "/>");
    }

    /// Opens an element; [`close`](Self::close) ends it.
    pub fn group(&mut self, name: &'static str, attributes: &[(&str, &dyn Display)]) {
        self.tag(name, attributes, ">");
        self.open.push(name);
    }

    /// Ends the element that was opened last.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            let _ = write!(self.body, "</{name}>");
        }
    }

    /// A line of the axes.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (short(x1), short(y1), short(x2), short(y2));
        self.element(
            "path",
            &[("class", &"axis"), ("stroke", &"#666"), ("fill", &"none"), ("d", &format!("M{x1} {y1}L{x2} {y2}"))],
        );
    }

    /// Text at a point, in the figure's own direction whatever its script.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, size: f64, class: &str, text: &str) {
        self.rotated((x, y), 0.0, anchor, size, class, text);
    }

    /// The same, turned by `degrees` about its point.
    pub fn rotated(&mut self, place: (f64, f64), degrees: f64, anchor: Anchor, size: f64, class: &str, text: &str) {
        self.write_text(place, degrees, anchor, size, class, text, "");
    }

    /// Text with a style of its own: an outline, where it stands on a picture.
    pub(crate) fn styled(
        &mut self,
        place: (f64, f64),
        anchor: Anchor,
        size: f64,
        class: &str,
        text: &str,
        style: &str,
    ) {
        self.write_text(place, 0.0, anchor, size, class, text, style);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a text are these")]
    fn write_text(
        &mut self,
        (x, y): (f64, f64),
        degrees: f64,
        anchor: Anchor,
        size: f64,
        class: &str,
        text: &str,
        style: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let fill = match class {
            "muted" => "#666",
            "on-dark" => "#fff",
            _ => "#1b1b1f",
        };
        // A page may style classes; a file has nothing but its attributes.
        let weight = if class.contains("title") { " font-weight=\"600\"" } else { "" };
        let place = match degrees == 0.0 {
            true => format!("x=\"{}\" y=\"{}\"", short(x), short(y)),
            false => format!("transform=\"translate({} {}) rotate({})\"", short(x), short(y), short(degrees)),
        };
        let style = if style.is_empty() { String::new() } else { format!(" style=\"{}\"", escape(style)) };
        let _ = write!(
            self.body,
            "<text {place}{weight}{style} class=\"{}\" fill=\"{fill}\" font-size=\"{}\" text-anchor=\"{anchor}\" direction=\"ltr\" \
             unicode-bidi=\"isolate\">{}</text>",
            escape(class),
            short(size),
            typeset(text)
        );
    }

    /// A PNG stretched over a rectangle, its pixels kept square and sharp.
    pub fn image(&mut self, place: (f64, f64, f64, f64), png: &[u8]) {
        self.picture(place, png, "image/png", 1.0, true);
    }

    /// An image of a MIME type stretched over a rectangle; its pixels kept sharp, or smoothed as photographs are.
    pub fn picture(
        &mut self,
        (x, y, width, height): (f64, f64, f64, f64),
        bytes: &[u8],
        kind: &str,
        opacity: f64,
        sharp: bool,
    ) {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        let href = format!("data:{kind};base64,{data}");
        let (x, y, width, height) = (short(x), short(y), short(width), short(height));
        let mut attributes: Vec<(&str, &dyn Display)> =
            vec![("x", &x), ("y", &y), ("width", &width), ("height", &height), ("preserveAspectRatio", &"none")];
        let opacity = (opacity < 1.0).then(|| short(opacity));
        if let Some(opacity) = &opacity {
            attributes.push(("opacity", opacity));
        }
        if sharp {
            attributes.push(("style", &"image-rendering:pixelated"));
        }
        attributes.push(("href", &href));
        self.element("image", &attributes);
    }

    /// A whole figure with its corner at (x, y), at its own size.
    pub(crate) fn nested(&mut self, (x, y): (f64, f64), figure: &str) {
        let inner = figure.strip_prefix("<svg ").unwrap_or(figure);
        let _ = write!(self.body, "<svg x=\"{}\" y=\"{}\" {inner}", short(x), short(y));
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &dyn Display)], end: &str) {
        let _ = write!(self.body, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.body, " {key}=\"{}\"", escape(&value.to_string()));
        }
        self.body.push_str(end);
    }

    /// The figure, everything closed. It stands alone as a file and inside a page alike.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        let (width, height) = (short(self.size.0), short(self.size.1));
        format!(
            "<svg xmlns=\"{NAMESPACE}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-label=\"{}\" font-family=\"{}\">{}</svg>",
            escape(&self.name),
            escape(FONTS),
            self.body
        )
    }
}

/// Escaped text, the sign of a transposed matrix as a raised T: fonts lack the sign and show a box for it.
fn typeset(text: &str) -> String {
    let escaped = escape(text);
    let mut parts = escaped.split('ᵀ');
    let first = parts.next().unwrap_or_default().to_string();
    let raised = |rest: &str| match rest {
        "" => RAISED.to_string(),
        rest => format!("{RAISED}<tspan dy=\"0.315em\">{rest}</tspan>"),
    };
    first + &parts.map(raised).collect::<String>()
}

/// The T of a transposed matrix; its em is that of its own smaller letters.
const RAISED: &str = "<tspan dy=\"-0.45em\" font-size=\"70%\">T</tspan>";

/// At most two decimals, no trailing zeros, no negative zero; what is not a number becomes 0, so that no attribute breaks.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_string();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_closed_and_what_is_text_is_escaped() {
        let mut svg = Svg::new(10.0, 20.5, "a \"b\" <c>");
        svg.group("g", &[("id", &"x\"><script>")]);
        svg.text((1.0, 2.0), Anchor::End, 9.0, "ink", "</text><script>");
        let text = svg.finish();
        assert!(text.ends_with("</text></g></svg>"), "{text}");
        assert!(!text.contains("<script") && text.contains("viewBox=\"0 0 10 20.5\""), "{text}");
    }

    #[test]
    fn a_transposed_matrix_has_a_raised_letter() {
        let drawn = typeset("Q Kᵀ) V <b>");
        assert_eq!(drawn, format!("Q K{RAISED}<tspan dy=\"0.315em\">) V &lt;b&gt;</tspan>"));
        assert_eq!(typeset("Xᵀ"), format!("X{RAISED}"));
    }

    #[test]
    fn numbers_are_short_and_never_break_an_attribute() {
        let all = [1.0, 0.125, -0.001, f64::NAN, f64::INFINITY, 1e3].map(short);
        assert_eq!(all, ["1", "0.12", "0", "0", "0", "1000"]);
    }
}
