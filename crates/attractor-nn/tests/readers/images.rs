//! Pictures and pixel tensors as the model's folder says.

use crate::build::*;
use attractor_nn::checkpoint::spec::ImageSpec;
use attractor_nn::image::Processor;
use image::{ImageFormat, Rgb, RgbImage};

fn spec(height: usize, width: usize, channels: usize) -> ImageSpec {
    ImageSpec { height, width, patch_height: 1, patch_width: 1, channels }
}

/// A picture whose bytes tell row, column and channel.
fn picture(height: u32, width: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(10 * y + x) as u8, 100 + x as u8, 200 + y as u8]))
}

fn put(folder: &Folder, name: &str, picture: &RgbImage, format: ImageFormat) -> std::path::PathBuf {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    folder.put(name, bytes.into_inner())
}

#[test]
fn a_picture_becomes_channels_rows_columns_normalised() {
    let folder = Folder::new();
    let path = put(&folder, "x.png", &picture(3, 5), ImageFormat::Png);
    let plain = Processor::open(folder.path(), &spec(3, 5, 3)).unwrap().read_file(&path).unwrap();
    let [array] = plain.as_slice() else { panic!("{} images", plain.len()) };
    assert_eq!(array.shape, [3, 3, 5]);
    let at = |c: usize, y: usize, x: usize| array.values[(c * 3 + y) * 5 + x];
    let expected = |byte: u8| (f32::from(byte) / 255.0 - 0.5) / 0.5;
    for (c, y, x, byte) in [(0, 0, 0, 0), (0, 2, 4, 24), (1, 0, 3, 103), (2, 1, 0, 201)] {
        assert!((at(c, y, x) - expected(byte)).abs() < 1e-6, "{c} {y} {x}");
    }
    folder.put(
        "preprocessor_config.json",
        r#"{"image_mean":[0.1,0.2,0.3],"image_std":[0.5,0.25,2.0],"do_resize":false}"#,
    );
    let own = Processor::open(folder.path(), &spec(3, 5, 3)).unwrap().read_file(&path).unwrap();
    assert!((own[0].values[0] - (0.0 - 0.1) / 0.5).abs() < 1e-6);
    assert!((own[0].values[(2 * 3 + 1) * 5] - (201.0 / 255.0 - 0.3) / 2.0).abs() < 1e-6);
    folder.put("preprocessor_config.json", r#"{"do_normalize":false,"do_rescale":false}"#);
    let bytes = Processor::open(folder.path(), &spec(3, 5, 3)).unwrap().read_file(&path).unwrap();
    assert_eq!(bytes[0].values[14], 24.0);
}

#[test]
fn a_grey_model_reads_grey() {
    let folder = Folder::new();
    let grey = RgbImage::from_fn(4, 4, |x, y| Rgb([(16 * y + x) as u8; 3]));
    let path = put(&folder, "x.png", &grey, ImageFormat::Png);
    let arrays = Processor::open(folder.path(), &spec(4, 4, 1)).unwrap().read_file(&path).unwrap();
    assert_eq!(arrays[0].shape, [1, 4, 4]);
    assert!((arrays[0].values[7] - (19.0 / 255.0 - 0.5) / 0.5).abs() < 1e-6);
}

#[test]
fn another_size_is_refused_unless_the_settings_resize() {
    let folder = Folder::new();
    let path = put(&folder, "x.jpg", &picture(8, 12), ImageFormat::Jpeg);
    let processor = Processor::open(folder.path(), &spec(4, 4, 3)).unwrap();
    let error = processor.read_file(&path).unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_shape() && text.contains("4 x 4") && text.contains("8 x 12") && text.contains("do_resize"),
        "{text}"
    );
    folder.put("preprocessor_config.json", r#"{"do_resize":true,"size":{"height":4,"width":4},"resample":3}"#);
    let arrays = Processor::open(folder.path(), &spec(4, 4, 3)).unwrap().read_file(&path).unwrap();
    assert_eq!(arrays[0].shape, [3, 4, 4]);
    // DeiT's way: the shorter edge to 6, then the middle.
    folder.put(
        "preprocessor_config.json",
        r#"{"do_resize":true,"size":{"shortest_edge":6},"do_center_crop":true,"crop_size":{"height":4,"width":4}}"#,
    );
    let arrays = Processor::open(folder.path(), &spec(4, 4, 3)).unwrap().read_file(&path).unwrap();
    assert_eq!(arrays[0].shape, [3, 4, 4]);
}

#[test]
fn cropping_takes_the_middle() {
    let folder = Folder::new();
    let path = put(&folder, "x.png", &picture(6, 9), ImageFormat::Png);
    folder.put(
        "preprocessor_config.json",
        r#"{"do_center_crop":true,"crop_size":4,"do_normalize":false,"do_rescale":false}"#,
    );
    let arrays = Processor::open(folder.path(), &spec(4, 4, 3)).unwrap().read_file(&path).unwrap();
    // Row 1, column 2 of the whole.
    assert_eq!(arrays[0].values[0], 12.0);
}

#[test]
fn pixel_tensors_are_taken_as_they_are() {
    let folder = Folder::new();
    let two = raw("pixel_values", "F32", &[2, 1, 2, 3], floats(&ramp(12, 0.5)));
    let path = folder.put("x.safetensors", safetensors(&[two]));
    let processor = Processor::open(folder.path(), &spec(2, 3, 1)).unwrap();
    let arrays = processor.read_file(&path).unwrap();
    assert_eq!(arrays.len(), 2);
    assert_eq!((arrays[1].shape.as_slice(), arrays[1].values[0]), ([1, 2, 3].as_slice(), 2.0));
    let turned = Processor::open(folder.path(), &spec(3, 2, 1)).unwrap().read_file(&path).unwrap_err();
    assert!(turned.is_shape() && turned.to_string().contains("[2, 1, 2, 3]"), "{turned}");
}
