//! Clusters side by side share no name that the machine knows.

use std::collections::BTreeSet;

use super::*;

fn plan(name: &str, nodes: u8) -> Plan {
    Plan::new(Path::new("/state"), &name.parse().unwrap(), nodes).unwrap()
}

fn names(plan: &Plan) -> BTreeSet<String> {
    let nodes = plan.nodes.iter().flat_map(|node| [node.netns.clone(), node.name.clone()]);
    nodes.chain([plan.fabric.clone(), plan.dir.display().to_string()]).collect()
}

#[test]
fn clusters_of_different_names_share_nothing() {
    assert!(names(&plan("ci", 3)).is_disjoint(&names(&plan("serin", 3))));
}

#[test]
fn a_node_is_the_same_however_many_there_are() {
    let (one, three) = (plan("ci", 1), plan("ci", 3));
    assert_eq!(one.first().address, three.first().address);
    assert_eq!(one.first().pod_range, three.first().pod_range);
    assert_eq!(one.first().dir, three.first().dir);
}

#[test]
fn the_ranges_of_nodes_pods_and_services_do_not_meet() {
    for name in ["a", "ci", "serin", "e2e", "demo", "z9"] {
        let plan = plan(name, 3);
        let second = |range: &str| range.split('.').nth(1).unwrap().parse::<u8>().unwrap();
        let nodes = second(&plan.first().address.to_string());
        let pods = second(&plan.pod_range);
        assert!((200..250).contains(&nodes), "{name}");
        assert!((140..190).contains(&pods), "{name}");
        assert_eq!(second(SERVICE_RANGE), 96);
    }
}

#[test]
fn a_name_that_the_kernel_would_refuse_is_refused_first() {
    for name in ["", "Upper", "a-b", "thirteenchars", "../x"] {
        assert!(name.parse::<Name>().is_err(), "{name}");
    }
}

#[test]
fn a_cluster_has_one_to_three_nodes() {
    for nodes in [0, 4] {
        assert!(Plan::new(Path::new("/state"), &"a".parse().unwrap(), nodes).is_err());
    }
}
