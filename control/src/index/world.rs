//! Everything that is known of the cluster, in objects that are trimmed to what matters.
//!
//! Takes changes in one by one and notes what each of them touches; compiles nothing itself.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use cluster::watch::{Change, Mirror, ObjectName, Touched};
use model::{decision::Decision, service::ServiceId, trust::Trust};
use tracing::warn;

use super::{
    dirty::Dirty,
    relations::{Relations, parents},
};
use crate::{
    compile::destination::ClusterDomain,
    decisions::Decisions,
    watch::{
        Event, Grant, HttpRoute, Installation, Node, Pod, Rollout, Service, ServiceCidr, Slice,
    },
};

/// The cluster as it is known.
#[derive(Debug)]
pub struct World {
    /// Where services have their names.
    pub domain: ClusterDomain,
    /// Services with cluster names.
    pub services: Mirror<Service>,
    /// Ranges that services get their addresses from.
    pub service_cidrs: Mirror<ServiceCidr>,
    /// Nodes.
    pub nodes: Mirror<Node>,
    /// Routes.
    pub routes: Mirror<HttpRoute>,
    /// What the mesh was last declared to be: kept when the declaration is gone, for nothing may
    /// become less strict because an object was deleted.
    pub installation: Option<Arc<Installation>>,
    /// The roots.
    pub trust: Option<Arc<Trust>>,
    /// The decisions of rollouts that are in force.
    pub decisions: Decisions,
    /// Who has to do with whom.
    pub relations: Relations,
    grants: Mirror<Grant>,
    pods: Mirror<Pod>,
    slices: Mirror<Slice>,
    rollouts: Mirror<Rollout>,
    installations: Mirror<Installation>,
    sent: Arc<Vec<Decision>>,
    dirty: Dirty,
}

impl World {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(domain: ClusterDomain) -> Self {
        Self {
            domain,
            services: Mirror::default(),
            service_cidrs: Mirror::default(),
            nodes: Mirror::default(),
            routes: Mirror::default(),
            installation: None,
            trust: None,
            decisions: Decisions::default(),
            relations: Relations::default(),
            grants: Mirror::default(),
            pods: Mirror::default(),
            slices: Mirror::default(),
            rollouts: Mirror::default(),
            installations: Mirror::default(),
            sent: Arc::default(),
            dirty: Dirty::default(),
        }
    }

    /// Whether enough is known that an absence means that there is nothing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pending().is_empty()
    }

    /// What is not known yet.
    #[must_use]
    pub fn pending(&self) -> Vec<&'static str> {
        let known = [
            ("pods", self.pods.is_complete()),
            ("services", self.services.is_complete()),
            ("endpointslices", self.slices.is_complete()),
            ("nodes", self.nodes.is_complete()),
            ("servicecidrs", self.service_cidrs.is_complete()),
            ("httproutes", self.routes.is_complete()),
            ("referencegrants", self.grants.is_complete()),
            ("canaryrollouts", self.rollouts.is_complete()),
            ("meshinstallation", self.installation.is_some()),
            ("trust", self.trust.is_some()),
        ];
        known.into_iter().filter(|(_, known)| !known).map(|(what, _)| what).collect()
    }

    /// A pod.
    #[must_use]
    pub fn pod(&self, name: &ObjectName) -> Option<&Pod> {
        self.pods.get(name).map(AsRef::as_ref)
    }

    /// A node.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(&ObjectName::new("", name)).map(AsRef::as_ref)
    }

    /// Slices of a service.
    pub fn slices_of(&self, service: &ObjectName) -> impl Iterator<Item = &Slice> {
        let slices = self.relations.slices_of(service);
        slices.filter_map(|name| self.slices.get(name).map(AsRef::as_ref))
    }

    /// Pods of a namespace with our readiness gate.
    pub fn gated_in(&self, namespace: &str) -> impl Iterator<Item = (&ObjectName, &Pod)> {
        let gated = self.relations.gated_in(namespace);
        gated.filter_map(|name| Some((name, self.pod(name)?)))
    }

    /// Routes that are attached to a service.
    pub fn routes_attached_to(
        &self,
        service: &ObjectName,
    ) -> impl Iterator<Item = (&ObjectName, &HttpRoute)> {
        let routes = self.relations.routes_attached_to(service);
        routes.filter_map(|name| Some((name, self.routes.get(name)?.as_ref())))
    }

    /// Whether routes of `namespace` may lead to `service`, which is in another.
    #[must_use]
    pub fn is_granted(&self, namespace: &str, service: &ObjectName) -> bool {
        let mut grants = self.grants.in_namespace(&service.namespace);
        grants.any(|(_, grant)| grant.permits(namespace, &service.name))
    }

    /// How many routes cannot be read.
    #[must_use]
    pub fn unreadable_routes(&self) -> usize {
        self.routes.iter().filter(|(_, route)| route.unreadable.is_some()).count()
    }

    /// The canonical name of a service's port.
    #[must_use]
    pub fn service_id(&self, service: &ObjectName, port: u16) -> ServiceId {
        self.domain.service_id(&service.namespace, &service.name, port)
    }

    /// What has to be compiled again since this was last asked.
    pub fn take_dirty(&mut self) -> Dirty {
        std::mem::take(&mut self.dirty)
    }

    /// Whether nothing has to be compiled again.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.dirty.is_clean()
    }

    /// Takes in what happened.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Pods(change) => {
                self.pods.apply(change).iter().for_each(|touched| self.pod_touched(touched));
            }
            Event::Services(change) => {
                let touched = self.services.apply(change);
                touched.iter().for_each(|touched| self.service_touched(touched));
            }
            Event::Slices(change) => {
                self.slices.apply(change).iter().for_each(|touched| self.slice_touched(touched));
            }
            Event::Nodes(change) => {
                self.nodes.apply(change).iter().for_each(|touched| self.node_touched(touched));
            }
            Event::Routes(change) => {
                self.routes.apply(change).iter().for_each(|touched| self.route_touched(touched));
            }
            Event::Grants(change) => {
                self.grants.apply(change).iter().for_each(|touched| self.grant_touched(touched));
            }
            Event::ServiceCidrs(change) => {
                self.dirty.mesh |= !self.service_cidrs.apply(change).is_empty();
            }
            Event::Installations(change) => self.installation_changed(change),
            Event::Rollouts(change) => {
                self.rollouts.apply(change);
                self.decide();
            }
        }
    }

    /// Takes in what the operator sent.
    pub fn take_decisions(&mut self, sent: Arc<Vec<Decision>>) {
        self.sent = sent;
        self.decide();
    }

    /// Takes in the roots.
    pub fn take_trust(&mut self, trust: Option<Arc<Trust>>) {
        if trust.is_some() && trust != self.trust {
            self.trust = trust;
            self.dirty.trust = true;
        }
    }

    fn pod_touched(&mut self, touched: &Touched<Pod>) {
        self.dirty.mesh |= self.relations.pod(touched);
        self.dirty.pods.insert(touched.name.clone());
        for pod in touched.before.iter().chain(&touched.after) {
            self.dirty.addresses.extend(&pod.addresses);
            if pod.gate.is_some() {
                let all = self.services.in_namespace(&touched.name.namespace);
                let own = all.filter(|(_, service)| pod.is_selected_by(&service.selector));
                self.dirty.endpoints.extend(own.map(|(name, _)| name.clone()));
            }
        }
        self.listed_touched(touched);
    }

    /// The services whose slices list the pod, by name or by address, have to look at it again.
    fn listed_touched(&mut self, touched: &Touched<Pod>) {
        let addresses = touched.before.iter().chain(&touched.after).flat_map(|pod| &pod.addresses);
        let by_address = addresses.flat_map(|address| self.relations.slices_at(*address));
        let names = self.relations.slices_with(&touched.name).chain(by_address);
        let slices = names.filter_map(|name| self.slices.get(name));
        self.dirty.endpoints.extend(slices.map(|slice| slice.service.clone()));
    }

    fn service_touched(&mut self, touched: &Touched<Service>) {
        let outside = |service: &Option<Arc<Service>>| {
            service.as_ref().map(|service| service.outside.clone()).unwrap_or_default()
        };
        self.dirty.mesh |= outside(&touched.before) != outside(&touched.after);
        self.dirty.mesh |= self.relations.service(touched);
        self.dirty.endpoints.insert(touched.name.clone());
        self.service_dirty(&touched.name);
        let pods = self.pods.in_namespace(&touched.name.namespace);
        let either = |pod: &Pod| {
            let mut services = touched.before.iter().chain(&touched.after);
            services.any(|service| pod.is_selected_by(&service.selector))
        };
        let own = pods.filter(|(_, pod)| either(pod)).map(|(name, _)| name.clone());
        self.dirty.pods.extend(own);
    }

    /// The service itself, and all whose routes lead to it: they carry what holds for it as a
    /// backend.
    fn service_dirty(&mut self, name: &ObjectName) {
        self.dirty.services.insert(name.clone());
        self.dirty.routes.extend(self.relations.routes_attached_to(name).cloned());
        for route_name in self.relations.routes_leading_to(name) {
            self.dirty.routes.insert(route_name.clone());
            if let Some(route) = self.routes.get(route_name) {
                self.dirty.services.extend(parents(route_name, route));
            }
        }
    }

    fn slice_touched(&mut self, touched: &Touched<Slice>) {
        let nameless = |slice: &Option<Arc<Slice>>| -> BTreeSet<IpAddr> {
            slice.iter().flat_map(|slice| slice.nameless()).collect()
        };
        self.dirty.mesh |= nameless(&touched.before) != nameless(&touched.after);
        self.relations.slice(touched);
        let slices = touched.before.iter().chain(&touched.after);
        self.dirty.endpoints.extend(slices.map(|slice| slice.service.clone()));
    }

    fn node_touched(&mut self, touched: &Touched<Node>) {
        let ranges = |node: &Option<Arc<Node>>| {
            node.as_ref().map(|node| (node.cidrs.clone(), node.addresses.clone()))
        };
        if ranges(&touched.before) != ranges(&touched.after) {
            self.dirty.mesh = true;
            // Whether an address that is listed by hand is a pod's.
            let slices = self.relations.nameless_slices().filter_map(|name| self.slices.get(name));
            self.dirty.endpoints.extend(slices.map(|slice| slice.service.clone()));
        }
        let on_node: Vec<_> = self.relations.pods_on(&touched.name.name).cloned().collect();
        for name in on_node {
            let Some(pod) = self.pods.get(&name).cloned() else { continue };
            let (before, after) = (Some(Arc::clone(&pod)), Some(pod));
            self.pod_touched(&Touched { name, before, after });
        }
    }

    fn route_touched(&mut self, touched: &Touched<HttpRoute>) {
        let unreadable = |route: &Option<Arc<HttpRoute>>| route.as_ref()?.unreadable.clone();
        let why = unreadable(&touched.after);
        if let Some(why) = why.filter(|why| unreadable(&touched.before).as_ref() != Some(why)) {
            warn!(route = %touched.name, %why, "an HTTPRoute cannot be read and is not in force");
        }
        self.relations.route(touched);
        self.dirty.routes.insert(touched.name.clone());
        for route in touched.before.iter().chain(&touched.after) {
            self.dirty.services.extend(parents(&touched.name, route));
        }
    }

    fn grant_touched(&mut self, touched: &Touched<Grant>) {
        for name in self.relations.routes_leading_into(&touched.name.namespace) {
            self.dirty.routes.insert(name.clone());
            if let Some(route) = self.routes.get(name) {
                self.dirty.services.extend(parents(name, route));
            }
        }
    }

    fn installation_changed(&mut self, change: Change<Installation>) {
        for touched in self.installations.apply(change) {
            let Some(installation) = touched.after else { continue };
            let before = self.installation.replace(Arc::clone(&installation));
            self.dirty.mesh = true;
            // Identities are of the trust domain, and they are everywhere.
            let same_domain =
                |before: Arc<Installation>| before.trust_domain == installation.trust_domain;
            let same_mode = before.as_ref().is_some_and(|before| before.mtls == installation.mtls);
            let same_domain = before.is_some_and(same_domain);
            if !same_domain {
                self.dirty.endpoints.extend(self.services.iter().map(|(name, _)| name.clone()));
                let pods = self.pods.iter();
                self.dirty.addresses.extend(pods.flat_map(|(_, pod)| pod.addresses.clone()));
            }
            if !same_domain || !same_mode {
                self.dirty.pods.extend(self.pods.iter().map(|(name, _)| name.clone()));
            }
        }
    }

    fn decide(&mut self) {
        for service in self.decisions.settle(&self.rollouts, &self.sent) {
            self.service_dirty(&service);
        }
    }
}
