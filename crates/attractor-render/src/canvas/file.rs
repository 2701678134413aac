//! Figures as files: PNG and PDF from the tree of one SVG, with one shipped font.
//!
//! The font is the only one that is ever loaded, so a figure has the same pixels on every machine. It is DejaVu Sans,
//! regular and bold, cut to Latin, Greek, Cyrillic, Hebrew, mathematical signs, arrows and the marks of tokenisers
//! (`font/`, with its licence). A character that it lacks is drawn as an empty box. No file and no address that an SVG
//! names is opened.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use krilla::Document;
use krilla::geom::Size;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla_svg::{SurfaceExt, SvgSettings};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{self, FontResolver, ImageHrefResolver, ImageKind, Tree, fontdb, roxmltree};

use attractor::{Error, Result};

/// Family name of the shipped font.
pub const FAMILY: &str = "DejaVu Sans";
/// The shipped font, TrueType.
pub const REGULAR: &[u8] = include_bytes!("../../font/DejaVuSans.ttf");
/// Its bold face.
pub const BOLD: &[u8] = include_bytes!("../../font/DejaVuSans-Bold.ttf");

/// Most pixels of a PNG.
const PIXELS: f64 = 1e8;
/// PDF points in a CSS pixel: 1/72 and 1/96 of an inch.
const POINTS: f32 = 0.75;
/// An image of a PDF has at least this many pixels along its longer side: viewers smooth what they enlarge, which
/// would blur the cells of a small map into each other.
const SHARP: u32 = 384;

/// A figure as PNG: `scale` pixels for a CSS pixel, on white. Its resolution is recorded, so that it is placed at the
/// size of the SVG (96 CSS pixels an inch).
///
/// # Errors
/// `is_usage` unless scale is above zero and the picture has at most 10^8 pixels; `is_format` for what is no SVG.
pub fn png(svg: &str, scale: f64) -> Result<Vec<u8>> {
    let tree = tree(svg, None)?;
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let side = |length: f64| (length * scale).round().max(1.0);
    // Stated as what must hold, so that NaN is refused.
    let fits = scale > 0.0 && side(width) * side(height) <= PIXELS;
    if !fits {
        return Err(Error::usage(format!(
            "PNG: a figure of {width} x {height} CSS pixels at scale {scale}; needs a scale above zero and at most 10^8 \
             pixels in all"
        )));
    }
    let (across, down) = (side(width) as u32, side(height) as u32);
    let no_room = || Error::usage(format!("PNG: no memory for {across} x {down} pixels; use a smaller scale"));
    let mut pixels = Pixmap::new(across, down).ok_or_else(no_room)?;
    pixels.fill(Color::WHITE);
    // The exact ratios, so that rounding the sides moves nothing by more than half a pixel.
    let (x, y) = ((f64::from(across) / width) as f32, (f64::from(down) / height) as f32);
    resvg::render(&tree, Transform::from_scale(x, y), &mut pixels.as_mut());
    // On white everything is opaque: three bytes per pixel are the whole of it.
    let rgb: Vec<u8> = pixels.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();

    let failed = |e: png::EncodingError| Error::format(format!("PNG of {across} x {down} pixels: {e}")).because(e);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, across, down);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_metre = (96.0 * scale / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&rgb).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// A figure as a PDF of one page, its size that of the SVG; text stays text and lines stay lines.
///
/// The same SVG gives the same bytes: no date and no random number is written.
///
/// # Errors
/// `is_format` for what is no SVG.
pub fn pdf(svg: &str) -> Result<Vec<u8>> {
    let tree = tree(svg, Some(SHARP))?;
    let (width, height) = (tree.size().width() * POINTS, tree.size().height() * POINTS);
    let size = Size::from_wh(width, height)
        .ok_or_else(|| Error::format(format!("PDF: a figure of {width} x {height} points; needs a size")))?;
    let mut document = Document::new();
    let mut metadata = Metadata::new().creator("Attractor".to_string()).language("en".to_string());
    if let Some(title) = name(svg) {
        metadata = metadata.title(title);
    }
    document.set_metadata(metadata);
    let mut page = document.start_page_with(PageSettings::new(size));
    let mut surface = page.surface();
    let drawn = surface.draw_svg(&tree, size, SvgSettings::default());
    surface.finish();
    page.finish();
    let bytes = document.finish().map_err(|e| Error::format(format!("PDF: {e:?}")).because(e))?;
    match drawn {
        Some(()) => Ok(bytes),
        None => Err(Error::format("PDF: the figure could not be drawn".to_string())),
    }
}

/// The characters of a figure that the shipped font lacks, each once: PNG and PDF show boxes in their places.
///
/// # Errors
/// `is_format` for what is no SVG.
pub fn missing(svg: &str) -> Result<Vec<String>> {
    fn gather(group: &usvg::Group, found: &mut BTreeSet<String>) {
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => gather(group, found),
                usvg::Node::Text(text) => {
                    let glyphs = text.layouted().iter().flat_map(|span| &span.positioned_glyphs);
                    found.extend(glyphs.filter(|glyph| glyph.id.0 == 0).map(|glyph| glyph.text.clone()));
                }
                _ => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    gather(tree(svg, None)?.root(), &mut found);
    Ok(found.into_iter().collect())
}

/// What the figure is called, from its own label.
fn name(svg: &str) -> Option<String> {
    let document = roxmltree::Document::parse(svg).ok()?;
    document.root_element().attribute("aria-label").map(str::to_string)
}

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    FONTS
        .get_or_init(|| {
            let mut all = fontdb::Database::new();
            for face in [REGULAR, BOLD] {
                all.load_font_source(fontdb::Source::Binary(Arc::new(face)));
            }
            Arc::new(all)
        })
        .clone()
}

/// The figure, parsed; its PNGs enlarged to `sharp` pixels if given.
fn tree(svg: &str, sharp: Option<u32>) -> Result<Tree> {
    let default = ImageHrefResolver::default_data_resolver();
    let options = usvg::Options {
        font_family: FAMILY.to_string(),
        fontdb: fonts(),
        // Whatever family is asked for, there is one: only the weight is looked at.
        font_resolver: FontResolver {
            select_font: Box::new(|font, all| {
                let mut faces = all.faces();
                let (regular, bold) = (faces.next()?.id, faces.next()?.id);
                Some(if font.weight() >= 600 { bold } else { regular })
            }),
            select_fallback: Box::new(|_, _, _| None),
        },
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(move |kind, data, options| match default(kind, data, options) {
                Some(ImageKind::PNG(data)) => {
                    let larger = sharp.and_then(|side| enlarged(&data, side)).map(Arc::new);
                    Some(ImageKind::PNG(larger.unwrap_or(data)))
                }
                // An SVG inside an SVG could name files again.
                Some(ImageKind::SVG(_)) => None,
                other => other,
            }),
            resolve_string: Box::new(|_, _| None),
        },
        ..usvg::Options::default()
    };
    Tree::from_str(svg, &options)
        .map_err(|e| Error::format(format!("figure: not an SVG that can be drawn: {e}")).because(e))
}

/// A PNG with every pixel repeated, so that its longer side has `side` pixels or a little more; `None` if it has already.
fn enlarged(data: &[u8], side: u32) -> Option<Vec<u8>> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(data));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().ok()?;
    let (width, height) = (reader.info().width, reader.info().height);
    if width.max(height) >= side {
        return None;
    }
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    let channels = info.color_type.samples();
    let factor = side.div_ceil(width.max(height)) as usize;
    let mut larger = Vec::with_capacity(info.buffer_size() * factor * factor);
    for row in pixels[..info.buffer_size()].chunks_exact(width as usize * channels) {
        let wide: Vec<u8> = row
            .chunks_exact(channels)
            .flat_map(|pixel| std::iter::repeat_n(pixel, factor))
            .flatten()
            .copied()
            .collect();
        (0..factor).for_each(|_| larger.extend_from_slice(&wide));
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width * factor as u32, height * factor as u32);
    encoder.set_color(info.color_type);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&larger).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(inside: &str) -> String {
        format!("<svg xmlns='http://www.w3.org/2000/svg' width='40' height='20' aria-label='a name'>{inside}</svg>")
    }

    fn decoded(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_picture_has_the_asked_size_and_a_white_ground() {
        let svg = figure("<rect x='20' width='20' height='20' fill='#f00'/>");
        let (width, height, pixels) = decoded(&png(&svg, 2.5).unwrap());
        assert_eq!((width, height), (100, 50));
        assert_eq!((&pixels[..3], &pixels[297..300]), (&[255, 255, 255][..], &[255, 0, 0][..]));
    }

    #[test]
    fn scales_that_are_no_scales_and_pictures_that_are_too_large_are_refused() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e4] {
            assert!(png(&figure(""), scale).unwrap_err().is_usage(), "{scale}");
        }
        assert!(png("no figure", 1.0).unwrap_err().is_format());
        assert!(pdf("<svg>").unwrap_err().is_format());
    }

    #[test]
    fn no_other_font_and_no_file_is_opened() {
        let word = |family: &str| figure(&format!("<text y='15' font-size='12' font-family='{family}'>ab</text>"));
        let own = png(&word(FAMILY), 1.0).unwrap();
        assert_eq!(own, png(&word("serif"), 1.0).unwrap());
        assert_ne!(own, png(&figure(""), 1.0).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("red.png");
        std::fs::write(&path, png(&figure("<rect width='40' height='20' fill='#f00'/>"), 1.0).unwrap()).unwrap();
        let opens = figure(&format!("<image width='40' height='20' href='{}'/>", path.display()));
        assert_eq!(png(&opens, 1.0).unwrap(), png(&figure(""), 1.0).unwrap());
    }

    #[test]
    fn a_character_that_the_font_lacks_is_seen() {
        let word = |text: &str| png(&figure(&format!("<text y='15' font-size='12'>{text}</text>")), 1.0).unwrap();
        assert_ne!(word("語"), png(&figure(""), 1.0).unwrap());
        let lacks = |text: &str| missing(&figure(&format!("<g><text y='15'>{text}</text></g>"))).unwrap();
        assert_eq!((lacks("a語b😀語"), lacks("äβ∞")), (vec!["語".to_string(), "😀".to_string()], vec![]));
        for c in "äŁβ∞→⁻³␣Ġ▁Жש−≤·×".chars() {
            assert_ne!(word(&c.to_string()), word("語"), "{c}");
        }
    }

    #[test]
    fn a_page_has_text_and_a_name_and_the_same_bytes_again() {
        let svg = figure("<text y='15' font-size='12'>ab</text>");
        let bytes = pdf(&svg).unwrap();
        assert!(bytes.starts_with(b"%PDF-"));
        let has = |part: &str| bytes.windows(part.len()).any(|w| w == part.as_bytes());
        assert!(has("DejaVu") && has("Title(a name)") && has("MediaBox[0 0 30 15]"));
        assert_eq!(bytes, pdf(&svg).unwrap());
    }

    #[test]
    fn small_maps_stay_sharp_in_a_page() {
        let image = crate::canvas::raster::ramp(crate::canvas::colour::ColourMap::Viridis).unwrap();
        let (_, small, _) = decoded(&image);
        let (width, height, pixels) = decoded(&enlarged(&image, 300).unwrap());
        assert_eq!((width, height), (3, 3 * small));
        assert_eq!(pixels[..9], pixels[9..18]);
        assert!(enlarged(&image, small).is_none());
    }
}
