//! Nodes: whether what runs there can be expected to answer.

use k8s_openapi::api::core::v1::Node;
use model::moment::Moment;

use super::pod::moment;

/// What is kept of a Node.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct NodeFacts {
    /// Since when it is not Ready; absent while it is.
    pub(crate) unready_since: Option<Moment>,
}

pub(super) fn keep(node: &Node) -> Option<NodeFacts> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
    let unready = ready.filter(|condition| condition.status != "True");
    let since = unready.map(|c| c.last_transition_time.as_ref().map_or(Moment::ZERO, moment));
    Some(NodeFacts { unready_since: since })
}
