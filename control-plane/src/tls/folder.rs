//! The folder of certificates that `shunt certs` writes and `--tls` reads.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use shunt_core::identity::{PROXY_URI, proxy_uri};
use shunt_xds::bootstrap::Secrets;

/// Where everything stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody: certificates.
    Public,
    /// Its owner: keys.
    Private,
}

impl Folder {
    /// This one; it need not exist.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The authority's certificate: whom servers, proxies and people trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// Where the authority's key is kept unless another place is named: never in the folder that is served, because a program that the
    /// control plane starts has its user, and reads what it reads.
    pub(crate) fn authority(&self) -> PathBuf {
        let mut beside = self.path.components().collect::<PathBuf>().into_os_string();
        beside.push(".authority");
        beside.into()
    }

    /// Numbers of the certificates that the authority made for proxies.
    pub(crate) fn issued(&self) -> PathBuf {
        self.path.join("issued")
    }

    /// Which of them count no longer.
    pub(crate) fn revoked(&self) -> PathBuf {
        self.path.join("revoked.pem")
    }

    /// The control plane's certificate.
    pub(crate) fn server(&self) -> PathBuf {
        self.path.join("server.pem")
    }

    /// The control plane's key.
    pub(crate) fn server_key(&self) -> PathBuf {
        self.path.join("server.key")
    }

    /// The folder of one proxy: all that its machine needs.
    pub(crate) fn proxy(&self, node: &str) -> PathBuf {
        let uri = proxy_uri(node);
        let name = uri.strip_prefix(PROXY_URI).unwrap_or(&uri);
        // `.` and `..` are node ids too, though not folders.
        let name = if name.bytes().all(|byte| byte == b'.') { name.replace('.', "%2E") } else { name.to_owned() };
        self.path.join("proxies").join(name)
    }

    /// The proxy's secrets, for Envoy.
    pub(crate) fn secrets(&self, node: &str) -> Secrets<PathBuf> {
        let folder = self.proxy(node);
        Secrets { own: folder.join("own.yaml"), ca: folder.join("ca.yaml") }
    }
}

/// The authority's key in its own folder: needed only to make certificates.
pub(crate) fn ca_key(authority: &Path) -> PathBuf {
    authority.join("ca.key")
}

/// Writes a file whole or not at all: a reader never sees half a certificate.
pub(crate) fn write(path: &Path, text: &str, access: Access) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let written = || -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is its owner's only from its first moment on.
        let mut new = tempfile::Builder::new().prefix(".shunt-").tempfile_in(folder)?;
        new.write_all(text.as_bytes())?;
        if access == Access::Public {
            new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        new.as_file().sync_all()?;
        new.persist(path).map_err(|failed| failed.error)?;
        Ok(())
    };
    written().with_context(|| format!("writing {}", path.display()))
}
