//! What the API server gets for what it sends, and what somebody else gets.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::*;

async fn post_to(path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let (config, metrics) = (Arc::default(), Metrics::default());
    let router = router(Webhook { config, facts: Facts::none(), metrics });
    let answer = router.oneshot(Request::post(path).body(body.into()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn garbage_gets_a_400_and_a_sentence() {
    let review = |version: &str, request: &str| {
        format!("{{\"apiVersion\":\"{version}\",\"kind\":\"AdmissionReview\"{request}}}")
    };
    let garbage = [
        String::new(),
        "garbage".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        review("admission.k8s.io/v1", ""),
        review("admission.k8s.io/v1", ",\"request\":{}"),
        review("admission.k8s.io/v1beta1", ",\"request\":{}"),
    ];
    for path in ["/inject", "/validate"] {
        for body in &garbage {
            let (status, said) = post_to(path, body.clone()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {body}: {said}");
            assert!(said.contains("AdmissionReview"), "{path} {body}: {said}");
        }
    }
}

#[tokio::test]
async fn who_asks_a_replica_on_its_way_out_asks_another_one_next() {
    let leaving = CancellationToken::new();
    let router = Router::new().route("/", axum::routing::get(|| async {}));
    let router = router.layer(map_response_with_state(leaving.clone(), close));
    let closed = async || {
        let asked = Request::get("/").body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(asked).await.unwrap();
        answer.headers().get(CONNECTION).cloned()
    };
    assert_eq!(closed().await, None);
    leaving.cancel();
    assert_eq!(closed().await, Some(HeaderValue::from_static("close")));
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_not_read() {
    let (status, _said) = post_to("/inject", vec![b' '; LARGEST_BODY + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_pod_that_is_no_pod_gets_a_400_and_the_next_one_its_proxy() {
    let review = |object: serde_json::Value| {
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "705ab4f5", "name": "", "namespace": "shop", "operation": "CREATE",
                "kind": { "group": "", "version": "v1", "kind": "Pod" },
                "resource": { "group": "", "version": "v1", "resource": "pods" },
                "userInfo": {}, "dryRun": false, "oldObject": null, "object": object,
            },
        })
        .to_string()
    };
    let meta = json!({ "name": "a" });
    let (status, said) = post_to("/inject", review(json!({ "metadata": meta, "spec": 7 }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{said}");
    let spec = json!({ "containers": [{ "name": "app" }] });
    let (status, said) =
        post_to("/inject", review(json!({ "metadata": meta, "spec": spec }))).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert!(said.contains("JSONPatch"), "{said}");
}
