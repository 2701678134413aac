//! Pictures as rows: grey, 0 black to 255 white. What is transparent is laid on white, as on paper.
//!
//! A folder is read in the order of its names; where it holds no picture itself, its folders are classes, in the order of
//! their names. Names that begin with a dot are the system's own; whatever else is left out is counted.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageReader, Limits};

use super::{Levels, MOST_BYTES, Samples};
use attractor::{DataNote, Error, Result};
use attractor_record::file;

/// Most bytes that a picture may unpack to.
const LARGEST: u64 = 256 << 20;
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "pgm", "ppm", "pbm", "pnm"];

/// A picture: height and width, its grey levels row by row, and whether parts of it are transparent.
struct Picture {
    size: (usize, usize),
    grey: Vec<f32>,
    transparent: bool,
}

/// Bytes of a picture, by how they begin.
pub(super) fn is_picture(bytes: &[u8]) -> bool {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..] => true,
        // Two reserved words of zeros: no table of a column "BMI" has them.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => true,
        [b'P', b'1'..=b'6', space, next, ..] => {
            space.is_ascii_whitespace() && (next.is_ascii_digit() || next.is_ascii_whitespace() || *next == b'#')
        }
        _ => false,
    }
}

fn read(bytes: &[u8]) -> Result<Picture> {
    let bad = |error: image::ImageError| Error::format(format!("the picture cannot be read: {error}")).because(error);
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| Error::io(format!("the picture cannot be read: {error}")).because(error))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(LARGEST);
    reader.limits(limits);
    let pixels = reader.decode().map_err(bad)?.into_rgba8();
    // Rec. 709; grey pixels are their own level.
    let level = |[r, g, b]: [u8; 3]| match r == g && g == b {
        true => f32::from(r),
        false => 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b),
    };
    let on_white = |&[r, g, b, a]: &[u8; 4]| {
        let level = level([r, g, b]);
        if a == 255 { level } else { 255.0 + (level - 255.0) * f32::from(a) / 255.0 }
    };
    let size = (pixels.height() as usize, pixels.width() as usize);
    let pixels = pixels.into_raw();
    let pixels = pixels.as_chunks().0;
    let transparent = pixels.iter().any(|pixel: &[u8; 4]| pixel[3] < 255);
    Ok(Picture { size, grey: pixels.iter().map(on_white).collect(), transparent })
}

/// Rows of grey levels, with what is to be said of them.
fn grey(count: usize, values: Vec<f32>, size: (usize, usize), notes: Vec<DataNote>) -> Result<Samples> {
    Ok(Samples { levels: Levels::Grey, notes, ..Samples::new(count, values, Some(size))? })
}

/// One picture as one row.
pub(super) fn single(bytes: &[u8]) -> Result<Samples> {
    let picture = read(bytes)?;
    let notes = picture.transparent.then_some(DataNote::OnWhite { pictures: 1 });
    grey(1, picture.grey, picture.size, notes.into_iter().collect())
}

/// What lies in a folder, in the order of names.
#[derive(Default)]
struct Listing {
    pictures: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Listing {
    fn of(path: &Path) -> Result<Self> {
        let io = |error: std::io::Error| Error::io(format!("the folder cannot be read: {error}")).because(error);
        let entries = path.read_dir().map_err(io)?.map(|entry| Ok(entry?.path()));
        let mut all: Vec<PathBuf> = entries.collect::<std::io::Result<_>>().map_err(io)?;
        all.sort();
        let mut found = Self::default();
        for path in all {
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
            let metadata = fs::metadata(&path);
            match metadata {
                _ if is_hidden => {}
                Ok(metadata) if metadata.is_dir() => found.folders.push(path),
                // A pipe in a folder of pictures would be waited for without end.
                Ok(metadata) if metadata.is_file() && ENDINGS.contains(&ending.as_str()) => found.pictures.push(path),
                _ => found.others.push(path),
            }
        }
        Ok(found)
    }
}

/// All pictures of a folder, in the order of their names; of one of folders, class by class.
pub(super) fn folder(path: &Path) -> Result<Samples> {
    let top = Listing::of(path)?;
    let mut left_out = top.others;
    let mut classes = vec![(0, top.pictures)];
    if classes[0].1.is_empty() {
        classes.clear();
        for folder in &top.folders {
            let within = Listing::of(folder)?;
            left_out.extend(within.others.into_iter().chain(within.folders));
            if !within.pictures.is_empty() {
                classes.push((classes.len(), within.pictures));
            }
        }
    } else {
        left_out.extend(top.folders);
    }
    let shown = |file: &Path| file.strip_prefix(path).unwrap_or(file).display().to_string();
    let files: Vec<(usize, &PathBuf)> =
        classes.iter().flat_map(|(class, files)| files.iter().map(move |file| (*class, file))).collect();
    let (mut first, mut values, mut transparent) = (None, Vec::new(), 0);
    for (_, path) in &files {
        let name = shown(path);
        let bytes = file::read(path, "a picture", MOST_BYTES)?;
        let picture = read(&bytes).map_err(|error| error.at(&name))?;
        let (size, (expected, example)) = (picture.size, first.get_or_insert_with(|| (picture.size, name.clone())));
        if size != *expected {
            return Err(Error::format(format!(
                "{name} has {} x {} pixels, {example} {} x {}; all pictures must have one size",
                size.0, size.1, expected.0, expected.1
            )));
        }
        transparent += usize::from(picture.transparent);
        values.extend(picture.grey);
        if values.len() as u64 * 4 > MOST_BYTES {
            return Err(Error::budget(format!("{} pictures take more than {MOST_BYTES} bytes", files.len())));
        }
    }
    let Some((size, _)) = first else {
        return Err(Error::format(format!(
            "there is no picture in the folder (needs .{}; {} other files)",
            ENDINGS.join(", ."),
            left_out.len()
        )));
    };
    let mut notes = Vec::new();
    if let Some(other) = left_out.first() {
        notes.push(DataNote::LeftOut { read: files.len(), left_out: left_out.len(), first: shown(other) });
    }
    if transparent > 0 {
        notes.push(DataNote::OnWhite { pictures: transparent });
    }
    let labels = match classes.len() {
        2..=256 => files.iter().map(|(class, _)| *class as u8).collect(),
        _ => Vec::new(),
    };
    Ok(Samples { labels, ..grey(files.len(), values, size, notes)? })
}
