//! The story that the README tells, and the days that an operator on call has, on a real cluster.
//!
//! Tests run one after the other, in order of name: they share a cluster, and some of them say how
//! long things take.

#[cfg(test)]
mod s01_install;
#[cfg(test)]
mod s02_mutual_tls;
#[cfg(test)]
mod s03_metrics;
#[cfg(test)]
mod s04_good_release;
#[cfg(test)]
mod s05_bad_release;
#[cfg(test)]
mod s06_outage;
#[cfg(test)]
mod s07_turnover;
#[cfg(test)]
mod s08_truth;
#[cfg(test)]
mod s09_protocols;
#[cfg(test)]
mod s09_workloads;
#[cfg(test)]
mod s10_bad_input;
#[cfg(test)]
mod s10_gates;
#[cfg(test)]
mod s12_rotation;
#[cfg(test)]
mod s13_routes;
#[cfg(test)]
mod s14_soak;
#[cfg(test)]
mod s99_uninstall;
