//! The serving certificate, read again when its file changes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use runtime::tls::{Credentials, provider};
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// The certificate in use.
#[derive(Clone, Debug)]
pub struct Certificate {
    folder: PathBuf,
    current: watch::Sender<Arc<CertifiedKey>>,
}

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The files are no certificate and key.
    #[error("tls.crt and tls.key are not a certificate and its key")]
    Parse(#[from] runtime::tls::Error),
    /// The key cannot be used.
    #[error("tls.key cannot be used")]
    Key(#[source] rustls::Error),
}

impl Certificate {
    /// Reads `tls.crt` and `tls.key` from `folder`.
    ///
    /// # Errors
    /// If they cannot be read or used.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let current = watch::Sender::new(Arc::new(load(folder)?));
        Ok(Self { folder: folder.to_owned(), current })
    }

    /// A TLS configuration that always serves with the certificate of the moment.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let resolver = Arc::new(Resolver(self.current.subscribe()));
        let builder = ServerConfig::builder_with_provider(provider());
        // The provider supports every version that rustls calls safe.
        let builder = builder.with_safe_default_protocol_versions().unwrap_or_else(|_never| {
            ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        });
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Reads the files again every few seconds, as the kubelet swaps them when the Secret changes.
    /// Files that cannot be used leave the old certificate in place.
    pub async fn keep_current(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            match load(&self.folder) {
                Ok(new) => self.swap(new),
                Err(error) => error!(%error, "serving certificate not read, the old one stays"),
            }
        }
    }

    fn swap(&self, new: CertifiedKey) {
        let swapped = self.current.send_if_modified(|old| {
            let differs = old.cert != new.cert;
            if differs {
                *old = Arc::new(new);
            }
            differs
        });
        if swapped {
            info!("serving certificate swapped");
        }
    }
}

#[derive(Debug)]
struct Resolver(watch::Receiver<Arc<CertifiedKey>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.borrow()))
    }
}

fn load(folder: &Path) -> Result<CertifiedKey, Error> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| Error::Read { path, source })
    };
    let credentials = Credentials::from_pem(&read("tls.crt")?, &read("tls.key")?)?;
    CertifiedKey::from_der(credentials.chain, credentials.key, &provider()).map_err(Error::Key)
}

const INTERVAL: Duration = Duration::from_secs(5);
