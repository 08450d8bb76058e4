//! `kubectl`, as a user types it.

use std::{ffi::OsStr, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

/// Runs `kubectl` and gives what it printed.
///
/// # Errors
/// If it fails, with what it said, or takes too long.
pub async fn kubectl<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<String> {
    run(arguments, None).await
}

/// `kubectl apply -f -` with a manifest.
///
/// # Errors
/// If the API server refuses it.
pub async fn apply(manifest: &str) -> Result<String> {
    run(["apply", "-f", "-"], Some(manifest)).await
}

/// Runs a command in a pod's container, such as `deploy/load`.
///
/// # Errors
/// If it exits with anything but 0.
pub async fn exec(
    namespace: &str,
    target: &str,
    container: &str,
    command: &[&str],
) -> Result<String> {
    let mut arguments = vec!["exec", "-n", namespace, target, "-c", container, "--"];
    arguments.extend(command);
    kubectl(arguments).await
}

async fn run<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    input: Option<&str>,
) -> Result<String> {
    let arguments: Vec<_> = arguments.into_iter().map(|it| it.as_ref().to_owned()).collect();
    let shown = arguments.join(OsStr::new(" ")).to_string_lossy().into_owned();
    let finished = timeout(DEADLINE, finish(&arguments, input)).await;
    let output =
        finished.with_context(|| format!("kubectl {shown} took longer than {DEADLINE:?}"))?;
    let output = output.context("kubectl cannot be run")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        bail!("kubectl {shown}: {}{}", text(&output.stderr), text(&output.stdout));
    }
    Ok(text(&output.stdout))
}

async fn finish(
    arguments: &[std::ffi::OsString],
    input: Option<&str>,
) -> std::io::Result<std::process::Output> {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes()).await?;
    }
    child.wait_with_output().await
}

const DEADLINE: Duration = Duration::from_secs(180);
