//! `demo`: tells the story of `cargo xtask demo` on the cluster that KUBECONFIG names.

use anyhow::Result;
use e2e::{World, demo};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    Box::pin(demo::run(&World::new().await?)).await
}
