//! The Dockerfile copies what the build needs, and builds for the machine that it runs on.

use crate::repository::text;

/// Every member of the workspace has to be there, or cargo refuses the workspace.
#[test]
fn every_member_of_the_workspace_is_copied() {
    let manifest = text("Cargo.toml");
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let (dockerfile, ignored) = (
        text("deployments/Dockerfile"),
        text("deployments/Dockerfile.dockerignore"),
    );
    let mut count = 0;
    for member in members
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"'))
    {
        let directory = member.split(['/', '"']).next().unwrap();
        assert!(
            dockerfile.contains(&format!("\nCOPY {directory} {directory}\n")),
            "{directory}"
        );
        assert!(
            ignored.contains(&format!("\n!{directory}\n")),
            "{directory}"
        );
        count += 1;
    }
    assert!(count >= 10, "only {count} members were found");
}

/// A provider that needs a newer C library than the base has would be refused on every node.
#[test]
fn builder_and_base_are_of_one_release() {
    let manifest = text("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""));
    let version = version.unwrap().trim_end_matches('"');
    let dockerfile = text("deployments/Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{version}-bookworm AS build\n")));
    // Debian 12 is bookworm.
    assert!(dockerfile.contains("FROM gcr.io/distroless/cc-debian12\n"));
}

/// Both stages are of the platform that is built for, so nothing in it may name one.
#[test]
fn no_architecture_is_named() {
    let dockerfile = text("deployments/Dockerfile");
    for word in [
        "x86_64",
        "amd64",
        "aarch64",
        "arm64",
        "ppc64le",
        "BUILDPLATFORM",
    ] {
        assert!(!dockerfile.contains(word), "{word}");
    }
}
