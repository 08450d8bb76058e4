//! The order of routes is total, and it is the Gateway API's.

use model::route::{HeaderMatch, PathMatch, QueryMatch, RequestMatch};
use proptest::prelude::*;

use super::*;

fn matches(path: PathMatch, method: bool, headers: usize, query: usize) -> RequestMatch {
    let text = |index: usize| Arc::<str>::from(index.to_string());
    RequestMatch {
        path,
        method: method.then(|| "GET".into()),
        headers: (0..headers).map(|n| HeaderMatch { name: text(n), value: text(n) }).collect(),
        query: (0..query).map(|n| QueryMatch { name: text(n), value: text(n) }).collect(),
    }
}

fn rank(matches: &RequestMatch, created: i64, name: &str, place: usize) -> Rank {
    Rank::of(matches, (created, ObjectName::new("shop", name)), (place, 0))
}

#[test]
fn what_is_more_specific_comes_first() {
    let exact = |path: &str| PathMatch::Exact(path.into());
    let in_order = [
        rank(&matches(exact("/a"), false, 0, 0), 9, "z", 9),
        rank(&matches(PathMatch::prefix("/a/b"), false, 0, 0), 9, "z", 9),
        rank(&matches(PathMatch::prefix("/a"), true, 0, 0), 9, "z", 9),
        rank(&matches(PathMatch::prefix("/a"), false, 2, 0), 9, "z", 9),
        rank(&matches(PathMatch::prefix("/a"), false, 1, 5), 9, "z", 9),
        rank(&matches(PathMatch::prefix("/a"), false, 1, 1), 9, "z", 9),
        rank(&matches(PathMatch::prefix("/a"), false, 1, 0), 1, "z", 9),
        rank(&matches(PathMatch::prefix("/a"), false, 1, 0), 2, "a", 9),
        rank(&matches(PathMatch::prefix("/a"), false, 1, 0), 2, "b", 0),
        rank(&matches(PathMatch::prefix("/a"), false, 1, 0), 2, "b", 1),
        rank(&matches(PathMatch::prefix("/"), false, 9, 9), 0, "a", 0),
    ];
    assert!(in_order.is_sorted(), "{in_order:#?}");
}

fn any_match() -> impl Strategy<Value = RequestMatch> {
    let path = prop_oneof![
        "/[a-c]{0,2}".prop_map(|path| PathMatch::Exact(path.into())),
        "/[a-c]{0,2}".prop_map(|path| PathMatch::prefix(&path)),
    ];
    (path, any::<bool>(), 0_usize..3, 0_usize..3)
        .prop_map(|(path, method, headers, query)| matches(path, method, headers, query))
}

proptest! {
    #[test]
    fn routes_come_out_in_one_order_however_they_came_in(
        mut routes in proptest::collection::vec((any_match(), 0_i64..3), 1..12),
        seed in any::<u64>(),
    ) {
        let ranked = |routes: &[(RequestMatch, i64, usize)]| {
            let one = |(matches, created, number): &(RequestMatch, i64, usize)| {
                let name = ObjectName::new("shop", &format!("route-{number}"));
                let rule = Rule::for_tests(matches.clone());
                candidates(&name, *created, vec![rule])
            };
            routes.iter().flat_map(one).collect::<Vec<_>>()
        };
        let mut numbered: Vec<_> =
            routes.drain(..).enumerate().map(|(n, (matches, created))| (matches, created, n)).collect();
        let in_order = sorted(ranked(&numbered));
        let length = numbered.len();
        numbered.rotate_left(usize::try_from(seed % 12).unwrap() % length);
        numbered.reverse();
        prop_assert_eq!(in_order, sorted(ranked(&numbered)));
    }
}
