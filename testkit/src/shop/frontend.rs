//! The frontend: one page made of what the catalogue has and what checkout sold.

use std::sync::Arc;

use clap::Args;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::{Broken, Item, Receipt, ServiceArgs, Signature, upstream::Upstream};
use crate::{caller::Caller, reply::Body};

/// Flags of `testkit shop frontend`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  testkit shop frontend --catalogue-url http://catalogue:8080 --checkout-url http://checkout:8080")]
pub struct FrontendArgs {
    /// Where the catalogue is
    #[arg(long, env = "CATALOGUE_URL")]
    pub catalogue_url: Uri,
    /// Where checkout is
    #[arg(long, env = "CHECKOUT_URL")]
    pub checkout_url: Uri,
    /// What every service can be told
    #[command(flatten)]
    pub common: ServiceArgs,
}

/// The page.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Page {
    /// Who made it.
    #[serde(flatten)]
    pub by: Signature,
    /// What there is.
    pub items: Vec<Item>,
    /// What was sold.
    pub receipt: Receipt,
}

/// The service, with its way to the others.
#[derive(Clone, Debug)]
pub(super) struct Frontend(Arc<Ways>);

#[derive(Debug)]
struct Ways {
    caller: Caller,
    catalogue: Upstream,
    checkout: Upstream,
}

impl Frontend {
    pub(super) fn new(args: &FrontendArgs) -> Self {
        Self(Arc::new(Ways {
            caller: Caller::new(),
            catalogue: Upstream { service: "catalogue", base: args.catalogue_url.clone() },
            checkout: Upstream { service: "checkout", base: args.checkout_url.clone() },
        }))
    }

    pub(super) async fn answer(&self, by: Signature, incoming: &HeaderMap) -> Response<Body> {
        let mut versions = HeaderMap::new();
        match self.page(by, incoming, &mut versions).await {
            Ok(page) => super::relay(StatusCode::OK, &page, &versions),
            Err(broken) => broken.answer(),
        }
    }

    async fn page(
        &self,
        by: Signature,
        incoming: &HeaderMap,
        versions: &mut HeaderMap,
    ) -> Result<Page, Broken> {
        let Ways { caller, catalogue, checkout } = &*self.0;
        let items = catalogue.call(caller, (Method::GET, "/items"), incoming, versions).await?;
        let receipt =
            checkout.call(caller, (Method::POST, "/checkout"), incoming, versions).await?;
        Ok(Page { by, items, receipt })
    }
}
