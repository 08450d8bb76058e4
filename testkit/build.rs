//! Compiles `proto/*.proto` into the message and service types that `grpc::proto` includes.

fn main() -> anyhow::Result<()> {
    let files = ["proto/shop.proto", "proto/health.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().emit_rerun_if_changed(false).compile_fds(descriptors)?;
    Ok(())
}
