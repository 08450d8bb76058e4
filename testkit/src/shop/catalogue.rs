//! What the shop sells.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One thing for sale.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Item {
    /// What it is.
    pub name: Cow<'static, str>,
    /// What it costs.
    pub cents: u64,
}

pub(super) const ITEMS: [Item; 3] = [
    Item { name: Cow::Borrowed("canary seed, 1 kg"), cents: 390 },
    Item { name: Cow::Borrowed("perch, beech"), cents: 1250 },
    Item { name: Cow::Borrowed("mirror with bell"), cents: 675 },
];
