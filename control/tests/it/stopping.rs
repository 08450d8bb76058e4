//! A replica that stops sends its proxies elsewhere and waits for them.

use std::time::Duration;

use runtime::tasks::End;

use crate::world::World;

#[tokio::test]
async fn proxies_are_sent_elsewhere_and_waited_for() {
    let world = World::new().await;
    let (mut one, mut two) = (world.proxy("web-1").await, world.proxy("web-2").await);
    let mut operator = world.operator().await;
    let tasks = world.tasks.clone();
    let (end, ..) = tokio::join!(tasks.shutdown(Duration::from_secs(15)), async {
        for proxy in [&mut one, &mut two] {
            let error = proxy.hear().await.unwrap_err();
            assert!(error.to_string().contains("about to stop"), "{error}");
        }
        drop((one, two));
        let gone = |message| matches!(message, wire::message::FromReplica::Gone(_)).then_some(());
        operator.until(gone).await;
        operator.until(gone).await;
        drop(operator);
    });
    assert_eq!(end, End::Clean);
}

#[tokio::test]
async fn a_replica_that_stops_lets_nobody_in() {
    let world = World::new().await;
    world.tasks.shutdown(Duration::from_secs(15)).await;
    assert!(world.channel(Some((&world.root, crate::world::WEB))).await.is_err());
}
