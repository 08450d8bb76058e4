//! Small clusters for tests, written as the API server would send them.

use std::{net::IpAddr, sync::Arc};

use cluster::watch::{Change, ObjectName};
use k8s_openapi::api::{
    core::v1::{Node as KubeNode, Service as KubeService},
    discovery::v1::EndpointSlice,
    networking::v1::ServiceCIDR,
};
use kube::Resource;
use model::{
    key::Key,
    resource::Resource as Answer,
    service::ServiceId,
    trust::{Anchor, Trust},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Settled, World};
use crate::{
    compile::destination::ClusterDomain,
    snapshot::Snapshot,
    view::{Asker, View as _},
    watch::{
        Event, Grant, HttpRoute, Installation, Node, Pod, Rollout, Service, ServiceCidr, Slice,
    },
};

/// A cluster under construction.
pub(crate) struct Scene {
    pub(crate) world: World,
    settled: Settled,
}

impl Scene {
    /// A mesh without anything in it.
    pub(crate) fn new() -> Self {
        let mut scene = Self::unknown();
        for event in nothing() {
            scene.world.take(event);
        }
        scene.apply(mesh("Permissive"));
        scene.world.take_trust(Some(trust(1)));
        scene
    }

    /// A cluster of which nothing is known.
    pub(crate) fn unknown() -> Self {
        let world = World::new(ClusterDomain("cluster.local".into()));
        let settled = Settled::new(&world);
        Self { world, settled }
    }

    /// With these objects.
    pub(crate) fn with(mut self, objects: impl IntoIterator<Item = Value>) -> Self {
        objects.into_iter().for_each(|object| self.apply(object));
        self
    }

    pub(crate) fn apply(&mut self, object: Value) {
        self.world.take(applied(object));
    }

    pub(crate) fn delete(&mut self, object: &Value) {
        self.world.take(deleted(object));
    }

    /// Compiles what is not compiled yet.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let dirty = self.world.take_dirty();
        self.settled.settle(&self.world, dirty);
        self.settled.snapshot()
    }

    /// What a pod in `namespace` is told.
    pub(crate) fn ask(&mut self, namespace: &str, key: &Key) -> Option<Answer> {
        self.snapshot().resolve(&asker(namespace, "caller"), key)
    }

    pub(crate) fn endpoints(&mut self, id: &str) -> Vec<model::endpoint::Endpoint> {
        match self.ask("shop", &Key::Endpoints(service_id(id))) {
            Some(Answer::Endpoints(endpoints)) => endpoints.endpoints.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn service(&mut self, namespace: &str, id: &str) -> Arc<model::service::Service> {
        match self.ask(namespace, &Key::Service(service_id(id))) {
            Some(Answer::Service(service)) => service,
            other => panic!("{other:?}"),
        }
    }
}

/// First lists in which nothing is.
pub(crate) fn nothing() -> [Event; 8] {
    [
        Event::Pods(Change::Reset(vec![])),
        Event::Services(Change::Reset(vec![])),
        Event::Slices(Change::Reset(vec![])),
        Event::Nodes(Change::Reset(vec![])),
        Event::Rollouts(Change::Reset(vec![])),
        Event::Routes(Change::Reset(vec![])),
        Event::ServiceCidrs(Change::Reset(vec![])),
        Event::Grants(Change::Reset(vec![])),
    ]
}

pub(crate) fn asker(namespace: &str, pod: &str) -> Asker {
    Asker {
        namespace: namespace.into(),
        pod_uid: format!("uid-{pod}").into(),
        pod_name: pod.into(),
        addresses: Vec::new(),
        identity: format!("spiffe://cluster.local/ns/{namespace}/sa/default").parse().unwrap(),
    }
}

/// `name.namespace:port`
pub(crate) fn service_id(text: &str) -> ServiceId {
    let (host, port) = text.split_once(':').unwrap();
    ServiceId::new(&format!("{host}.svc.cluster.local"), port.parse().unwrap())
}

pub(crate) fn trust(decision: u64) -> Arc<Trust> {
    Arc::new(Trust { decision, anchors: vec![Anchor(vec![1])] })
}

/// That `object` was applied.
pub(crate) fn applied(object: Value) -> Event {
    match object["kind"].as_str().unwrap() {
        "Pod" => Event::Pods(apply(object, Pod::keep)),
        "Service" => Event::Services(apply::<KubeService, _>(object, Service::keep)),
        "EndpointSlice" => Event::Slices(apply::<EndpointSlice, _>(object, Slice::keep)),
        "Node" => Event::Nodes(apply::<KubeNode, _>(object, Node::keep)),
        "ServiceCIDR" => Event::ServiceCidrs(apply::<ServiceCIDR, _>(object, ServiceCidr::keep)),
        "MeshInstallation" => Event::Installations(apply(object, Installation::keep)),
        "CanaryRollout" => Event::Rollouts(apply(object, Rollout::keep)),
        "HTTPRoute" => Event::Routes(apply(object, HttpRoute::keep)),
        "ReferenceGrant" => Event::Grants(apply(object, Grant::keep)),
        other => panic!("{other}"),
    }
}

/// That `object` was deleted.
pub(crate) fn deleted(object: &Value) -> Event {
    let part = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let name = ObjectName::new(&part("namespace"), &part("name"));
    match object["kind"].as_str().unwrap() {
        "Pod" => Event::Pods(Change::Deleted(name)),
        "Service" => Event::Services(Change::Deleted(name)),
        "EndpointSlice" => Event::Slices(Change::Deleted(name)),
        "Node" => Event::Nodes(Change::Deleted(name)),
        "ServiceCIDR" => Event::ServiceCidrs(Change::Deleted(name)),
        "MeshInstallation" => Event::Installations(Change::Deleted(name)),
        "CanaryRollout" => Event::Rollouts(Change::Deleted(name)),
        "HTTPRoute" => Event::Routes(Change::Deleted(name)),
        "ReferenceGrant" => Event::Grants(Change::Deleted(name)),
        other => panic!("{other}"),
    }
}

fn apply<K: Resource + DeserializeOwned, T>(object: Value, keep: fn(&K) -> Option<T>) -> Change<T> {
    let object: K = serde_json::from_value(object).unwrap();
    let name = ObjectName::of(&object);
    keep(&object).map_or(Change::Deleted(name.clone()), |kept| Change::Applied(name, kept))
}

pub(crate) fn mesh(mode: &str) -> Value {
    json!({
        "apiVersion": "serin.dev/v1alpha1", "kind": "MeshInstallation",
        "metadata": {"name": "default"},
        "spec": {"mtls": {"mode": mode}},
    })
}

pub(crate) fn node(name: &str, ready: bool) -> Value {
    json!({
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "zone-a"}},
        "status": {"conditions": [
            {"type": "Ready", "status": if ready { "True" } else { "False" }},
        ]},
    })
}

/// A meshed, ready pod of `app` in namespace `shop`, on node `one`.
pub(crate) fn pod(name: &str, app: &str, revision: &str, address: &str) -> Value {
    json!({
        "kind": "Pod",
        "metadata": {
            "namespace": "shop", "name": name, "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-11-20T10:00:00Z",
            "labels": {
                "app": app, "pod-template-hash": revision, "serin.dev/meshed": "true",
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "name": format!("{app}-{revision}"), "uid": "1", "controller": true,
            }],
        },
        "spec": {
            "nodeName": "one", "serviceAccountName": app,
            "initContainers": [{"name": "serin-proxy", "restartPolicy": "Always"}],
            "containers": [{
                "name": "app",
                "ports": [{"name": "web", "containerPort": 8080}],
            }],
        },
        "status": {
            "phase": "Running", "podIPs": [{"ip": address}],
            "conditions": [{"type": "ContainersReady", "status": "True"}],
            "containerStatuses": [{
                "name": "app", "ready": true, "restartCount": 0, "image": "", "imageID": "",
            }],
        },
    })
}

/// The pod with our readiness gate, shut or open.
pub(crate) fn gated(mut pod: Value, open: bool) -> Value {
    pod["spec"]["readinessGates"] = json!([{"conditionType": "serin.dev/promoted"}]);
    let conditions = pod["status"]["conditions"].as_array_mut().unwrap();
    let status = if open { "True" } else { "False" };
    conditions.push(json!({"type": "serin.dev/promoted", "status": status}));
    pod
}

/// The service `app` in namespace `shop`: port 80 leads to the port named `web`.
pub(crate) fn service(app: &str, address: &str) -> Value {
    json!({
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": app},
        "spec": {
            "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
            "selector": {"app": app},
            "ports": [{"name": "http", "port": 80, "targetPort": "web"}],
        },
    })
}

/// A slice of the service `app` that lists `pods` by name and address.
pub(crate) fn slice(app: &str, pods: &[(&str, &str)]) -> Value {
    let endpoints = pods.iter().map(|(name, address)| {
        json!({
            "addresses": [address],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": "one",
            "targetRef": {
                "kind": "Pod", "namespace": "shop", "name": name, "uid": format!("uid-{name}"),
            },
        })
    });
    json!({
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "shop", "name": format!("{app}-abc"),
            "labels": {"kubernetes.io/service-name": app},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints.collect::<Vec<_>>(),
    })
}

/// The rollout of `app`, as its status holds it.
pub(crate) fn rollout(app: &str, number: u64, canary: &str, weight: u32) -> Value {
    json!({
        "apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRollout",
        "metadata": {"namespace": "shop", "name": app, "uid": format!("uid-{app}")},
        "spec": {"targetRef": {"name": app}},
        "status": {"decision": {
            "number": number, "services": [app], "canary": canary, "weight": weight,
        }},
    })
}

/// A route in `namespace` with these parents and rules.
pub(crate) fn route(namespace: &str, name: &str, parents: Value, rules: Value) -> Value {
    let mut route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {
            "namespace": namespace, "name": name, "generation": 3, "resourceVersion": "7",
            "creationTimestamp": "2026-11-20T10:00:00Z",
        },
        "spec": {},
    });
    route["spec"]["parentRefs"] = parents;
    route["spec"]["rules"] = rules;
    route
}

/// A grant in `namespace` for routes of `from`: to the service `to`, or to all.
pub(crate) fn grant(namespace: &str, name: &str, from: &str, to: Option<&str>) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "from": [{
                "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": from,
            }],
            "to": [
                {"group": "", "kind": "Secret"},
                {"group": "", "kind": "Service", "name": to},
            ],
        },
    })
}

/// A service as a parent.
pub(crate) fn parent(namespace: &str, name: &str) -> Value {
    json!([{"group": "", "kind": "Service", "namespace": namespace, "name": name}])
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
