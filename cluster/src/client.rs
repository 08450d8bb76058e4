//! The connection to the API server, and what may go wrong with a request to it.

use std::time::Duration;

use kube::{Client, Config};

/// Why something could not be read from or written to the API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a service account nor a kubeconfig leads to an API server.
    #[error("no API server is configured")]
    Configuration(#[source] Box<kube::config::InferConfigError>),
    /// The connection cannot be set up.
    #[error("cannot set up the connection to the API server")]
    Connect(#[source] Box<kube::Error>),
    /// A request failed.
    #[error("cannot {verb} {object}: {source}")]
    Request {
        /// What was to be done.
        verb: &'static str,
        /// With what: `<kind> <namespace>/<name>`.
        object: String,
        /// What the API server or the connection said.
        source: Box<kube::Error>,
    },
    /// An object cannot be written as JSON.
    #[error("cannot write {object} as JSON")]
    Encode {
        /// Which: `<kind> <namespace>/<name>`.
        object: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What a caller is to do about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// Try again, a little later each time.
    Retry,
    /// Somebody else changed the object: read it again, then decide again.
    ReadAgain,
    /// Nothing will help until a person changes something.
    WaitForEdit,
}

impl Error {
    /// A request that failed.
    #[must_use]
    pub fn request(verb: &'static str, object: impl Into<String>, source: kube::Error) -> Self {
        Self::Request { verb, object: object.into(), source: Box::new(source) }
    }

    /// What the caller is to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Configuration(_) | Self::Encode { .. } => Remedy::WaitForEdit,
            Self::Connect(_) => Remedy::Retry,
            Self::Request { source, .. } => remedy_of(source),
        }
    }

    /// Whether the object is not there, or its kind is not.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Request { source, .. } if code(source) == Some(404))
    }
}

/// Connects as the pod's service account, or else as the kubeconfig says.
///
/// # Errors
/// If there is neither, or the connection's TLS cannot be set up. The API server itself is not
/// asked.
pub async fn connect() -> Result<Client, Error> {
    let mut config = Config::infer().await.map_err(|e| Error::Configuration(Box::new(e)))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    config.write_timeout = Some(WRITE);
    Client::try_from(config).map_err(|e| Error::Connect(Box::new(e)))
}

fn remedy_of(error: &kube::Error) -> Remedy {
    match code(error) {
        Some(409) => Remedy::ReadAgain,
        // Rights may be granted and kinds installed later, but not within a back-off.
        Some(400 | 403 | 404 | 405 | 413 | 422) => Remedy::WaitForEdit,
        Some(_) | None => Remedy::Retry,
    }
}

fn code(error: &kube::Error) -> Option<u16> {
    if let kube::Error::Api(status) = error { Some(status.code) } else { None }
}

const CONNECT: Duration = Duration::from_secs(5);
/// Longer than a watch lasts (290 s), because a quiet watch reads nothing.
const READ: Duration = Duration::from_secs(295);
const WRITE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, remedy: Remedy) {
        let status = kube::core::Status::failure("no", "Reason").with_code(code);
        let error = Error::request("apply", "Secret a/b", kube::Error::Api(Box::new(status)));
        assert_eq!(error.remedy(), remedy, "{code}");
    }

    #[test]
    fn a_conflict_is_read_again_a_refusal_waits_and_the_rest_is_tried_again() {
        check(409, Remedy::ReadAgain);
        for refusal in [400, 403, 404, 422] {
            check(refusal, Remedy::WaitForEdit);
        }
        for passing in [408, 429, 500, 503, 504] {
            check(passing, Remedy::Retry);
        }
    }
}
