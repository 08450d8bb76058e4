//! Payment speaks gRPC only: its calls are those of [`crate::grpc`].

/// To who comes over plain HTTP.
pub(super) const WRONG_DOOR: &str = "payment speaks gRPC: testkit.shop.v1.Payment";
