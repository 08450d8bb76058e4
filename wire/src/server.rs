//! The three services from the serving end: traits in types of the model, and the adapters that
//! make gRPC services of them.
//!
//! Whoever accepts connections tells who the peer is by putting a [`Peer`] into each request's
//! extensions.

use std::{fmt, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use model::identity::SpiffeId;
use tonic::{Request, Response, Status, Streaming, service::Routes};

use crate::{
    body::Encoded,
    convert::{operator, proxy},
    invalid::Invalid,
    limit,
    message::{FromControl, FromReplica, SignRequest, SignResponse, ToControl, ToReplica},
    proto::{self, discovery_server, identity_server, operations_server},
};

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peer {
    /// The identity in the certificate that the TLS handshake proved; nothing if there was none.
    pub identity: Option<SpiffeId>,
}

/// What arrives on a stream. After [`Interrupted::Lost`] there is nothing more.
pub type Incoming<M> = Pin<Box<dyn Stream<Item = Result<M, Interrupted>> + Send>>;

/// What is answered on a stream. A refusal ends it.
pub type Outgoing<M> = Pin<Box<dyn Stream<Item = Result<M, Refusal>> + Send>>;

/// Why there is no message where one could be.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Interrupted {
    /// A message, or a part of it, cannot be read. The stream goes on.
    #[error("cannot read a part of a message: {0}")]
    Unreadable(#[source] Invalid),
    /// The stream broke.
    #[error("stream lost: {0}")]
    Lost(String),
}

/// Why a call is refused, or ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The caller has not proved who it is.
    Unauthenticated(String),
    /// The caller is known and may not.
    Denied(String),
    /// The caller said something that makes no sense.
    Invalid(String),
    /// The caller, or all callers together, ask for too much.
    Exhausted(String),
    /// Not now, or not here: try again elsewhere.
    Unavailable(String),
}

/// Serves proxies.
pub trait Discovery: Send + Sync + 'static {
    /// One call per proxy; the first message must be its Hello.
    fn connect(
        &self,
        peer: Peer,
        incoming: Incoming<ToControl>,
    ) -> impl Future<Output = Result<Outgoing<FromControl<Encoded>>, Refusal>> + Send;
}

/// Signs workload certificates.
pub trait Identity: Send + Sync + 'static {
    /// Callable by anyone; the token in the request is the proof.
    fn sign(
        &self,
        peer: Peer,
        request: SignRequest,
    ) -> impl Future<Output = Result<SignResponse, Refusal>> + Send;
}

/// Serves the operator.
pub trait Operations: Send + Sync + 'static {
    /// One call per operator.
    fn watch(
        &self,
        peer: Peer,
        incoming: Incoming<ToReplica>,
    ) -> impl Future<Output = Result<Outgoing<FromReplica>, Refusal>> + Send;
}

/// The three services behind one HTTP/2 listener.
pub fn routes<D: Discovery, I: Identity, O: Operations>(
    discovery: Arc<D>,
    identity: Arc<I>,
    operations: Arc<O>,
) -> Routes {
    let discovery = discovery_server::DiscoveryServer::new(Adapter(discovery))
        .max_decoding_message_size(limit::MESSAGE_BYTES)
        .max_encoding_message_size(limit::MESSAGE_BYTES);
    let identity = identity_server::IdentityServer::new(Adapter(identity))
        .max_decoding_message_size(SIGN_REQUEST_BYTES)
        .max_encoding_message_size(limit::MESSAGE_BYTES);
    let operations = operations_server::OperationsServer::new(Adapter(operations))
        .max_decoding_message_size(limit::MESSAGE_BYTES)
        .max_encoding_message_size(limit::MESSAGE_BYTES);
    Routes::new(discovery).add_service(identity).add_service(operations).prepare()
}

struct Adapter<S>(Arc<S>);

#[tonic::async_trait]
impl<D: Discovery> discovery_server::Discovery for Adapter<D> {
    type ConnectStream = Answers<proto::FromControl>;

    async fn connect(
        &self,
        request: Request<Streaming<proto::ToControl>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (peer, incoming) = open(request);
        let incoming = decoded(incoming, proxy::decode_to);
        let outgoing = self.0.connect(peer, incoming).await.map_err(Status::from)?;
        let encode = |message: Result<_, Refusal>| Ok(proxy::encode_from(message?));
        Ok(Response::new(Box::pin(outgoing.map(encode))))
    }
}

#[tonic::async_trait]
impl<I: Identity> identity_server::Identity for Adapter<I> {
    async fn sign(
        &self,
        request: Request<proto::SignRequest>,
    ) -> Result<Response<proto::SignResponse>, Status> {
        let (peer, request) = open(request);
        let request = request.try_into().map_err(|error: Invalid| invalid(&error))?;
        let response = self.0.sign(peer, request).await.map_err(Status::from)?;
        Ok(Response::new(response.into()))
    }
}

#[tonic::async_trait]
impl<O: Operations> operations_server::Operations for Adapter<O> {
    type WatchStream = Answers<proto::FromReplica>;

    async fn watch(
        &self,
        request: Request<Streaming<proto::ToReplica>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (peer, incoming) = open(request);
        let incoming = decoded(incoming, |message| match operator::decode_to(message) {
            Ok((message, rejected)) => (Some(message), rejected),
            Err(invalid) => (None, vec![invalid]),
        });
        let outgoing = self.0.watch(peer, incoming).await.map_err(Status::from)?;
        let encode = |message: Result<_, Refusal>| Ok(operator::encode_from(&message?));
        Ok(Response::new(Box::pin(outgoing.map(encode))))
    }
}

type Answers<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// Who calls, and with what.
fn open<M>(mut request: Request<M>) -> (Peer, M) {
    let peer = request.extensions_mut().remove().unwrap_or_default();
    (peer, request.into_inner())
}

/// What arrives, in types of the model: of each message first what can be read, then what cannot.
fn decoded<P: Send + 'static, M: Send + 'static>(
    incoming: Streaming<P>,
    decode: impl Fn(P) -> (Option<M>, Vec<Invalid>) + Send + 'static,
) -> Incoming<M> {
    Box::pin(incoming.flat_map(move |message| {
        let (good, bad) = match message {
            Ok(message) => {
                let (good, rejected) = decode(message);
                (good, rejected.into_iter().map(Interrupted::Unreadable).collect())
            }
            Err(status) => (None, vec![Interrupted::Lost(lost(&status))]),
        };
        let items: Vec<_> = good.into_iter().map(Ok).chain(bad.into_iter().map(Err)).collect();
        stream::iter(items)
    }))
}

fn lost(status: &Status) -> String {
    format!("{}: {}", status.code().description(), status.message())
}

fn invalid(error: &Invalid) -> Status {
    Status::invalid_argument(error.to_string())
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthenticated(why) => Self::unauthenticated(why),
            Refusal::Denied(why) => Self::permission_denied(why),
            Refusal::Invalid(why) => Self::invalid_argument(why),
            Refusal::Exhausted(why) => Self::resource_exhausted(why),
            Refusal::Unavailable(why) => Self::unavailable(why),
        }
    }
}

impl Refusal {
    /// The kind of refusal: a closed set, fit for metric labels.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Denied(_) => "denied",
            Self::Invalid(_) => "invalid",
            Self::Exhausted(_) => "exhausted",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated(why)
            | Self::Denied(why)
            | Self::Invalid(why)
            | Self::Exhausted(why)
            | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Refusal {}

/// A CSR and a token.
const SIGN_REQUEST_BYTES: usize = 64 * 1024;
