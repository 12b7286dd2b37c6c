//! Prometheus, for the tests of metrics from outside: Debian's package, unpacked into the cache and not installed, so that no
//! service begins and the caller need not be root.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::place;
use crate::run::{Run, say};

/// The binary's path inside the package.
const MEMBER: &str = "usr/bin/prometheus";

/// `SHUNT_PROMETHEUS`, else one in `PATH`, else the cached one, else Debian's (19 MB).
pub(crate) fn prometheus() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SHUNT_PROMETHEUS").map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { bail!("SHUNT_PROMETHEUS names {}, which is not a file", path.display()) };
    }
    if let Some(path) = place::in_path("prometheus") {
        return Ok(path);
    }
    let folder = place::cache()?.join("prometheus");
    let binary = folder.join("prometheus");
    if !binary.is_file() {
        say("downloading Debian's prometheus (19 MB)");
        install(&folder, &binary).context("Prometheus could not be had; install it, or name one with SHUNT_PROMETHEUS")?;
    }
    Ok(binary)
}

fn install(folder: &Path, binary: &Path) -> Result<()> {
    if place::in_path("apt-get").is_none() || place::in_path("dpkg-deb").is_none() {
        bail!("there is no apt-get");
    }
    // Beside the goal and renamed at the end, so that an interrupted set-up leaves nothing half done.
    let work = folder.join(format!("new-{}", std::process::id()));
    std::fs::create_dir_all(&work)?;
    let done = unpacked(&work).and_then(|new| std::fs::rename(&new, binary).context("moving Prometheus into place"));
    let _ = std::fs::remove_dir_all(&work);
    done?;
    Run::new(binary).arg("--version").quiet().context("Debian's Prometheus does not run here").map(drop)
}

fn unpacked(work: &Path) -> Result<PathBuf> {
    let download = || {
        // apt-get downloads into the folder that it runs in.
        let script = "cd \"$0\" && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb .";
        Run::new("sh").args(["-c", script]).arg(work).quiet()
    };
    if download().is_err() {
        // The lists of a fresh image are old or empty.
        Run::new("apt-get").args(["update", "-q"]).quiet()?;
        download()?;
    }
    Ok(work.join(MEMBER))
}
