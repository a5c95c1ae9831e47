//! Builds the page into `$OUT_DIR/ui`, so that the source tree stays clean.
//!
//! `IOC_UI_DIST=dir` takes a prebuilt page, `IOC_UI=skip` embeds a placeholder; otherwise the
//! sources are copied to `$OUT_DIR/npm`, where `npm ci` and `vite build` run.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

/// What the build of the page reads; a change of any of these runs it again.
const SOURCES: [&str; 5] =
    ["package.json", "package-lock.json", "vite.config.ts", "index.html", "page"];

const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<title>ioc</title><p>This binary was built with IOC_UI=skip: the operators' page is not in it. \
Build again without IOC_UI, or set IOC_UI_DIST to a built page.</p></html>\n";

fn main() -> ExitCode {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    println!("cargo:rerun-if-env-changed=IOC_UI");
    println!("cargo:rerun-if-env-changed=IOC_UI_DIST");
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("\nioc-ui: {e}\n");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let page = out.join("ui");
    if page.exists() {
        fs::remove_dir_all(&page).map_err(|e| format!("cannot clear {}: {e}", page.display()))?;
    }
    if let Some(dist) = env::var_os("IOC_UI_DIST").filter(|v| !v.is_empty()) {
        let dist = root.join(dist);
        println!("cargo:rerun-if-changed={}", dist.display());
        if !dist.join("index.html").is_file() {
            return Err(format!("IOC_UI_DIST={} has no index.html", dist.display()).into());
        }
        return copy(&dist, &page);
    }
    match env::var("IOC_UI").unwrap_or_default().as_str() {
        "skip" => {
            println!("cargo:warning=IOC_UI=skip: a placeholder stands in for the operators' page");
            fs::create_dir_all(&page)?;
            fs::write(page.join("index.html"), PLACEHOLDER)?;
            Ok(())
        }
        "" => build(&root, &out.join("npm"), &page),
        other => Err(format!("IOC_UI={other} is not known; the only value is `skip`").into()),
    }
}

/// Copies the sources to `work`, installs what the lock file names, and builds into `page`.
fn build(root: &Path, work: &Path, page: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(work)?;
    let stale = work.join("page");
    if stale.exists() {
        fs::remove_dir_all(stale)?;
    }
    for source in SOURCES {
        copy(&root.join(source), &work.join(source))?;
    }
    // The stamp is written only after npm ended well, so a broken install is repeated.
    let stamp = work.join("node_modules").join(".ioc-lock");
    let lock = fs::read(work.join("package-lock.json"))?;
    if !fs::read(&stamp).is_ok_and(|old| old == lock) {
        npm(work, &["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"])?;
        fs::write(&stamp, &lock)?;
    }
    let target = page.display().to_string();
    npm(work, &["run", "build", "--", "--outDir", &target, "--emptyOutDir"])?;
    if page.join("index.html").is_file() {
        Ok(())
    } else {
        Err(format!("vite ended well but wrote no {}/index.html", page.display()).into())
    }
}

fn npm(work: &Path, args: &[&str]) -> Result<(), Box<dyn Error>> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(program).args(args).current_dir(work).output().map_err(|e| {
        format!(
            "`npm` could not be started ({e}). Install Node >= 20.19, or set IOC_UI_DIST to a \
             built page, or IOC_UI=skip for a binary without the page."
        )
    })?;
    if output.status.success() { Ok(()) } else { Err(said(args, &output).into()) }
}

fn said(args: &[&str], output: &Output) -> String {
    format!(
        "`npm {}` failed ({}).\n{}\n{}",
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    copy_tree(from, to)
        .map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()).into())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_file() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
