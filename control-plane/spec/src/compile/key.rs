//! The key chain: the Rollout's own or the mesh policy's, with the mesh policy's cookie attributes where its own are not written.

use shunt_filter_core::cookie::CookieAttributes;
use shunt_filter_core::policy::{KeySource, Keyless};

use super::Compiler;
use crate::mesh_policy::Prohibition;

impl Compiler<'_> {
    pub(super) fn key(&mut self) -> Vec<KeySource> {
        let own = self.spec.key.clone();
        let inherited = own.is_none() && self.defaults.key.is_some();
        let mut chain = self.settle.choose("key", own, self.defaults.key.clone(), Vec::new());
        if chain.is_empty()
            && let Some(why) = self.mesh.and_then(|mesh| mesh.forbids(Prohibition::NoKey))
        {
            self.problems.add(
                "spec.key",
                format!("is missing, which is forbidden by {why}: write for example [{{cookie: shunt-id, generate: {{}}}}]"),
            );
        }
        for (index, source) in chain.iter_mut().enumerate() {
            if let (Some(attributes), false) = (&mut source.generate, inherited) {
                self.inherit_cookie(attributes, &format!("spec.key[{index}].generate"));
            }
        }
        chain
    }

    pub(super) fn keyless(&mut self) -> Keyless {
        let keyless = self.settle.choose("keyless", self.spec.keyless, self.defaults.keyless, Keyless::default());
        if keyless == Keyless::Split
            && let Some(why) = self.mesh.and_then(|mesh| mesh.forbids(Prohibition::KeylessSplit))
        {
            self.problems.add("spec.keyless", format!("split is forbidden by {why}: write stable"));
        }
        keyless
    }

    /// What the manifest itself does not say of a generated cookie comes from the mesh policy.
    fn inherit_cookie(&mut self, own: &mut CookieAttributes, path: &str) {
        let Some(mesh) = self.defaults.cookie.clone() else { return };
        let rollout = self.rollout;
        let mut inherited = Vec::new();
        let mut absent = |field: &'static str| {
            let absent = !rollout.says(&format!("{path}.{field}"));
            if absent {
                inherited.push(field);
            }
            absent
        };
        if absent("path") {
            own.path = mesh.path;
        }
        if absent("domain") {
            own.domain = mesh.domain;
        }
        if absent("maxAge") {
            own.max_age = mesh.max_age;
        }
        if absent("secure") {
            own.secure = mesh.secure;
        }
        if absent("httpOnly") {
            own.http_only = mesh.http_only;
        }
        if absent("sameSite") {
            own.same_site = mesh.same_site;
        }
        if absent("partitioned") {
            own.partitioned = mesh.partitioned;
        }
        if absent("signed") {
            own.signed = mesh.signed;
        }
        for field in inherited {
            self.settle.mesh_says(&format!("{path}.{field}"), &format!("spec.defaults.cookie.{field}"));
        }
    }
}
