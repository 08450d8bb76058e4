//! Names, labels and the owner of everything that the operator makes.

use std::collections::BTreeMap;

use api::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::mesh::valid::Valid;

/// The labels of an object that this operator manages.
pub(crate) fn managed(name: &str) -> BTreeMap<String, String> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    [
        pair(NAME, name),
        pair("app.kubernetes.io/part-of", "serin"),
        pair(names::MANAGED_BY, names::OPERATOR),
    ]
    .into()
}

/// The metadata of an object in `namespace`, or of a cluster-wide one.
pub(crate) fn meta(owner: &OwnerReference, name: &str, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(managed(name)),
        owner_references: Some(vec![owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// The metadata of an object in the mesh's own namespace.
pub(super) fn local(valid: &Valid, name: &str) -> ObjectMeta {
    meta(&valid.owner, name, Some(&valid.spec.namespace.0))
}

/// The metadata of a cluster-wide object.
pub(super) fn global(valid: &Valid, name: &str) -> ObjectMeta {
    meta(&valid.owner, name, None)
}

/// What selects the pods of a program: nothing that could ever change.
pub(super) fn selected(name: &str) -> BTreeMap<String, String> {
    [(NAME.to_owned(), name.to_owned())].into()
}

const NAME: &str = "app.kubernetes.io/name";
