//! The three services from the caller's end. The caller brings the transport, TLS included, and
//! every deadline but the signing one.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body::Body;
use tonic::client::GrpcService;

use crate::{
    convert::{operator, proxy},
    invalid::Invalid,
    limit,
    message::{
        FromControl, FromReplica, Rejected, SignRequest, SignResponse, ToControl, ToReplica,
    },
    proto::{
        discovery_client::DiscoveryClient as Discovery,
        identity_client::IdentityClient as Identity,
        operations_client::OperationsClient as Operations,
    },
};

/// What carries the calls: a tonic channel, or any service like it.
pub trait Transport:
    GrpcService<
        tonic::body::Body,
        Error: Into<Source>,
        ResponseBody: Body<Data = Bytes, Error: Into<Source> + Send> + Send + 'static,
    >
{
}

impl<T> Transport for T where
    T: GrpcService<
            tonic::body::Body,
            Error: Into<Source>,
            ResponseBody: Body<Data = Bytes, Error: Into<Source> + Send> + Send + 'static,
        >
{
}

/// Any error of a transport.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// What arrives on a stream. After an error that [ends it](Error::is_final) there is nothing more.
pub type Incoming<M> = Pin<Box<dyn Stream<Item = Result<M, Error>> + Send>>;

/// Why a call failed, or why one message of it is not followed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The call is over.
    #[error("{}: {}", .0.code().description(), .0.message())]
    Call(Box<tonic::Status>),
    /// A push that cannot be read: nack it. The stream goes on.
    #[error("cannot use {} {}: {}", .0.key, .0.version, .0.invalid)]
    Rejected(Box<Rejected>),
    /// A message that cannot be read. The stream goes on.
    #[error("cannot read a message: {0}")]
    Unreadable(#[source] Invalid),
}

impl Error {
    /// Whether the stream has ended.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Call(_) => true,
            Self::Rejected(_) | Self::Unreadable(_) => false,
        }
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Unreadable(invalid)
    }
}

/// What a proxy subscribes with.
#[derive(Clone, Debug)]
pub struct DiscoveryClient<T> {
    inner: Discovery<T>,
}

impl<T: Transport> DiscoveryClient<T> {
    /// A client that calls over `transport`.
    pub fn new(transport: T) -> Self {
        let inner = Discovery::new(transport);
        Self {
            inner: inner
                .max_decoding_message_size(limit::MESSAGE_BYTES)
                .max_encoding_message_size(limit::MESSAGE_BYTES),
        }
    }

    /// Opens the stream. Control answers the call at once and the rest as it comes.
    ///
    /// # Errors
    /// If control cannot be reached or refuses the call.
    pub async fn connect(
        &mut self,
        outgoing: impl Stream<Item = ToControl> + Send + 'static,
    ) -> Result<Incoming<FromControl>, Error> {
        let outgoing = outgoing.map(|message| proxy::encode_to(&message));
        let incoming = self.inner.connect(outgoing).await?.into_inner();
        Ok(Box::pin(incoming.map(|message| proxy::decode_from(message?).map_err(Error::from))))
    }
}

impl From<proxy::Unfit> for Error {
    fn from(unfit: proxy::Unfit) -> Self {
        match unfit {
            proxy::Unfit::Body(rejected) => Self::Rejected(Box::new(rejected)),
            proxy::Unfit::Message(invalid) => Self::Unreadable(invalid),
        }
    }
}

/// What a proxy gets its certificate with.
#[derive(Clone, Debug)]
pub struct IdentityClient<T> {
    inner: Identity<T>,
}

impl<T: Transport> IdentityClient<T> {
    /// A client that calls over `transport`.
    pub fn new(transport: T) -> Self {
        let inner = Identity::new(transport);
        Self {
            inner: inner
                .max_decoding_message_size(limit::MESSAGE_BYTES)
                .max_encoding_message_size(limit::MESSAGE_BYTES),
        }
    }

    /// Asks for a certificate. Control is told to give up after [`SIGN_DEADLINE`]; the caller waits
    /// no longer than that either if the transport enforces deadlines, as tonic's channel does.
    ///
    /// # Errors
    /// If control cannot be reached, refuses, or answers with something that is no certificate.
    pub async fn sign(&mut self, request: SignRequest) -> Result<SignResponse, Error> {
        let mut request = tonic::Request::new(request.into());
        request.set_timeout(SIGN_DEADLINE);
        Ok(self.inner.sign(request).await?.into_inner().try_into()?)
    }
}

/// What the operator watches a replica with.
#[derive(Clone, Debug)]
pub struct OperationsClient<T> {
    inner: Operations<T>,
}

impl<T: Transport> OperationsClient<T> {
    /// A client that calls over `transport`.
    pub fn new(transport: T) -> Self {
        let inner = Operations::new(transport);
        Self {
            inner: inner
                .max_decoding_message_size(limit::MESSAGE_BYTES)
                .max_encoding_message_size(limit::MESSAGE_BYTES),
        }
    }

    /// Opens the stream.
    ///
    /// # Errors
    /// If the replica cannot be reached or refuses the call.
    pub async fn watch(
        &mut self,
        outgoing: impl Stream<Item = ToReplica> + Send + 'static,
    ) -> Result<Incoming<FromReplica>, Error> {
        let outgoing = outgoing.map(|message| operator::encode_to(&message));
        let incoming = self.inner.watch(outgoing).await?.into_inner();
        Ok(Box::pin(incoming.map(|message| operator::decode_from(message?).map_err(Error::from))))
    }
}

/// How long control may take to sign: it asks the API server about the token.
pub const SIGN_DEADLINE: Duration = Duration::from_secs(10);
