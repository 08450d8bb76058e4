use std::{fs, path::PathBuf};

use api::mesh::{MeshInstallation, MeshInstallationSpec};
use serde::Serialize;

use super::*;
use crate::mesh::valid::{Operator, validate};

/// Compares with `testdata/mesh/<name>.json`; `BLESS=1` in the environment writes it anew.
fn check(name: &str, found: &impl Serialize) {
    let found = format!("{:#}\n", serde_json::to_value(found).unwrap());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/mesh").join(name);
    if runtime::settings::Env::from_process().text("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &found).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert!(held == found, "{name} differs; BLESS=1 writes it anew:\n{found}");
}

fn desired(change: impl Fn(&mut MeshInstallationSpec)) -> Desired {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    mesh.metadata.uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    change(&mut mesh.spec);
    let operator = Operator {
        namespace: "serin-system".to_owned(),
        images: "serin.dev".to_owned(),
        version: "0.0.0".to_owned(),
    };
    build(&validate(&mesh, &operator).unwrap(), Some(b"-----BEGIN CERTIFICATE-----\n"))
}

#[test]
fn the_default_mesh_is_built_as_its_golden_files_say() {
    let Desired {
        accounts,
        cluster_role_bindings,
        role_bindings,
        webhook_config,
        leases,
        services,
        deployments,
        budgets,
        policies,
        policy_bindings,
        webhooks,
    } = desired(|_| {});
    let webhooks = webhooks.unwrap();
    check("accounts.json", &accounts);
    check("cluster-role-bindings.json", &cluster_role_bindings);
    check("role-bindings.json", &role_bindings);
    check("webhook-config.json", &webhook_config);
    check("leases.json", &leases);
    check("services.json", &services);
    check("deployments.json", &deployments);
    check("budgets.json", &budgets);
    check("policies.json", &policies);
    check("policy-bindings.json", &policy_bindings);
    check("mutating.json", &webhooks.mutating);
    check("validating.json", &webhooks.validating);
}

#[test]
fn istios_labels_add_entries_that_exclude_our_own() {
    let webhooks = desired(|spec| spec.injection.honour_istio_labels = true).webhooks.unwrap();
    check("mutating-istio.json", &webhooks.mutating);
}

#[test]
fn a_single_replica_can_be_drained() {
    let desired = desired(|spec| spec.control_plane.replicas = 1);
    let names: Vec<_> = desired.budgets.iter().map(|b| b.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["serin-webhook"]);
}

#[test]
fn changed_settings_roll_the_webhook() {
    let hash = |desired: Desired| desired.deployments[1].spec.clone().unwrap().template;
    let loud = |spec: &mut MeshInstallationSpec| spec.proxy.log_level = "debug".into();
    assert_ne!(hash(desired(|_| {})), hash(desired(loud)));
    assert_eq!(hash(desired(|_| {})), hash(desired(|_| {})));
}

#[test]
fn nothing_asks_a_webhook_that_cannot_be_verified() {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    mesh.metadata.uid = Some("u".to_owned());
    let operator = Operator {
        namespace: "serin-system".to_owned(),
        images: "serin.dev".to_owned(),
        version: "0.0.0".to_owned(),
    };
    assert_eq!(build(&validate(&mesh, &operator).unwrap(), None).webhooks, None);
}
