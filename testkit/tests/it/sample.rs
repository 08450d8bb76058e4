//! Claims about `config/samples/shop`: what it runs is what testkit can be.

use std::{fs, path::Path};

use clap::Parser as _;
use serde_json::Value;
use testkit::command::Cli;

/// Every object of the sample.
fn objects() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples/shop");
    let mut objects = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        objects.extend(serde_saphyr::from_multiple::<Value>(&text).unwrap());
    }
    objects
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn container(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn every_deployment_runs_something_that_testkit_can_be() {
    let objects = objects();
    let deployments = of_kind(&objects, "Deployment");
    assert_eq!(deployments.len(), 5);
    for deployment in deployments {
        let container = container(deployment);
        let image = concat!("serin.dev/testkit:", env!("CARGO_PKG_VERSION"));
        assert_eq!(container["image"], image);
        let args = container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        let parsed = Cli::try_parse_from(std::iter::once("testkit").chain(args));
        assert!(parsed.is_ok(), "{}: {}", deployment["metadata"]["name"], parsed.unwrap_err());
    }
}

#[test]
fn every_service_finds_its_pods_and_their_port() {
    let objects = objects();
    let deployments = of_kind(&objects, "Deployment");
    let services = of_kind(&objects, "Service");
    assert_eq!(services.len(), 5);
    for service in services {
        let deployment = deployments.iter().find(|deployment| {
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            deployment["metadata"]["namespace"] == service["metadata"]["namespace"]
                && service["spec"]["selector"]["app"] == labels["app"]
        });
        let ours = &container(deployment.unwrap())["ports"][0];
        let theirs = &service["spec"]["ports"][0];
        let target = theirs.get("targetPort").unwrap_or_else(|| &theirs["port"]);
        assert!(*target == ours["name"] || *target == ours["containerPort"], "{service}");
    }
}

#[test]
fn some_services_leave_their_protocol_to_be_found_out() {
    let objects = objects();
    let services = of_kind(&objects, "Service");
    let unnamed = services.iter().filter(|service| {
        let port = &service["spec"]["ports"][0];
        port.get("name").is_none() && port.get("appProtocol").is_none()
    });
    let mut names: Vec<_> = unnamed.map(|service| service["metadata"]["name"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["catalogue", "payment"]);
}
