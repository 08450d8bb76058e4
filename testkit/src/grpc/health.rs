//! The health service: serving for as long as the process does.

use tonic::{Request, Response, Status};

use super::proto::health::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

/// Answers every service name alike: there is one application here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service;

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }
}
