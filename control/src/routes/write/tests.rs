//! What becomes of a status that is written.

use kube::client::Body;

use super::*;

#[tokio::test]
async fn a_status_is_written_on_a_route_that_cannot_be_read() {
    let service = tower::service_fn(|_request: http::Request<Body>| async {
        let unreadable = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"namespace": "shop", "name": "r"}, "spec": {"rules": 7},
        });
        let body = Body::from(serde_json::to_vec(&unreadable)?);
        Ok::<_, tower::BoxError>(http::Response::new(body))
    });
    let client = Client::new(service, "default");
    let writer = Writer { client, clock: Clock::system(), written: BTreeMap::new() };
    let name = ObjectName::new("shop", "r");
    writer.write(&name, "7", &HttpRouteStatus::default()).await.unwrap();
}
