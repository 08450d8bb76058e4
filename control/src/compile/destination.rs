//! What a host name means to a caller in some namespace.

use std::sync::Arc;

use model::service::ServiceId;

/// The domain under which the cluster's services have their names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterDomain(pub Arc<str>);

impl ClusterDomain {
    /// The canonical name of a service's port.
    #[must_use]
    pub fn service_id(&self, namespace: &str, name: &str, port: u16) -> ServiceId {
        ServiceId::new(&format!("{name}.{namespace}.svc.{}", self.0), port)
    }

    /// The service that `host` would name for a caller in `namespace`, whether or not it exists:
    /// the search path of a pod (`catalogue`, `catalogue.shop`, `catalogue.shop.svc`), or the full
    /// name.
    ///
    /// Nothing for names of other forms, those of a headless service's pods included: they lead to
    /// the pods' own addresses.
    #[must_use]
    pub fn named_by(&self, host: &ServiceId, namespace: &str) -> Option<ServiceId> {
        let name = host.host.strip_suffix(&*self.0).and_then(|rest| rest.strip_suffix('.'));
        let mut labels = name.unwrap_or(&host.host).split('.');
        let service = labels.next().filter(|label| !label.is_empty())?;
        let (owner, rest) = match (labels.next(), labels.next(), labels.next()) {
            (None, None, None) if name.is_none() => (namespace, None),
            (Some(owner), None, None) if name.is_none() => (owner, None),
            (Some(owner), Some("svc"), None) => (owner, None),
            (_, _, rest) => (namespace, rest.or(Some(""))),
        };
        rest.is_none().then(|| self.service_id(owner, service, host.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expect: Option<&str>) {
        let domain = ClusterDomain("cluster.local".into());
        let named = domain.named_by(&ServiceId::new(host, 80), "shop");
        assert_eq!(named.map(|id| id.to_string()).as_deref(), expect, "{host}");
    }

    #[test]
    fn a_name_is_read_as_in_the_callers_own_namespace() {
        check("catalogue", Some("catalogue.shop.svc.cluster.local:80"));
        check("catalogue.other", Some("catalogue.other.svc.cluster.local:80"));
        check("catalogue.other.svc", Some("catalogue.other.svc.cluster.local:80"));
        check("catalogue.other.svc.cluster.local", Some("catalogue.other.svc.cluster.local:80"));
        check("Catalogue.Other.svc.cluster.local.", Some("catalogue.other.svc.cluster.local:80"));
    }

    #[test]
    fn names_of_other_forms_are_no_service() {
        check("", None);
        check("cluster.local", Some("cluster.local.svc.cluster.local:80"));
        check("a.cluster.local", None);
        check("web-0.web.shop.svc.cluster.local", None);
        check("web-0.web.shop.svc", None);
        check("www.example.com", None);
    }
}
