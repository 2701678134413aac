//! Cells to pixels: one palette PNG a map, a byte a cell before compression.

use crate::canvas::colour::{ColourMap, NAN};
use crate::canvas::scale::Scale;
use crate::maps::map::Map;
use attractor::{Error, Result};

/// Colours of a map; the two entries behind them are NaN and "forbidden" (transparent).
pub const LEVELS: usize = 254;
const NAN_ENTRY: u8 = 254;
const FORBIDDEN: u8 = 255;

/// The map as PNG, one pixel a cell; forbidden cells are transparent.
///
/// # Errors
/// `is_shape` for a map without cells.
pub fn png(map: &Map, colours: ColourMap, scale: &Scale) -> Result<Vec<u8>> {
    let pixels: Vec<u8> = (0..map.cells.len())
        .map(|cell| match map.is_forbidden(cell) {
            true => FORBIDDEN,
            false => entry(scale.position(f64::from(map.cells[cell]))),
        })
        .collect();
    encode(map.columns, map.rows, pixels, colours)
}

/// A vertical ramp, the highest colour on top.
pub(crate) fn ramp(colours: ColourMap) -> Result<Vec<u8>> {
    let pixels = (0..LEVELS / 2).rev().map(|i| (2 * i + 1) as u8).collect();
    encode(1, LEVELS / 2, pixels, colours)
}

/// A ramp that lies, the highest colour at the right.
pub(crate) fn lying_ramp(colours: ColourMap) -> Result<Vec<u8>> {
    encode(LEVELS / 2, 1, (0..LEVELS / 2).map(|i| (2 * i + 1) as u8).collect(), colours)
}

/// Pixels [height, width, 3] as PNG.
pub(crate) fn rgb(width: usize, height: usize, pixels: Vec<u8>) -> Result<Vec<u8>> {
    let failed = |e: png::EncodingError| Error::shape(format!("picture of {width} x {height} pixels: {e}")).because(e);
    let side = |n: usize| u32::try_from(n).unwrap_or(0);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width), side(height));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

fn entry(position: f64) -> u8 {
    match position.is_nan() {
        true => NAN_ENTRY,
        false => (position * (LEVELS - 1) as f64).round() as u8,
    }
}

/// Only the colours that are used are written: small maps are many, and a full palette is 768 bytes.
fn encode(width: usize, height: usize, mut pixels: Vec<u8>, colours: ColourMap) -> Result<Vec<u8>> {
    let mut used = [false; 256];
    pixels.iter().for_each(|&p| used[usize::from(p)] = true);
    // The transparent entry comes first, so that the list of opacities has one byte.
    let order = std::iter::once(FORBIDDEN).chain(0..FORBIDDEN).filter(|&p| used[usize::from(p)]);
    let (mut palette, mut number) = (Vec::new(), [0u8; 256]);
    for (index, p) in order.enumerate() {
        number[usize::from(p)] = index as u8;
        palette.extend(match p {
            // Transparent, yet of the colour of the ground: viewers that smooth blend it in at the edges.
            FORBIDDEN => [0xE9, 0xE9, 0xEE],
            NAN_ENTRY => NAN,
            p => colours.at(f64::from(p) / (LEVELS - 1) as f64),
        });
    }
    pixels.iter_mut().for_each(|p| *p = number[usize::from(*p)]);

    let failed = |e: png::EncodingError| Error::shape(format!("picture of {width} x {height} cells: {e}")).because(e);
    let side = |n: usize| u32::try_from(n).unwrap_or(0);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width), side(height));
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    if used[usize::from(FORBIDDEN)] {
        encoder.set_trns(vec![0]);
    }
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes to RGBA.
    fn decoded(bytes: &[u8]) -> Vec<[u8; 4]> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut buffer).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgba);
        buffer.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect()
    }

    #[test]
    fn each_kind_of_cell_has_its_own_colour() {
        let map = Map {
            rows: 2,
            columns: 3,
            cells: vec![0.0, 1.0, f32::NAN, f32::INFINITY, 0.5, 0.0],
            forbidden: vec![false, false, false, false, false, true],
            queries: 2,
            keys: 3,
            ..Map::empty()
        };
        let pixels = decoded(&png(&map, ColourMap::Viridis, &Scale::unit()).unwrap());
        let opaque = |[r, g, b]: [u8; 3]| [r, g, b, 255];
        assert_eq!(pixels[0], opaque(ColourMap::Viridis.at(0.0)));
        assert_eq!(pixels[1], opaque(ColourMap::Viridis.at(1.0)));
        assert_eq!(pixels[2], opaque(NAN));
        assert_eq!(pixels[3], opaque(NAN));
        assert_eq!(pixels[4], opaque(ColourMap::Viridis.at(127.0 / 253.0)));
        assert_eq!(pixels[5][3], 0);
    }

    #[test]
    fn the_ramp_falls_from_the_highest_colour() {
        let pixels = decoded(&ramp(ColourMap::Viridis).unwrap());
        assert_eq!(pixels.len(), LEVELS / 2);
        assert!(pixels[0][0] > 240 && pixels[LEVELS / 2 - 1][2] > 80, "{:?}", pixels[0]);
    }

    #[test]
    fn a_map_without_cells_is_refused() {
        let map = Map::empty();
        assert!(png(&map, ColourMap::Viridis, &Scale::unit()).unwrap_err().is_shape());
    }
}
