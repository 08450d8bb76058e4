//! What is wrong is refused where it is written, or named where one looks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Namespace,
    app::{self, Server},
    eventually,
    kubectl::{apply, kubectl},
    mesh,
    namespace::{Injection, within},
    rollout,
    world::run,
};

#[test]
fn malformed_objects_are_refused_in_a_sentence() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "malformed", Injection::On, |shop| async move {
            let falling = "steps: [{weight: 50}, {weight: 20}]";
            for (spec, sentence) in [
                (falling, "each step's weight must be higher than the one before"),
                ("steps: [{weight: 101}]", "less than or equal to 100"),
                ("steps: []", "at least 1 items"),
                ("slo: {maxErrorRatio: 1.5}", "less than or equal to 1"),
                ("steps: [{weight: 5, hold: soon}]", "spec.steps[0].hold"),
            ] {
                let refused = shop.apply(&rollout::manifest("server", spec)).await;
                says(refused, sentence)?;
            }
            let mesh = |name: &str, spec: &str| {
                format!(
                    "apiVersion: serin.dev/v1alpha1\nkind: MeshInstallation\nmetadata: {{name: {name}}}\nspec: {spec}\n"
                )
            };
            for (name, spec, sentence) in [
                ("second", "{}", "a cluster has one mesh"),
                ("default", "{trustDomain: other.example}", "spec.trustDomain cannot be changed"),
                ("default", "{namespace: elsewhere}", "spec.namespace cannot be changed"),
                ("default", "{mtls: {mode: Sometimes}}", "Unsupported value"),
                ("default", "{controlPlane: {replicas: 0}}", "greater than or equal to 1"),
                ("default", "{ca: {leafLifetime: 1m}}", "spec.ca.leafLifetime must be from 2m to 30d"),
                ("default", "{ca: {leafLifetime: 90d}}", "spec.ca.leafLifetime must be from 2m to 30d"),
                ("default", "{ca: {rootLifetime: 999999999d}}", "spec.ca.rootLifetime must be at most 36500d"),
                ("default", "{ca: {rootLifetime: 999999999h}}", "spec.ca.rootLifetime must be at most 36500d"),
                ("default", "{ca: {rootLifetime: 9d23h}}", "at least ten times spec.ca.leafLifetime"),
                ("default", "{network: {cidrs: [10.0.0.0]}}", "must be a range of addresses"),
                ("default", "{network: {cidrs: [fd00::/129]}}", "must be a range of addresses"),
            ] {
                says(apply(&mesh(name, spec)).await, sentence)?;
            }
            // A day is a day, in whatever unit.
            apply(&mesh("default", "{ca: {leafLifetime: 86400000ms}}")).await?;
            mesh::installed(shop.world()).await
        })
        .await
    });
}

#[test]
fn a_rollout_that_cannot_work_says_so_in_its_conditions() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "unfit", Injection::On, |shop| async move {
            shop.apply(&rollout::manifest("nowhere", STEPS)).await?;
            names(&shop, "nowhere", "does not exist").await?;
            // A Deployment that no service leads to has nobody to divide requests of.
            let lonely = Server::new("lonely").manifest();
            let lonely = lonely
                .replace("selector: {app: lonely}\n  ports", "selector: {app: nobody}\n  ports");
            shop.apply(&lonely).await?;
            shop.apply(&rollout::manifest("lonely", STEPS)).await?;
            names(&shop, "lonely", "no service leads").await?;
            // One whose service has no endpoints has nobody's requests to judge by.
            shop.apply(&Server::new("server").manifest()).await?;
            shop.apply(NOBODY).await?;
            let named = format!("services: [{{name: nobody}}]\n  {STEPS}");
            shop.apply(&rollout::manifest("server", &named)).await?;
            names(&shop, "server", "the selector of nobody matches no pod").await
        })
        .await
    });
}

#[test]
fn a_namespace_that_forbids_the_init_container_is_named_at_admission() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "forbidden", Injection::On, |shop| async move {
            let enforce = "pod-security.kubernetes.io/enforce=baseline";
            kubectl(["label", "namespace", &shop.name, enforce]).await?;
            shop.apply(&app::shell("client")).await?;
            eventually(
                "the refusal names the namespace's level",
                Duration::from_secs(20),
                || async {
                    let events =
                        ["get", "events", "-n", &shop.name, "-o", "jsonpath={.items[*].message}"];
                    let said = kubectl(events).await?;
                    let ours = "label the namespace pod-security.kubernetes.io/enforce=privileged";
                    ensure!(said.contains(ours) && said.contains("baseline"), "{said}");
                    Ok(())
                },
            )
            .await
        })
        .await
    });
}

/// What `serinctl check` says is told by its exit code too.
#[test]
fn serinctl_check_names_a_namespace_that_forbids_the_init_container() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "restricted", Injection::On, |shop| async move {
            let fine = check(&shop).await?;
            ensure!(fine.status.success(), "before: {fine:?}");
            let enforce = "pod-security.kubernetes.io/enforce=restricted";
            kubectl(["label", "namespace", &shop.name, enforce]).await?;
            let found = check(&shop).await?;
            let said = String::from_utf8_lossy(&found.stdout);
            let sentence = format!(
                "error:   namespace {} enforces Pod Security level \"restricted\", which forbids the capability \
                 NET_ADMIN",
                shop.name
            );
            ensure!(said.contains(&sentence), "{said}");
            ensure!(said.contains("pod-security.kubernetes.io/enforce=privileged"), "{said}");
            ensure!(found.status.code() == Some(1), "{:?}", found.status);
            Ok(())
        })
        .await
    });
}

/// Runs `serinctl check` on a namespace, as a user does.
async fn check(shop: &Namespace) -> Result<std::process::Output> {
    let mut command = tokio::process::Command::new(shop.world().serinctl()?);
    let run = command.args(["check", "--namespace", &shop.name]).kill_on_drop(true).output();
    let done = tokio::time::timeout(Duration::from_secs(30), run).await;
    done.context("serinctl check takes longer than 30 s")?.context("serinctl cannot be run")
}

#[test]
fn a_review_that_is_garbage_is_answered_with_400_and_harms_nothing() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "garbage", Injection::On, |shop| async move {
            // Through the API server, which reaches services of the cluster by their names.
            let path =
                "/api/v1/namespaces/serin-system/services/https:serin-webhook:443/proxy/inject";
            for garbage in ["{", "{}", "[1,2,3]", "\u{0}\u{1}\u{2}"] {
                let file = tempfile(garbage)?;
                let posted = kubectl(["create", "--raw", path, "-f", &file]).await;
                says(posted, "400").or_else(|other| {
                    // kubectl prints the body of an answer in place of its status.
                    let text = format!("{other:#}");
                    ensure!(
                        text.contains("AdmissionReview") || text.contains("BadRequest"),
                        "{text}"
                    );
                    Ok(())
                })?;
            }
            shop.apply(&Server::new("server").manifest()).await?;
            shop.rolled_out("server").await
        })
        .await
    });
}

fn tempfile(text: &str) -> Result<String> {
    let path = std::env::temp_dir().join("serin-e2e-garbage.json");
    std::fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

fn says(refused: Result<String>, sentence: &str) -> Result<()> {
    let error = refused.err().with_context(|| format!("accepted; expected: {sentence}"))?;
    let text = format!("{error:#}");
    ensure!(text.contains(sentence), "refused, but not with {sentence:?}: {text}");
    Ok(())
}

/// Waits until a condition of a rollout says what is wrong.
async fn names(shop: &Namespace, rollout: &str, what: &str) -> Result<()> {
    eventually("a condition says what is wrong", Duration::from_secs(20), || async {
        let conditions = shop.rollout(rollout).await?.conditions;
        let named = conditions.iter().any(|it| it.message.contains(what));
        ensure!(named, "{conditions:?}");
        Ok(())
    })
    .await
}

const NOBODY: &str = "apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 8080}]}
";

const STEPS: &str = "steps: [{weight: 10}]";
