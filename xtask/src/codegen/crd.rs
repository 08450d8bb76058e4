//! The CustomResourceDefinitions, as the `api` crate defines them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// One YAML file per kind, named by the prefix and the kind's plural.
pub(super) fn files(prefix: &str) -> Result<BTreeMap<String, String>> {
    api::crds()
        .into_iter()
        .map(|(file, crd)| {
            let name = format!("{prefix}{}.yaml", crd.spec.names.plural);
            let yaml = serde_saphyr::to_string(&crd)
                .with_context(|| format!("cannot write {file} as YAML"))?;
            Ok((name, format!("{HEADER}{yaml}")))
        })
        .collect()
}

const HEADER: &str =
    "# Generated from the api crate by `cargo xtask codegen`: edit that instead.\n";
