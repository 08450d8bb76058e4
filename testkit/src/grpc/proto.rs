//! What the build script made of `proto/*.proto`.

/// Of `shop.proto`.
pub mod shop {
    #![expect(warnings, reason = "generated: nobody reads it")]
    tonic::include_proto!("testkit.shop.v1");
}

/// Of `health.proto`.
pub mod health {
    #![expect(warnings, reason = "generated: nobody reads it")]
    tonic::include_proto!("grpc.health.v1");
}
