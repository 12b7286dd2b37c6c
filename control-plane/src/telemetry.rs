//! What the process says about itself: log lines on stderr, `RUST_LOG` chooses which.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr; level info unless `RUST_LOG` says otherwise; colours only on a terminal and without `NO_COLOR`.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,h2=warn,hyper=warn"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).with_target(false).init();
}
