//! Asking for a certificate, and getting one.

use crate::{
    invalid::{At, Invalid, Problem, required},
    limit,
    message::{SignRequest, SignResponse, Token},
    proto,
};

impl From<SignRequest> for proto::SignRequest {
    fn from(SignRequest { csr, token: Token(token) }: SignRequest) -> Self {
        Self { csr, token }
    }
}

impl TryFrom<proto::SignRequest> for SignRequest {
    type Error = Invalid;

    fn try_from(proto::SignRequest { csr, token }: proto::SignRequest) -> Result<Self, Invalid> {
        let most = limit::CREDENTIAL;
        if csr.len() > most {
            return Err(Problem::TooLong { bytes: csr.len(), most }).at("csr");
        }
        Ok(Self { csr, token: decode_token(token).at("token")? })
    }
}

pub(super) fn decode_token(token: String) -> Result<Token, Problem> {
    let most = limit::CREDENTIAL;
    match token.len() {
        bytes if bytes > most => Err(Problem::TooLong { bytes, most }),
        _ => Ok(Token(token)),
    }
}

impl From<SignResponse> for proto::SignResponse {
    fn from(SignResponse { chain, trust }: SignResponse) -> Self {
        Self { chain, trust: Some((&trust).into()) }
    }
}

impl TryFrom<proto::SignResponse> for SignResponse {
    type Error = Invalid;

    fn try_from(
        proto::SignResponse { chain, trust }: proto::SignResponse,
    ) -> Result<Self, Invalid> {
        Ok(Self { chain, trust: required(trust).at("trust")?.into() })
    }
}
