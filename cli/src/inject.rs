//! `serinctl inject`: the webhook's own function, offline.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use api::webhook_config::WebhookConfig;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use webhook::inject::{Circumstances, Injection, inject};

mod template;

/// Prints manifests with the proxy in them, as the webhook would make them.
///
/// Pods, and the pod templates of Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and
/// CronJobs get their proxy; everything else is printed as it is. What became of each goes to
/// standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A file with one or more YAML documents, or JSON; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// The namespace of objects that name none.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The webhook's configuration: the key config.json of the ConfigMap serin-webhook-config. The
    /// default is what an empty MeshInstallation gives.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = configuration(arguments)?;
    let text = read(&arguments.filename)?;
    let mut output = std::io::stdout().lock();
    let mut refused = false;
    for (index, object) in objects(&text)?.into_iter().enumerate() {
        let (object, notes) = injected(object, &arguments.namespace, &config);
        for note in notes {
            refused |= note.refused;
            writeln!(std::io::stderr(), "{}", note.text)?;
        }
        if index > 0 {
            writeln!(output, "---")?;
        }
        write!(output, "{}", serde_saphyr::to_string(&object)?)?;
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What became of an object, in a sentence.
struct Note {
    text: String,
    refused: bool,
}

/// The object with its proxy, and what became of it. A refused object stays as it is.
fn injected(mut object: Value, namespace: &str, config: &WebhookConfig) -> (Value, Vec<Note>) {
    if object.get("kind").and_then(Value::as_str) == Some("List") {
        return list(object, namespace, config);
    }
    let name = template::name(&object);
    let Some(found) = template::find(&object) else { return (object, Vec::new()) };
    let namespace = template::namespace(&object).unwrap_or(namespace).to_owned();
    let note = |text: String, refused| Note { text: format!("{name}: {text}"), refused };
    let Ok(pod) = serde_json::from_value::<Pod>(found.pod) else {
        return (object, vec![note("its pod template does not parse".to_owned(), true)]);
    };
    let around = Circumstances { namespace, ..Circumstances::default() };
    let notes = match inject(&pod, config, &around) {
        Ok(Injection::Leave(why)) => vec![note(format!("left alone ({})", why.label()), false)],
        Err(refused) => vec![note(refused.to_string(), true)],
        Ok(Injection::Patch(patched)) => {
            let place = object.pointer_mut(&found.pointer);
            let applied = place.map(|place| {
                template::give_metadata(place);
                json_patch::patch(place, &patched.patch)
            });
            let mut notes = vec![match applied {
                Some(Ok(())) => note("injected".to_owned(), false),
                Some(Err(_)) | None => note("the patch does not fit: report this".to_owned(), true),
            }];
            notes.extend(patched.warnings.into_iter().map(|warning| note(warning, false)));
            notes
        }
    };
    (object, notes)
}

fn list(mut object: Value, namespace: &str, config: &WebhookConfig) -> (Value, Vec<Note>) {
    let mut notes = Vec::new();
    for item in object.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        let (injected, its_notes) = injected(item.take(), namespace, config);
        *item = injected;
        notes.extend(its_notes);
    }
    (object, notes)
}

fn configuration(arguments: &Arguments) -> anyhow::Result<WebhookConfig> {
    let Some(path) = &arguments.config else { return Ok(WebhookConfig::default()) };
    let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is not the webhook's configuration", path.display()))
}

fn read(path: &std::path::Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The objects of a file; documents that hold nothing are left out.
fn objects(text: &str) -> anyhow::Result<Vec<Value>> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(text).context("the file is neither YAML nor JSON")?;
    Ok(all.into_iter().filter(|object| !object.is_null()).collect())
}

#[cfg(test)]
mod tests;
