//! Images as a model reads them: [channels, height, width] in f32, normalised as preprocessor_config.json says.

use crate::checkpoint::npy::Npy;
use crate::checkpoint::safetensors::Safetensors;
use crate::checkpoint::spec::ImageSpec;
use crate::checkpoint::{Array, read_json};
use attractor::{Error, Result};
use attractor_record::file::{self, unreadable};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};
use serde_json::Value;
use std::io::BufReader;
use std::path::Path;

/// Widest and highest picture that is decoded.
const LARGEST_SIDE: u32 = 16_384;
/// Most bytes a decoder may take: a small file may hold a large white picture.
const MOST_BYTES: u64 = 1 << 29;

/// What is done to a picture before a model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Processor {
    spec: ImageSpec,
    resize: Option<Resize>,
    crop: Option<(u32, u32)>,
    /// Factor on the bytes 0 to 255.
    rescale: f32,
    mean: Vec<f32>,
    std: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Resize {
    to: Size,
    filter: FilterType,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    Exact { height: u32, width: u32 },
    ShortestEdge(u32),
}

impl Processor {
    /// Reads `preprocessor_config.json` of a model folder; without one a picture must have the model's size, bytes are
    /// divided by 255, and mean and deviation are 0.5 in every channel.
    ///
    /// # Errors
    /// `is_format` for settings that are wrong or contradict the model.
    pub fn open(folder: &Path, spec: &ImageSpec) -> Result<Self> {
        let file = folder.join("preprocessor_config.json");
        let value = match file.exists() {
            true => read_json(&file, "the image processor's settings")?,
            false => Value::Object(serde_json::Map::new()),
        };
        Self::read(&value, spec, &file.display().to_string())
    }

    fn read(value: &Value, spec: &ImageSpec, place: &str) -> Result<Self> {
        let wrong = |key: &str, expected: &str| {
            let got = value.get(key).map(Value::to_string).unwrap_or_default();
            Error::format(format!(
                "{place}: `{key}`: expected {expected}, got {}",
                got.chars().take(60).collect::<String>()
            ))
        };
        if !value.is_object() {
            return Err(Error::format(format!("{place}: expected an object of settings, got something else")));
        }
        let flag = |key: &str, default: bool| match value.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(wrong(key, "true or false")),
        };
        let side = |value: &Value| value.as_u64().filter(|&n| n > 0 && n <= u64::from(LARGEST_SIDE)).map(|n| n as u32);
        let size = |key: &str, default: Size| match value.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Object(sides)) => match (sides.get("height"), sides.get("width"), sides.get("shortest_edge")) {
                (Some(height), Some(width), None) => {
                    side(height).zip(side(width)).map(|(height, width)| Size::Exact { height, width })
                }
                (None, None, Some(edge)) => side(edge).map(Size::ShortestEdge),
                _ => None,
            }
            .ok_or_else(|| wrong(key, "height and width, or shortest_edge")),
            Some(number) => {
                side(number).map(|n| Size::Exact { height: n, width: n }).ok_or_else(|| wrong(key, "a size above 0"))
            }
        };
        let model = Size::Exact { height: spec.height as u32, width: spec.width as u32 };
        let filter = match value.get("resample").filter(|v| !v.is_null()).map(Value::as_u64) {
            None | Some(Some(2)) => FilterType::Triangle,
            Some(Some(0)) => FilterType::Nearest,
            Some(Some(1)) => FilterType::Lanczos3,
            Some(Some(3)) => FilterType::CatmullRom,
            Some(_) => return Err(wrong("resample", "Pillow's 0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic)")),
        };
        let resize = match flag("do_resize", false)? {
            true => Some(Resize { to: size("size", model)?, filter }),
            false => None,
        };
        let crop = match flag("do_center_crop", false)? {
            true => match size("crop_size", model)? {
                Size::Exact { height, width } => Some((height, width)),
                Size::ShortestEdge(_) => return Err(wrong("crop_size", "height and width")),
            },
            false => None,
        };
        let rescale = match (flag("do_rescale", true)?, value.get("rescale_factor")) {
            (false, _) => 1.0,
            (true, None | Some(Value::Null)) => 1.0 / 255.0,
            (true, Some(factor)) => {
                let factor = factor.as_f64().filter(|f| *f > 0.0 && *f < 1e6);
                factor.ok_or_else(|| wrong("rescale_factor", "a number above 0"))? as f32
            }
        };
        let per_channel = |key: &str, default: f32, positive: bool| {
            let good = |v: &Value| v.as_f64().filter(|x| x.abs() < 1e6 && (!positive || *x > 0.0)).map(|x| x as f32);
            let expected = format!("one number for each of {} channels", spec.channels);
            match value.get(key) {
                None | Some(Value::Null) => Ok(vec![default; spec.channels]),
                Some(Value::Array(list)) => {
                    let list: Option<Vec<f32>> = list.iter().map(good).collect();
                    list.filter(|list| list.len() == spec.channels).ok_or_else(|| wrong(key, &expected))
                }
                Some(one) => good(one).map(|x| vec![x; spec.channels]).ok_or_else(|| wrong(key, &expected)),
            }
        };
        let (mean, std) = match flag("do_normalize", true)? {
            true => (per_channel("image_mean", 0.5, false)?, per_channel("image_std", 0.5, true)?),
            false => (vec![0.0; spec.channels], vec![1.0; spec.channels]),
        };
        Ok(Self { spec: spec.clone(), resize, crop, rescale, mean, std })
    }

    /// Reads the images of a file: one PNG or JPEG, or the tensor of a `.npy` or `.safetensors` file (`pixel_values`,
    /// [channels, height, width] or [images, channels, height, width], already normalised).
    ///
    /// # Errors
    /// `is_io`, `is_format` for a file that cannot be decoded; `is_shape` for a picture of another size than the model's;
    /// `is_unsupported` for a model with another number of channels than 1 or 3 and a picture; `is_non_finite`.
    pub fn read_file(&self, path: &Path) -> Result<Vec<Array>> {
        let end = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match end.as_str() {
            "npy" => self.split(Npy::open(path)?.array()?, path),
            "safetensors" => self.split(Safetensors::open(path)?.tensor("pixel_values")?, path),
            _ => Ok(vec![self.picture(path)?]),
        }
    }

    fn picture(&self, path: &Path) -> Result<Array> {
        let place = path.display();
        let (file, _) = file::open(path, "the image")?;
        let reader = ImageReader::new(BufReader::new(file));
        let mut reader = reader.with_guessed_format().map_err(|e| unreadable(path, "the image", &e))?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(LARGEST_SIDE);
        limits.max_image_height = Some(LARGEST_SIDE);
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        let decoded = reader.decode().map_err(|e| {
            Error::format(format!(
                "{place}: expected a PNG or JPEG image, which cannot be decoded here: {e}; convert it to PNG"
            ))
            .because(e)
        })?;
        self.tensor(&decoded).map_err(|e| e.at(place))
    }

    /// Resizes and crops as told, then normalises.
    fn tensor(&self, picture: &DynamicImage) -> Result<Array> {
        let mut sized = None;
        if let Some(Resize { to, filter }) = self.resize {
            let (width, height) = match to {
                Size::Exact { height, width } => (width, height),
                Size::ShortestEdge(edge) => {
                    let (w, h) = (picture.width().max(1), picture.height().max(1));
                    let long = |long: u32, short: u32| (u64::from(edge) * u64::from(long) / u64::from(short)) as u32;
                    if w <= h { (edge, long(h, w)) } else { (long(w, h), edge) }
                }
            };
            if width > LARGEST_SIDE || height > LARGEST_SIDE {
                return Err(Error::shape(format!(
                    "resized, the image would have {width} x {height} pixels; crop it first"
                )));
            }
            sized = Some(picture.resize_exact(width, height, filter));
        }
        if let Some((height, width)) = self.crop {
            let whole = sized.as_ref().unwrap_or(picture);
            if whole.width() < width || whole.height() < height {
                return Err(Error::shape(format!(
                    "the image has {} x {} pixels (height x width), too few to cut {height} x {width} out of it; enlarge it",
                    whole.height(),
                    whole.width()
                )));
            }
            sized = Some(whole.crop_imm((whole.width() - width) / 2, (whole.height() - height) / 2, width, height));
        }
        let picture = sized.as_ref().unwrap_or(picture);
        let (height, width) = (self.spec.height, self.spec.width);
        if (picture.height() as usize, picture.width() as usize) != (height, width) {
            return Err(Error::shape(format!(
                "expected an image of {height} x {width} pixels (height x width), got {} x {}; resize it, or set \
                 `do_resize` to true in the model's preprocessor_config.json",
                picture.height(),
                picture.width()
            )));
        }
        let channels = self.spec.channels;
        let bytes = match channels {
            1 => picture.to_luma8().into_raw(),
            3 => picture.to_rgb8().into_raw(),
            other => {
                return Err(Error::unsupported(format!(
                    "the model reads {other} channels, a picture has 1 or 3; give a .npy or .safetensors tensor"
                )));
            }
        };
        let mut values = Vec::with_capacity(bytes.len());
        for channel in 0..channels {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            let pixels = bytes.iter().skip(channel).step_by(channels);
            values.extend(pixels.map(|&byte| (f32::from(byte) * self.rescale - mean) / std));
        }
        Ok(Array { shape: vec![channels, height, width], values })
    }

    /// One array an image.
    fn split(&self, array: Array, path: &Path) -> Result<Vec<Array>> {
        let one = [self.spec.channels, self.spec.height, self.spec.width];
        let images = match array.shape.as_slice() {
            [images, rest @ ..] if rest == one => *images,
            shape if shape == one => 1,
            shape => {
                return Err(Error::shape(format!(
                    "{}: expected pixel values of shape {one:?} or [images, {}, {}, {}], got {shape:?}; resize or reorder \
                     the axes",
                    path.display(),
                    one[0],
                    one[1],
                    one[2]
                )));
            }
        };
        if images == 0 {
            return Err(Error::usage(format!("{}: there are no images in it; give at least one", path.display())));
        }
        let size = one.iter().product::<usize>();
        Ok(array.values.chunks_exact(size).map(|v| Array { shape: one.to_vec(), values: v.to_vec() }).collect())
    }
}
