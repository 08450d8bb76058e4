use api::mesh::{CaStatus, MeshInstallationSpec};
use cluster::watch::Change;

use super::*;
use crate::{
    mesh::Trouble,
    world::{DeploymentFacts, StrategyFacts, template},
};

struct Scene {
    world: World,
    installed: Installed,
    authority: ca::View,
}

impl Scene {
    fn new(control: u32, webhook: u32) -> Self {
        let mut world = World::default();
        for (name, ready) in [(names::CONTROL, control), (names::WEBHOOK, webhook)] {
            let name = ObjectName::new("serin-system", name);
            world.deployments.apply(Change::Applied(name, deployment(ready)));
        }
        let authority = ca::View { issue: None, trouble: None, status: Some(CaStatus::default()) };
        let installed = Installed { generation: Some(1), trouble: None };
        Self { world, installed, authority }
    }

    fn status(&self) -> MeshInstallationStatus {
        let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
        mesh.metadata.generation = Some(1);
        let operator = Operator {
            namespace: "serin-system".to_owned(),
            images: "serin.dev".to_owned(),
            version: "1.0.0".to_owned(),
        };
        let seen = Seen {
            mesh: &mesh,
            world: &self.world,
            operator: &operator,
            installed: &self.installed,
            authority: &self.authority,
            fleet: &Fleet::default(),
            now: 5000,
            instant: Instant::now(),
        };
        seen.status(None)
    }
}

fn deployment(ready: u32) -> DeploymentFacts {
    DeploymentFacts {
        uid: "d".to_owned(),
        leaving: false,
        replicas: 2,
        strategy: StrategyFacts::Recreate,
        progress_deadline_seconds: None,
        pod_labels: BTreeMap::new(),
        template: template("t"),
        generation: 1,
        observed_generation: 1,
        ready,
        updated: 2,
    }
}

fn says(status: &MeshInstallationStatus, name: &str) -> Option<(String, String)> {
    let found = status.conditions.iter().find(|condition| condition.type_ == name);
    found.map(|condition| (condition.status.clone(), condition.reason.clone()))
}

fn pair(status: &str, reason: &str) -> Option<(String, String)> {
    Some((status.to_owned(), reason.to_owned()))
}

#[tokio::test]
async fn a_mesh_whose_authority_is_being_made_reconciles() {
    let status = Scene::new(2, 2).status();
    assert_eq!(says(&status, "Ready"), pair("False", "NoAuthority"));
    assert_eq!(says(&status, "Reconciling"), pair("True", "NoAuthority"));
    assert_eq!(says(&status, "Stalled"), None);
}

#[tokio::test]
async fn what_only_a_person_can_help_with_stalls() {
    let mut scene = Scene::new(2, 2);
    scene.authority.trouble = Some(ca::Trouble::Lost { root: "r".to_owned() });
    let status = scene.status();
    assert_eq!(says(&status, "Ready"), pair("False", "RootLost"));
    assert_eq!(says(&status, "Stalled"), pair("True", "RootLost"));
    assert_eq!(says(&status, "Reconciling"), None);
}

#[tokio::test]
async fn what_passes_by_itself_reconciles() {
    let mut scene = Scene::new(2, 2);
    let sentence = "no answer".to_owned();
    scene.installed.trouble = Some(Trouble { reason: "NotApplied", sentence, stalled: false });
    let status = scene.status();
    assert_eq!(says(&status, "Reconciling"), pair("True", "NotApplied"));
}

#[test]
fn a_root_lifetime_beyond_the_bound_is_told() {
    let mut mesh = MeshInstallation::new("default", MeshInstallationSpec::default());
    assert_eq!(shortened(&mesh), None);
    mesh.spec.ca.root_lifetime = Span::days(40_000);
    let message = shortened(&mesh).unwrap().message;
    assert!(message.ends_with("it is 40000d: roots are made for 36500d"), "{message}");
}

#[tokio::test]
async fn the_columns_say_what_there_is() {
    let display = Scene::new(1, 2).status().display.unwrap();
    assert_eq!(display.proxies, "0/0");
    assert_eq!(display.rollouts, "0");
    assert_eq!((display.control.as_str(), display.webhook.as_str()), ("1/2", "2/2"));
}
