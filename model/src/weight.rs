//! A share of traffic, exact: basis points, so that weights compare and persist without rounding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A share of traffic from nothing to everything, in basis points (hundredths of a per cent).
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct Weight(u16);

impl Weight {
    /// No traffic.
    pub const NONE: Self = Self(0);
    /// All traffic.
    pub const ALL: Self = Self(10_000);

    /// A share in basis points.
    ///
    /// # Errors
    /// If it is more than everything.
    pub const fn from_basis_points(points: u16) -> Result<Self, InvalidWeight> {
        if points > Self::ALL.0 {
            return Err(InvalidWeight { points: points as u32 });
        }
        Ok(Self(points))
    }

    /// A share in per cent.
    ///
    /// # Errors
    /// If it is more than everything.
    pub const fn from_percent(percent: u8) -> Result<Self, InvalidWeight> {
        if percent > 100 {
            return Err(InvalidWeight { points: percent as u32 * 100 });
        }
        Ok(Self(percent as u16 * 100))
    }

    /// A share from 0 to 1, to the nearest basis point, but never nothing for more than nothing.
    ///
    /// # Errors
    /// If it is less than nothing, more than everything, or no number.
    pub fn from_ratio(ratio: f64) -> Result<Self, InvalidRatio> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(InvalidRatio { ratio: ratio.to_string() });
        }
        if ratio == 0.0 {
            return Ok(Self::NONE);
        }
        let nearest = (ratio * f64::from(Self::ALL.0)).round().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to 10,000"
        )]
        Ok(Self(nearest as u16))
    }

    /// The share that `part` is of `whole`, rounded down so that no part gets more than is fair;
    /// everything when the part is the whole or more, nothing when there is no whole.
    #[must_use]
    pub fn of(part: u32, whole: u32) -> Self {
        if whole == 0 {
            return Self::NONE;
        }
        let points = u64::from(part) * u64::from(Self::ALL.0) / u64::from(whole);
        Self(u16::try_from(points).unwrap_or(Self::ALL.0).min(Self::ALL.0))
    }

    /// The share in basis points.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// Whether it is no traffic at all.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// What the others get.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(Self::ALL.0 - self.0)
    }
}

/// More than all of the traffic was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a weight of {points} basis points is more than all traffic")]
pub struct InvalidWeight {
    points: u32,
}

/// A ratio that is not from 0 to 1.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{ratio} is not a ratio from 0 to 1")]
pub struct InvalidRatio {
    ratio: String,
}

impl TryFrom<u16> for Weight {
    type Error = InvalidWeight;

    fn try_from(points: u16) -> Result<Self, Self::Error> {
        Self::from_basis_points(points)
    }
}

impl From<Weight> for u16 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            tenths if tenths % 10 == 0 => write!(f, "{whole}.{}%", tenths / 10),
            hundredths => write!(f, "{whole}.{hundredths:02}%"),
        }
    }
}

#[cfg(test)]
mod tests;
