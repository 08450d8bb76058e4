//! Versions come from the go.mod files, and the cache never holds half of anything.

use super::*;

#[test]
fn the_version_is_the_one_that_go_mod_requires() {
    let go_mod = "module a\n\nrequire k8s.io/kubernetes v1.35.4\n\nrequire (\n\tb.io/c v2.0.0 // indirect\n)\n";
    assert_eq!(required_version(go_mod, "k8s.io/kubernetes").as_deref(), Some("v1.35.4"));
    assert_eq!(required_version(go_mod, "b.io/c").as_deref(), Some("v2.0.0"));
    assert_eq!(required_version(go_mod, "k8s.io/kube"), None);
}

#[test]
fn kubernetes_is_told_its_own_version() {
    let flags = ldflags("v1.35.4");
    assert!(flags.contains("gitVersion=v1.35.4"));
    assert!(flags.contains("gitMajor=1 "));
    assert!(flags.ends_with("gitMinor=35"));
}

#[test]
fn what_failed_half_way_is_not_in_the_cache() {
    let cache = tempfile::tempdir().unwrap();
    let finished = cache.path().join("bin/a-v1");
    let failed = into_cache(&finished, "fill", |folder| {
        fs::write(folder.join("half"), "")?;
        bail!("the disk is full")
    });
    assert!(failed.is_err());
    assert!(!finished.exists());
    assert_eq!(fs::read_dir(cache.path().join("bin")).unwrap().count(), 0);
}

#[test]
fn what_is_in_the_cache_is_not_made_again() {
    let cache = tempfile::tempdir().unwrap();
    let finished = cache.path().join("bin/a-v1");
    into_cache(&finished, "fill", |folder| Ok(fs::write(folder.join("a"), "1")?)).unwrap();
    into_cache(&finished, "fill", |_| bail!("made again")).unwrap();
    assert_eq!(fs::read_to_string(finished.join("a")).unwrap(), "1");
}
