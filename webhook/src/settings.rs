//! The webhook's own settings, and the file with what pods are injected with.

use std::{net::SocketAddr, path::PathBuf};

use api::webhook_config::WebhookConfig;
use runtime::settings::{Env, Errors};

/// What the webhook is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where admission reviews are answered.
    pub listen: SocketAddr,
    /// Where probes and metrics are answered.
    pub admin: SocketAddr,
    /// The folder with `tls.crt` and `tls.key`.
    pub tls: PathBuf,
    /// The file with the [`WebhookConfig`].
    pub config: PathBuf,
    /// What is logged.
    pub log: String,
}

/// Why the injection's configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not have the form it must have.
    #[error("{path} is not what the operator writes")]
    Parse {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Settings {
    /// The settings in `env`.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn from_env(env: &Env) -> Result<Self, Errors> {
        let mut read = env.reader();
        let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
        let settings = Self {
            listen: read.or("SERIN_WEBHOOK_LISTEN", any(8443)),
            admin: read.or("SERIN_WEBHOOK_ADMIN", any(api::names::CONTROL_ADMIN_PORT)),
            tls: read.or("SERIN_WEBHOOK_TLS", PathBuf::from("/etc/serin/tls")),
            config: read.or("SERIN_WEBHOOK_CONFIG", PathBuf::from(api::names::WEBHOOK_CONFIG_FILE)),
            log: read.or("SERIN_LOG", "info".to_owned()),
        };
        read.finish(|| Some(settings))
    }

    /// What pods are injected with.
    ///
    /// # Errors
    /// If the file cannot be read or used.
    pub fn injection(&self) -> Result<WebhookConfig, Error> {
        let path = || self.config.display().to_string();
        let text =
            std::fs::read(&self.config).map_err(|source| Error::Read { path: path(), source })?;
        serde_json::from_slice(&text).map_err(|source| Error::Parse { path: path(), source })
    }
}
