//! From nothing to a mesh, and the same manifests again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use api::mesh::MeshInstallationStatus;
use e2e::{
    Namespace,
    app::Server,
    eventually,
    kubectl::kubectl,
    mesh,
    namespace::{Injection, within},
    world::{World, repository, run},
};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::Value;

#[test]
fn a_mesh_comes_up_and_kubectl_get_mesh_tells_the_truth() {
    run(|world| async move {
        mesh::installed(&world).await?;
        within(&world, "install", Injection::Off, |shop| async move {
            shop.apply(&apart(&Server { replicas: 2, ..Server::new("catalogue") })).await?;
            shop.rolled_out("catalogue").await?;
            ensure!(proxies_of(&shop.pods("app=catalogue").await?) == 0, "not asked for yet");
            kubectl(["label", "namespace", &shop.name, "serin.dev/injection=enabled"]).await?;
            kubectl(["rollout", "restart", "-n", &shop.name, "deploy"]).await?;
            shop.rolled_out("catalogue").await?;
            eventually("all pods are meshed", Duration::from_secs(30), || async {
                let pods = shop.pods("app=catalogue").await?;
                ensure!(pods.len() == 2 && proxies_of(&pods) == 2, "{} pods", pods.len());
                ensure!(pods.iter().all(is_whole), "not every container is ready");
                Ok(())
            })
            .await?;
            across_nodes(&shop, &shop.pods("app=catalogue").await?).await?;
            mesh::synced(shop.world(), 2).await?;
            columns(shop.world()).await
        })
        .await
    });
}

#[test]
fn applying_the_same_manifests_again_changes_nothing() {
    run(|world| async move {
        mesh::installed(&world).await?;
        let before = stamps().await?;
        for manifests in ["config/install", "config/samples/mesh.yaml"] {
            let path = repository(manifests);
            let said = kubectl(["apply", "-f", &path.to_string_lossy()]).await?;
            let unchanged = said.lines().all(|line| line.ends_with("unchanged"));
            ensure!(unchanged, "kubectl apply changed something:\n{said}");
        }
        // What is missing is made anew, by writing all of it: a change would show.
        let missing = ["delete", "-n", "serin-system", "poddisruptionbudget", "serin-control"];
        kubectl(missing).await?;
        let budget = "PodDisruptionBudget serin-control".to_owned();
        let mut after = eventually("what was deleted is back", Duration::from_secs(30), || async {
            let after = stamps().await?;
            ensure!(after.contains_key(&budget), "{:?}", after.keys());
            Ok(after)
        })
        .await?;
        let kept = before.get(&budget).context("there was none before")?.clone();
        ensure!(after.insert(budget, kept.clone()) != Some(kept), "it was never deleted");
        ensure!(before == after, "objects changed: {before:#?} {after:#?}");
        mesh::installed(&world).await
    });
}

#[test]
fn the_kustomization_holds_what_the_folder_holds() {
    run(|_world| async move {
        let folder = repository("config/install");
        let folder = folder.to_string_lossy();
        let (files, built) = (objects("-f", &folder).await?, objects("-k", &folder).await?);
        ensure!(files.len() >= 8, "{files:#?}");
        let missing: Vec<_> = files.symmetric_difference(&built).collect();
        ensure!(missing.is_empty(), "in one and not in the other: {missing:#?}");
        Ok(())
    });
}

#[test]
fn a_second_mesh_is_refused_in_a_sentence() {
    run(|world| async move {
        mesh::installed(&world).await?;
        let second = "apiVersion: serin.dev/v1alpha1\nkind: MeshInstallation\nmetadata: {name: second}\nspec: {}\n";
        let refused = e2e::kubectl::apply(second).await.err().context("it was accepted")?;
        ensure!(format!("{refused:#}").contains("a cluster has one mesh"), "{refused:#}");
        Ok(())
    });
}

fn proxies_of(pods: &[Pod]) -> usize {
    let has_proxy = |pod: &&Pod| {
        let spec = pod.spec.as_ref();
        let init = spec.and_then(|spec| spec.init_containers.as_ref());
        init.into_iter().flatten().any(|container| container.name == "serin-proxy")
    };
    pods.iter().filter(has_proxy).count()
}

/// Whether all containers that are to run do, the proxy among them.
fn is_whole(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "ContainersReady" && it.status == "True")
}

/// A server whose pods do not share a node, if there are several.
fn apart(server: &Server<'_>) -> String {
    let account = format!("      serviceAccountName: {}\n", server.name);
    let spread = "      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: DoNotSchedule
          labelSelector: {matchLabels: {app: catalogue}}
          matchLabelKeys: [pod-template-hash]
";
    server.manifest().replace(&account, &format!("{account}{spread}"))
}

/// On a cluster of our own there are two nodes, with a pod on each, and one reaches the other.
async fn across_nodes(shop: &Namespace, pods: &[Pod]) -> Result<()> {
    let nodes = pods.iter().filter_map(|pod| pod.spec.as_ref()?.node_name.clone());
    let nodes: BTreeSet<_> = nodes.collect();
    if shop.world().cluster_dir().is_some() {
        let listed = Api::<Node>::all(shop.world().client.clone());
        let listed = listed.list(&ListParams::default()).await?;
        let ready = listed.iter().filter(|node| is_ready(node)).count();
        ensure!(ready >= 2, "{ready} of {} nodes are ready", listed.items.len());
        ensure!(nodes.len() == 2, "all pods are on {nodes:?}");
    }
    let [one, other] = pods else { bail!("{} pods", pods.len()) };
    let address = other.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    let url = format!("http://{}:8080/", address.context("no address")?);
    let seen = shop.described(&one.name_any(), &url, &[]).await?;
    ensure!(seen.pod == other.name_any(), "{} answered", seen.pod);
    seen.header("x-forwarded-client-cert").context("no client certificate").map(drop)
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// What `kubectl get mesh` prints, column by column, by each of its names.
async fn columns(world: &World) -> Result<()> {
    for name in ["mesh", "meshes", "mi", "meshinstallations"] {
        let cells = table(&["get", name]).await?;
        expect_cells(&cells, &mesh::status(world).await?)?;
    }
    let wide = table(&["get", "mesh", "-o", "wide"]).await?;
    expect_cells(&wide, &mesh::status(world).await?)?;
    let further = wide.iter().skip(9).map(|(header, value)| (header.as_str(), value.as_str()));
    let further: Vec<_> = further.collect();
    let expected = [
        ("CONTROL", "2/2"),
        ("WEBHOOK", "2/2"),
        ("MTLS", "Permissive"),
        ("LAGGARDS", ""),
        ("MESSAGE", "control plane 2/2, webhook 2/2"),
    ];
    ensure!(further == expected, "{further:?}");
    for name in ["canary", "canaries", "canaryrollouts"] {
        kubectl(["get", name, "-A"]).await.with_context(|| format!("no short name {name}"))?;
    }
    Ok(())
}

fn expect_cells(cells: &[(String, String)], status: &MeshInstallationStatus) -> Result<()> {
    let proxies = status.proxies.as_ref().context("no proxies")?;
    let in_sync = format!("{}/{}", proxies.synced, proxies.total);
    let headers: Vec<_> = cells.iter().map(|(header, _)| header.as_str()).take(9).collect();
    ensure!(headers == HEADERS, "{headers:?}");
    for (header, value) in cells.iter().take(9) {
        let fits = match header.as_str() {
            "NAME" => value == "default",
            "VERSION" => value == "0.1.0",
            "READY" => value == "True",
            "PROXIES" => *value == in_sync,
            "UNMESHED" => value == "0",
            "CA" => value == "Idle",
            "ROOT-EXPIRES" => value.strip_suffix('d').is_some_and(is_number),
            "ROLLOUTS" => is_number(value) || value.ends_with(" active"),
            _age => value.starts_with(is_digit) && value.ends_with(['s', 'm', 'h', 'd']),
        };
        ensure!(fits, "{header} shows {value:?} in {cells:?}, and {in_sync} are in sync");
    }
    Ok(())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_digit)
}

const fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

/// The headers and the values of a table with one line. A cell begins where its header does.
async fn table(command: &[&str]) -> Result<Vec<(String, String)>> {
    let printed = kubectl(command).await?;
    let (header, line) = printed.split_once('\n').context("no header")?;
    let starts = header.split_whitespace().map(|name| (name, header.find(name).unwrap_or(0)));
    let starts: Vec<_> = starts.collect();
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([usize::MAX]);
    let cell = |((name, start), end): (&(&str, usize), usize)| {
        let cell = line.get(*start..end.min(line.len())).unwrap_or_default();
        ((*name).to_owned(), cell.trim().to_owned())
    };
    Ok(starts.iter().zip(ends).map(cell).collect())
}

/// The stamp of everything that the operator made: what changes when it is written again. Where
/// there is a status that is the generation, which does not change with it.
async fn stamps() -> Result<BTreeMap<String, String>> {
    let label = "app.kubernetes.io/managed-by=serin-operator";
    let system = kubectl(["get", LOCAL, "-n", "serin-system", "-l", label, "-o", "json"]).await?;
    let global = kubectl(["get", GLOBAL, "-l", label, "-o", "json"]).await?;
    let mut stamps = BTreeMap::new();
    for listed in [system, global] {
        let listed: Value = serde_json::from_str(&listed)?;
        for object in listed["items"].as_array().context("no items")? {
            let (kind, meta) = (&object["kind"], &object["metadata"]);
            let stamp = match &meta["generation"] {
                Value::Null => &meta["resourceVersion"],
                generation => generation,
            };
            let name = kind.as_str().zip(meta["name"].as_str()).context("no name")?;
            stamps.insert(format!("{} {}", name.0, name.1), format!("{} {stamp}", meta["uid"]));
        }
    }
    let kinds = LOCAL.split(',').chain(GLOBAL.split(',')).count();
    ensure!(stamps.len() >= kinds, "only {:?} are the operator's", stamps.keys());
    Ok(stamps)
}

/// Every object of files or of a kustomization, as it would be sent.
async fn objects(flag: &str, folder: &str) -> Result<BTreeSet<String>> {
    let dry = ["create", "--dry-run=client", "-o", "json", flag, folder];
    let printed = kubectl(dry).await?;
    let values = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
    let texts: Result<_, _> = values.map(|value| value.map(|it| it.to_string())).collect();
    Ok(texts?)
}

const HEADERS: [&str; 9] =
    ["NAME", "VERSION", "READY", "PROXIES", "UNMESHED", "CA", "ROOT-EXPIRES", "ROLLOUTS", "AGE"];

/// What the operator makes in its namespace.
const LOCAL: &str = "deployments,services,serviceaccounts,rolebindings,poddisruptionbudgets";

/// What it makes for the cluster.
const GLOBAL: &str = "clusterrolebindings,mutatingwebhookconfigurations,\
                      validatingwebhookconfigurations,validatingadmissionpolicies,\
                      validatingadmissionpolicybindings";
