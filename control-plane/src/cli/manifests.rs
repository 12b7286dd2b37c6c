//! Manifests as files: what `lint`, `plan`, `diff` and `render` read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::Plan;
use shunt_spec::manifest::{Document, Manifest, ManifestError, duplicates, parse, skipped};
use shunt_spec::mesh_policy::MeshPolicy;
use shunt_spec::rollout::analysis::Templates;

use super::paint::tame;

/// What some files say, together.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// Files that were read.
    pub(crate) files: usize,
    /// Everything that stands in them.
    pub(crate) documents: Vec<Document>,
    /// Rollouts without an error, by the index of their document.
    pub(crate) plans: Vec<(usize, Plan)>,
    /// Why the control plane would refuse something.
    pub(crate) errors: Vec<ManifestError>,
    /// Documents of other tools, which it leaves alone.
    pub(crate) skipped: Vec<ManifestError>,
}

impl Manifests {
    /// Of these files and folders. Errors when one cannot be read; what is wrong in them is in [`Manifests::errors`].
    pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let files = expand(paths)?;
        let texts = files.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self::of(&texts))
    }

    /// The plans of these files, which must be without an error.
    pub(crate) fn sound(paths: &[PathBuf]) -> anyhow::Result<Vec<Plan>> {
        Ok(Self::without_errors(paths)?.plans.into_iter().map(|(_, plan)| plan).collect())
    }

    /// What these files say, which must be without an error, and have a Rollout.
    pub(crate) fn without_errors(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let read = Self::read(paths)?;
        let wrong: Vec<String> = read.errors.iter().map(|error| tame(&error.to_string())).collect();
        let of = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        anyhow::ensure!(wrong.is_empty(), "the control plane would refuse this:\n{}\n`shunt lint {of}` shows all", wrong.join("\n"));
        anyhow::ensure!(!read.plans.is_empty(), "{of} has no Rollout: a manifest begins with `kind: Rollout`");
        Ok(read)
    }

    /// The plan of a Rollout whose `release:` is another version: a strategy may depend on it.
    pub(crate) fn releasing(&self, id: &RolloutId, release: &VersionName) -> anyhow::Result<Plan> {
        let found = self.plans.iter().find(|(_, plan)| plan.id == *id).and_then(|(index, _)| self.documents.get(*index));
        let mut document = found.with_context(|| format!("there is no Rollout {id}"))?.clone();
        if let Manifest::Rollout(rollout) = &mut document.manifest {
            rollout.spec.release = Some(release.clone());
        }
        document.compile(&shunt_spec::Context { mesh: self.mesh(), templates: &Templates::of(&self.documents) }).map_err(|errors| {
            let wrong: Vec<String> = errors.iter().map(|error| tame(&error.to_string())).collect();
            anyhow::anyhow!("{id} cannot release {release}:\n{}", wrong.join("\n"))
        })
    }

    fn mesh(&self) -> Option<&MeshPolicy> {
        self.documents.iter().find_map(Document::mesh_policy)
    }

    /// Of these (name, text).
    fn of(texts: &[(String, String)]) -> Self {
        let mut read = Self { files: texts.len(), ..Self::default() };
        for (file, text) in texts {
            match parse(file, text) {
                Ok(mut parsed) => {
                    read.documents.append(&mut parsed);
                    read.skipped.append(&mut skipped(file, text));
                }
                Err(mut errors) => read.errors.append(&mut errors),
            }
        }
        read.errors.extend(duplicates(&read.documents));
        read.compile();
        read
    }

    fn compile(&mut self) {
        let mesh = self.mesh().cloned();
        let templates = Templates::of(&self.documents);
        let mut ids = BTreeSet::new();
        for (index, document) in self.documents.iter().enumerate() {
            // Of a Rollout that is written twice, the first counts; the others are errors already.
            if !document.id().is_some_and(|id| ids.insert(id)) {
                continue;
            }
            match document.compile(&shunt_spec::Context { mesh: mesh.as_ref(), templates: &templates }) {
                Ok(plan) => self.plans.push((index, plan)),
                Err(mut errors) => self.errors.append(&mut errors),
            }
        }
    }
}

/// Folders become their manifests, as `serve` picks them.
fn expand(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = path.read_dir().with_context(|| format!("{} cannot be read", path.display()))?;
        let entries = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        let mut found: Vec<PathBuf> = entries.into_iter().filter(|path| is_manifest(path)).collect();
        anyhow::ensure!(!found.is_empty(), "{} has no *.yaml or *.yml file", path.display());
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    !hidden && yaml && path.is_file()
}

fn read(file: &Path) -> anyhow::Result<(String, String)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok((file.display().to_string(), text))
}
