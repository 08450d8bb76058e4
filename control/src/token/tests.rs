//! Which answers of the API server prove something.

use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::UserInfo;

use super::*;

fn accepted() -> TokenReviewStatus {
    let extra = BTreeMap::from([
        (POD_NAME.to_owned(), vec!["web-1".to_owned()]),
        (POD_UID.to_owned(), vec!["uid-1".to_owned()]),
    ]);
    TokenReviewStatus {
        audiences: Some(vec![AUDIENCE.to_owned()]),
        authenticated: Some(true),
        error: None,
        user: Some(UserInfo {
            extra: Some(extra),
            groups: None,
            uid: None,
            username: Some("system:serviceaccount:shop:web".into()),
        }),
    }
}

fn check_refused(change: impl FnOnce(&mut TokenReviewStatus), why: &str) {
    let mut status = accepted();
    change(&mut status);
    assert_eq!(claims(&status), Err(Error::Refused(why.into())));
}

#[test]
fn a_token_bound_to_a_pod_proves_pod_and_account() {
    let expected = Claims {
        namespace: "shop".into(),
        service_account: "web".into(),
        pod_name: "web-1".into(),
        pod_uid: "uid-1".into(),
    };
    assert_eq!(claims(&accepted()), Ok(expected));
}

#[test]
fn anything_else_proves_nothing() {
    check_refused(|it| it.authenticated = Some(false), "not authenticated");
    check_refused(|it| it.authenticated = None, "not authenticated");
    check_refused(|it| it.audiences = None, "not meant for this audience");
    let others = Some(vec!["https://kubernetes.default.svc".into()]);
    check_refused(|it| it.audiences = others, "not meant for this audience");
    check_refused(|it| it.user = None, "no user");
    let person = |it: &mut TokenReviewStatus| {
        it.user.as_mut().unwrap().username = Some("alice".into());
    };
    check_refused(person, "not a service account's");
    check_refused(|it| it.user.as_mut().unwrap().extra = None, "not bound to a pod");
}

/// An API server that answers every request with what `answer` makes of its body.
fn api_server<F>(answer: impl Fn(serde_json::Value) -> F + Clone + Send + 'static) -> ApiServer
where
    F: Future<Output = serde_json::Value> + Send,
{
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let answer = answer.clone();
        async move {
            let body = request.into_body().collect_bytes().await?;
            let answer = answer(serde_json::from_slice(&body)?).await;
            let body = kube::client::Body::from(serde_json::to_vec(&answer)?);
            Ok::<_, tower::BoxError>(http::Response::new(body))
        }
    });
    ApiServer::new(Client::new(service, "default"))
}

#[tokio::test]
async fn the_api_server_is_asked_for_our_audience_alone() {
    let reviewer = api_server(|asked| async move {
        assert_eq!(asked["spec"], serde_json::json!({ "audiences": ["serin"], "token": "t" }));
        let mut answer = asked;
        answer["status"] = serde_json::to_value(accepted()).unwrap();
        answer
    });
    let claims = reviewer.review(&Token("t".into())).await.unwrap();
    assert_eq!(&*claims.pod_uid, "uid-1");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_waited_for_no_longer_than_the_deadline() {
    let begin = tokio::time::Instant::now();
    let reviewer = api_server(|_asked| std::future::pending());
    let refused = reviewer.review(&Token("t".into())).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(begin.elapsed(), DEADLINE);
}
