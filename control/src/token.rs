//! What a service-account token proves: which pod, of which account. The API server says so
//! (TokenReview).

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use wire::message::Token;

/// What a token proves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// The namespace of pod and account.
    pub namespace: Arc<str>,
    /// The service account.
    pub service_account: Arc<str>,
    /// The pod's name.
    pub pod_name: Arc<str>,
    /// The pod's uid.
    pub pod_uid: Arc<str>,
}

/// Why a token proves nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The API server does not accept it, or it is not bound to a pod.
    #[error("token refused: {0}")]
    Refused(String),
    /// The API server could not be asked.
    #[error("token cannot be reviewed: {0}")]
    Unavailable(String),
}

/// Reviews tokens. Implementations answer within [`DEADLINE`].
pub trait Tokens: fmt::Debug + Send + Sync + 'static {
    /// What `token` proves.
    fn review<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<Claims, Error>>;
}

/// Asks the API server.
#[derive(Clone)]
pub struct ApiServer {
    reviews: Api<TokenReview>,
}

impl ApiServer {
    /// Reviews tokens through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { reviews: Api::all(client) }
    }

    async fn ask(&self, token: &Token) -> Result<Claims, Error> {
        let Token(token) = token;
        let audiences = Some(vec![AUDIENCE.to_owned()]);
        let review = TokenReview {
            metadata: ObjectMeta::default(),
            spec: TokenReviewSpec { audiences, token: Some(token.clone()) },
            status: None,
        };
        let params = PostParams::default();
        let asked = tokio::time::timeout(DEADLINE, self.reviews.create(&params, &review)).await;
        match asked {
            Ok(Ok(TokenReview { status: Some(status), .. })) => claims(&status),
            Ok(Ok(TokenReview { status: None, .. })) => Err(Error::Unavailable("no answer".into())),
            Ok(Err(error)) => Err(Error::Unavailable(error.to_string())),
            Err(_elapsed) => Err(Error::Unavailable("the API server took too long".into())),
        }
    }
}

impl Tokens for ApiServer {
    fn review<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<Claims, Error>> {
        Box::pin(self.ask(token))
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiServer")
    }
}

/// What the API server's answer means.
fn claims(status: &TokenReviewStatus) -> Result<Claims, Error> {
    let refused = |why: &str| Err(Error::Refused(why.to_owned()));
    if status.authenticated != Some(true) {
        return refused(status.error.as_deref().unwrap_or("not authenticated"));
    }
    // An API server that does not know audiences says none (TokenReviewStatus.audiences).
    if !status.audiences.iter().flatten().any(|audience| audience == AUDIENCE) {
        return refused("not meant for this audience");
    }
    let Some(user) = &status.user else { return refused("no user") };
    let account = user.username.as_deref().and_then(|name| name.strip_prefix(ACCOUNT_PREFIX));
    let Some((namespace, account)) = account.and_then(|rest| rest.split_once(':')) else {
        return refused("not a service account's");
    };
    let extra = |key: &str| user.extra.as_ref()?.get(key)?.first().filter(|it| !it.is_empty());
    let (Some(pod_name), Some(pod_uid)) = (extra(POD_NAME), extra(POD_UID)) else {
        return refused("not bound to a pod");
    };
    Ok(Claims {
        namespace: namespace.into(),
        service_account: account.into(),
        pod_name: pod_name.as_str().into(),
        pod_uid: pod_uid.as_str().into(),
    })
}

/// The audience that proxies' tokens are made for.
pub const AUDIENCE: &str = "serin";

/// How long the API server may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

const ACCOUNT_PREFIX: &str = "system:serviceaccount:";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

#[cfg(test)]
mod tests;
