//! Pictures as rows: grey, 0 black to 1 white.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use png::{ColorType, Decoder, Limits, Transformations};

use super::{MOST_BYTES, Samples};
use attractor::{Error, Result};

/// Most bytes that a picture may unpack to.
const LARGEST: usize = 256 << 20;

pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG")
}

/// Height and width, and the grey values row by row; what is transparent is laid on black.
pub(super) fn read(bytes: &[u8]) -> Result<((usize, usize), Vec<f32>)> {
    let bad = |error: png::DecodingError| Error::format(format!("the PNG cannot be read: {error}")).because(error);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: LARGEST });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(bad)?;
    let size = reader.output_buffer_size().filter(|&size| size <= LARGEST);
    let size = size.ok_or_else(|| Error::budget(format!("the PNG unpacks to more than {LARGEST} bytes")))?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels).map_err(bad)?;
    let unit = |x: u8| f32::from(x) / 255.0;
    // Rec. 709.
    let grey = |p: &[u8]| 0.2126 * unit(p[0]) + 0.7152 * unit(p[1]) + 0.0722 * unit(p[2]);
    let pixels = &pixels[..info.buffer_size()];
    let values = match info.color_type {
        ColorType::Grayscale => pixels.iter().map(|&x| unit(x)).collect(),
        ColorType::GrayscaleAlpha => pixels.chunks_exact(2).map(|p| unit(p[0]) * unit(p[1])).collect(),
        ColorType::Rgba => pixels.chunks_exact(4).map(|p| grey(p) * unit(p[3])).collect(),
        _ => pixels.chunks_exact(3).map(grey).collect(),
    };
    Ok(((info.height as usize, info.width as usize), values))
}

/// All pictures of a folder, in the order of their names.
pub(super) fn folder(path: &Path) -> Result<Samples> {
    let io = |error: std::io::Error| Error::io(format!("the folder cannot be read: {error}")).because(error);
    let mut files: Vec<PathBuf> =
        path.read_dir().map_err(io)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().map_err(io)?;
    files.retain(|file| file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")));
    files.sort();
    let mut first: Option<((usize, usize), PathBuf)> = None;
    let mut values = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap_or_default().display().to_string();
        let bytes = std::fs::read(file)
            .map_err(|error| Error::io(format!("{name}: cannot be read: {error}")).because(error))?;
        let (size, own) = read(&bytes).map_err(|error| error.at(&name))?;
        let (expected, example) = first.get_or_insert_with(|| (size, PathBuf::from(&name)));
        if size != *expected {
            return Err(Error::format(format!(
                "{name} has {} x {} pixels, {} {} x {}; all pictures must have one size",
                size.0,
                size.1,
                example.display(),
                expected.0,
                expected.1
            )));
        }
        values.extend(own);
        if values.len() as u64 * 4 > MOST_BYTES {
            return Err(Error::budget(format!("{} pictures take more than {MOST_BYTES} bytes", files.len())));
        }
    }
    match first {
        Some((size, _)) => Samples::new(files.len(), values, Some(size)),
        None => Err(Error::format("there is no .png in the folder")),
    }
}
