//! What is measured, of whom, and what is to be reached (issue 4, section 3).

use anyhow::{Result, bail};

use crate::{
    figures::{Bound, Goal},
    launch::{Hops, Who, Wire},
    load::Shape,
};

/// Something that is measured.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// How it is measured.
    pub kind: Kind,
    /// Who takes part.
    pub takers: &'static [Who],
    /// What is to be reached.
    pub goals: &'static [Goal],
}

/// How something is measured.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// As many requests, or bytes, as go through.
    Flow {
        /// What is asked.
        shape: Shape,
        /// What proxies carry.
        wire: Wire,
        /// One proxy or two.
        hops: Hops,
        /// How many connections.
        connections: usize,
    },
    /// A thousand requests a second, and what is added to how long they take.
    Latency {
        /// One proxy or two.
        hops: Hops,
    },
    /// New connections with mutual TLS.
    Handshakes,
    /// What is resident.
    Memory,
}

/// The scenarios of these names; all if there is none.
///
/// # Errors
/// If there is none of a name.
pub fn named(names: &[String]) -> Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    names
        .iter()
        .map(|name| match ALL.iter().find(|scenario| scenario.name == *name) {
            Some(scenario) => Ok(scenario),
            None => {
                let known: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
                bail!("there is no scenario {name}: take some of {}", known.join(", "))
            }
        })
        .collect()
}

const fn at_most(bound: f64, who: Who, figure: &'static str, over: Who) -> Goal {
    Goal { who, figure, over: Some(over), bound: Bound::AtMost(bound) }
}

const fn below(bound: f64, figure: &'static str) -> Goal {
    Goal { who: Serin, figure, over: None, bound: Bound::AtMost(bound) }
}

const fn above(bound: f64, figure: &'static str) -> Goal {
    Goal { who: Serin, figure, over: None, bound: Bound::AtLeast(bound) }
}

const fn flow(shape: Shape, wire: Wire, hops: Hops, connections: usize) -> Kind {
    Kind::Flow { shape, wire, hops, connections }
}

/// Processor time per request.
pub const PER_REQUEST: &str = "cpu/request";
/// Processor time per gigabyte.
pub const PER_GB: &str = "cpu/GB";
/// What a proxy adds to the median of how long requests take.
pub const ADDED_P50: &str = "added p50";
/// The same for the slowest hundredth.
pub const ADDED_P99: &str = "added p99";

/// What a service costs that the pod calls, with all of its endpoints.
pub const CALLED: &str = "called service of 10 endpoints";
/// What a service costs that the pod never calls.
pub const NEVER_CALLED: &str = "service never called";

use Who::{Direct, Envoy, Haproxy, Minimal, MinimalMimalloc, Nginx, Serin, SerinInbound};

/// All that is measured.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "http1",
        title: "HTTP/1.1, one hop, 64 connections",
        kind: flow(Shape::Http1, Wire::Http1, Hops::One, 64),
        takers: &[Direct, Serin, SerinInbound, Haproxy, Nginx, Envoy, Minimal],
        goals: &[
            at_most(1.10, Serin, PER_REQUEST, Haproxy),
            at_most(0.38, Serin, PER_REQUEST, Envoy),
            at_most(1.12, Serin, PER_REQUEST, Minimal),
            at_most(1.10, SerinInbound, PER_REQUEST, Haproxy),
            at_most(0.38, SerinInbound, PER_REQUEST, Envoy),
            at_most(1.12, SerinInbound, PER_REQUEST, Minimal),
        ],
    },
    Scenario {
        name: "http2",
        title: "HTTP/2, one hop, 8 connections of 64 streams",
        kind: flow(Shape::Http2, Wire::Http2, Hops::One, 8),
        takers: &[Direct, Serin, SerinInbound, Haproxy, Envoy, Minimal, MinimalMimalloc],
        goals: &[
            at_most(1.25, Serin, PER_REQUEST, MinimalMimalloc),
            at_most(0.35, Serin, PER_REQUEST, Envoy),
            at_most(1.25, SerinInbound, PER_REQUEST, MinimalMimalloc),
            at_most(0.35, SerinInbound, PER_REQUEST, Envoy),
        ],
    },
    Scenario {
        name: "grpc",
        title: "gRPC unary, one hop, 8 connections of 64 streams",
        kind: flow(Shape::Grpc, Wire::Http2, Hops::One, 8),
        takers: &[Direct, Serin, SerinInbound, Haproxy, Envoy, Minimal, MinimalMimalloc],
        goals: &[
            at_most(1.25, Serin, PER_REQUEST, MinimalMimalloc),
            at_most(0.35, Serin, PER_REQUEST, Envoy),
            at_most(1.25, SerinInbound, PER_REQUEST, MinimalMimalloc),
            at_most(0.35, SerinInbound, PER_REQUEST, Envoy),
        ],
    },
    Scenario {
        name: "pair",
        title: "HTTP/1.1 through a pair with mutual TLS, 64 connections",
        kind: flow(Shape::Http1, Wire::Http1, Hops::Pair, 64),
        takers: &[Serin, Haproxy, Envoy, Minimal],
        goals: &[
            at_most(0.83, Serin, PER_REQUEST, Haproxy),
            at_most(0.41, Serin, PER_REQUEST, Envoy),
        ],
    },
    Scenario {
        name: "tcp",
        title: "TCP passthrough, one connection",
        kind: flow(Shape::Bytes, Wire::Bytes, Hops::One, 1),
        takers: &[Serin, Haproxy],
        goals: &[at_most(1.05, Serin, PER_GB, Haproxy)],
    },
    Scenario {
        name: "tcp-pair",
        title: "TCP through a pair with mutual TLS, one connection",
        kind: flow(Shape::Bytes, Wire::Bytes, Hops::Pair, 1),
        takers: &[Serin, Haproxy],
        goals: &[at_most(0.70, Serin, PER_GB, Haproxy)],
    },
    Scenario {
        name: "large",
        title: "HTTP/1.1 answers of 1 MiB, one hop, 8 connections",
        kind: flow(Shape::Large, Wire::Http1, Hops::One, 8),
        takers: &[Serin, Haproxy, Nginx, Minimal],
        goals: &[at_most(1.10, Serin, PER_GB, Minimal)],
    },
    Scenario {
        name: "large-pair",
        title: "HTTP/1.1 answers of 1 MiB through a pair with mutual TLS, 8 connections",
        kind: flow(Shape::Large, Wire::Http1, Hops::Pair, 8),
        takers: &[Serin, Haproxy, Minimal],
        goals: &[at_most(1.10, Serin, PER_GB, Minimal)],
    },
    Scenario {
        name: "latency",
        title: "1,000 requests a second, one hop",
        kind: Kind::Latency { hops: Hops::One },
        takers: &[Direct, Serin, Haproxy, Nginx, Envoy, Minimal],
        goals: &[
            at_most(1.10, Serin, ADDED_P50, Haproxy),
            at_most(1.15, Serin, ADDED_P99, Haproxy),
        ],
    },
    Scenario {
        name: "handshakes",
        title: "Full mutual handshakes taken by one core",
        kind: Kind::Handshakes,
        takers: &[Serin],
        goals: &[
            above(2_500.0, "X25519MLKEM768, intermediate"),
            above(3_400.0, "X25519, one certificate"),
            above(0.99, "resumed when the client would"),
        ],
    },
    Scenario {
        name: "memory",
        title: "Memory",
        kind: Kind::Memory,
        takers: &[Serin],
        goals: &[
            below(10.0, "idle with identity"),
            below(6.0, "idle HTTP/1 connection"),
            below(5.0, "100 idle mTLS connections"),
            below(70.0, "10,000 idle connections"),
            below(5.0, CALLED),
            // None: what is less than this is noise of a few pages.
            below(0.1, NEVER_CALLED),
            below(1.0, "50,000 more distinct requests"),
            below(0.0, "series of 50,000 more"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_is_about_somebody_who_takes_part() {
        for scenario in ALL {
            for goal in scenario.goals {
                let both = [Some(goal.who), goal.over];
                assert!(
                    both.iter().flatten().all(|who| scenario.takers.contains(who)),
                    "{}",
                    scenario.name
                );
            }
        }
    }

    #[test]
    fn an_unknown_scenario_is_named_with_those_there_are() {
        let error = named(&["htpp1".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("htpp1") && error.contains("http1, http2"), "{error}");
        assert_eq!(named(&[]).unwrap().len(), ALL.len());
    }
}
