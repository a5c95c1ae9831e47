//! Where the configuration's texts come from: a folder, or the copy inside the binary.

use std::path::Path;

use anyhow::Context;
use ioc_model::ConfigFiles;

use crate::cli::ConfigArgs;

/// The shipped city, for a start without a configuration folder.
#[derive(rust_embed::RustEmbed)]
#[folder = "../config/"]
struct Shipped;

/// More than this is no configuration file.
const MAX_FILE_BYTES: u64 = 16 << 20;

pub(crate) fn read(args: &ConfigArgs) -> anyhow::Result<ConfigFiles> {
    match &args.config {
        Some(dir) => {
            let mut files = ConfigFiles::default();
            read_folder(dir, dir, &mut files)
                .with_context(|| format!("cannot read the configuration in {}", dir.display()))?;
            Ok(files)
        }
        None => Ok(shipped()),
    }
}

pub(crate) fn shipped() -> ConfigFiles {
    let text = |path: &str| {
        let file = Shipped::get(path)?;
        Some(String::from_utf8_lossy(&file.data).into_owned())
    };
    ConfigFiles(Shipped::iter().filter_map(|p| Some((p.to_string(), text(&p)?))).collect())
}

/// Reads what has a name that fits below `dir`, named from `root` on.
pub(crate) fn read_folder(root: &Path, dir: &Path, files: &mut ConfigFiles) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
            continue; // Editors' copies, and the other sides of a volume's links.
        }
        if path.is_dir() {
            read_folder(root, &path, files)?;
            continue;
        }
        let known = ["yaml", "csv", "geojson"];
        let wanted = path.extension().is_some_and(|e| known.iter().any(|k| e == *k));
        if !wanted || std::fs::metadata(&path)?.len() > MAX_FILE_BYTES {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path);
        files.0.insert(name.to_string_lossy().replace('\\', "/"), text);
    }
    Ok(())
}
