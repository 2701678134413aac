//! Files made byte by byte, whole or wrong as a test wants them.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

/// A tensor for [`safetensors`]: name, format, shape, bytes.
pub struct Raw {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

pub fn raw(name: &str, dtype: &'static str, shape: &[usize], bytes: Vec<u8>) -> Raw {
    Raw { name: name.into(), dtype, shape: shape.to_vec(), bytes }
}

/// Element i is i * scale - 1, as in the recorded torch files.
pub fn ramp(count: usize, scale: f32) -> Vec<f32> {
    (0..count).map(|i| i as f32 * scale - 1.0).collect()
}

pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub fn f32s(name: &str, shape: &[usize]) -> Raw {
    raw(name, "F32", shape, floats(&ramp(shape.iter().product(), 1.0 / 64.0)))
}

/// A header and data as they are, right or wrong.
pub fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// A whole safetensors file.
pub fn safetensors(tensors: &[Raw]) -> Vec<u8> {
    let (mut header, mut data) = (String::from("{\"__metadata__\":{\"format\":\"pt\"}"), Vec::new());
    for t in tensors {
        let (begin, end) = (data.len(), data.len() + t.bytes.len());
        header += &format!(
            ",{:?}:{{\"dtype\":{:?},\"shape\":{:?},\"data_offsets\":[{begin},{end}]}}",
            t.name, t.dtype, t.shape
        );
        data.extend(&t.bytes);
    }
    with_header(&(header + "}"), &data)
}

/// Tensors of a GPT-2 of one layer: width 8, two heads, 11 tokens, 16 positions; the same as in the torch files.
pub fn gpt2_tensors(prefix: &str) -> Vec<Raw> {
    let shapes: [(&str, &[usize]); 16] = [
        ("wte.weight", &[11, 8]),
        ("wpe.weight", &[16, 8]),
        ("h.0.ln_1.weight", &[8]),
        ("h.0.ln_1.bias", &[8]),
        ("h.0.attn.c_attn.weight", &[8, 24]),
        ("h.0.attn.c_attn.bias", &[24]),
        ("h.0.attn.c_proj.weight", &[8, 8]),
        ("h.0.attn.c_proj.bias", &[8]),
        ("h.0.ln_2.weight", &[8]),
        ("h.0.ln_2.bias", &[8]),
        ("h.0.mlp.c_fc.weight", &[8, 32]),
        ("h.0.mlp.c_fc.bias", &[32]),
        ("h.0.mlp.c_proj.weight", &[32, 8]),
        ("h.0.mlp.c_proj.bias", &[8]),
        ("ln_f.weight", &[8]),
        ("ln_f.bias", &[8]),
    ];
    shapes.iter().map(|(name, shape)| f32s(&format!("{prefix}{name}"), shape)).collect()
}

pub const GPT2: &str = r#"{"model_type":"gpt2","architectures":["GPT2LMHeadModel"],"vocab_size":11,"n_positions":16,
    "n_embd":8,"n_layer":1,"n_head":2}"#;

/// A folder that goes when dropped.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("a file is written");
        path
    }
}

pub fn gpt2_folder() -> Folder {
    let folder = Folder::new();
    folder.put("config.json", GPT2);
    folder.put("model.safetensors", safetensors(&gpt2_tensors("transformer.")));
    folder
}

/// Files recorded from torch.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A zip archive of stored entries without checksums, as small as the format allows.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let offset = file.len() as u32;
        let mut common = vec![0u8; 26];
        common[14..18].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        common[18..22].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        common[22..24].copy_from_slice(&(name.len() as u16).to_le_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(*bytes);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend((entries.len() as u16).to_le_bytes());
    file.extend((entries.len() as u16).to_le_bytes());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// A torch file around a pickle, with one storage "0" of these bytes.
pub fn torch(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    zip(&[("a/data.pkl", pickle), ("a/byteorder", b"little"), ("a/data/0", storage)])
}

/// A pickle put together from its instructions.
#[derive(Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        self.op(b"X").op(&length).op(text.as_bytes())
    }

    pub fn int(self, value: i64) -> Self {
        self.op(&[0x8a, 8]).op(&value.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    pub fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.op(b"("), |p, &v| p.int(v)).op(b"t")
    }

    /// The storage "0" of `count` floats.
    pub fn storage(self, count: i64) -> Self {
        self.op(b"(").text("storage").global("torch", "FloatStorage").text("0").text("cpu").int(count).op(b"tQ")
    }

    /// A tensor over that storage.
    pub fn tensor(self, count: i64, offset: i64, shape: &[i64], stride: &[i64]) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"(")
            .storage(count)
            .int(offset)
            .ints(shape)
            .ints(stride)
            .op(b"\x89Nt")
            .op(b"R")
    }

    pub fn end(self) -> Vec<u8> {
        self.op(b".").0
    }
}

/// {"w": tensor} over a storage of `stored` floats.
pub fn one_tensor(count: i64, offset: i64, shape: &[i64], stride: &[i64], stored: usize) -> Vec<u8> {
    let pickle = Pickle::new().op(b"}").text("w").tensor(count, offset, shape, stride).op(b"s").end();
    torch(&pickle, &floats(&ramp(stored, 0.5)))
}

/// A GPT-2 of `rows` tokens, with further keys.
#[allow(dead_code)]
pub fn vocabulary(rows: usize, more: &[(&str, serde_json::Value)]) -> attractor_nn::checkpoint::spec::Spec {
    let mut value: serde_json::Value = serde_json::from_str(GPT2).unwrap();
    value["vocab_size"] = rows.into();
    for (key, setting) in more {
        value[*key] = setting.clone();
    }
    attractor_nn::checkpoint::config::read(&value, "config.json").unwrap()
}
