use futures::FutureExt as _;
use tokio::time::advance;

use super::*;

const GRACE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn connections_are_cut_only_once_strict_has_held_for_all_of_the_grace() {
    let mode = watch::Sender::new(false);
    let mut cut = Box::pin(strict_for(GRACE, mode.subscribe()));
    let mut after = async |strict, time| {
        mode.send_replace(strict);
        // It sees the mode before time goes on.
        assert!((&mut cut).now_or_never().is_none());
        advance(time).await;
        (&mut cut).now_or_never().is_some()
    };
    assert!(!after(true, GRACE / 2).await);
    assert!(!after(false, 2 * GRACE).await, "it was taken back");
    assert!(!after(true, GRACE / 2).await, "the grace begins anew");
    assert!(after(true, GRACE).await);
}
