//! The plugin watcher: which sockets it registers, when it lets go of them, and when it tries again.

mod plugin;

use std::fs;
use std::path::Path;

use sriovdp_fake_kubelet::{Authority, EventKind, FakeKubelet, RegistrationMode};
use sriovdp_proto::pluginregistration::PluginInfo;
use tempfile::TempDir;
use tonic::Status;

use plugin::{Answers, Plugin, VF, healthy, register, register_request, stream_end};

#[tokio::test]
async fn a_socket_that_appears_is_registered() {
    let (kubelet, _node) = kubelet().await;
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");

    let vf = kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();

    assert_eq!((vf.allocatable(), vf.capacity()), (2, 2));
    assert_eq!(vf.mode, RegistrationMode::Watcher);
    assert_eq!(vf.endpoint, "/var/lib/kubelet/plugins_registry/vf.sock");
    assert_eq!(plugin.statuses(1).await[0].error, "");
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn the_plugin_may_be_behind_another_socket() {
    let (kubelet, _node) = kubelet().await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    let endpoint = "/var/lib/kubelet/device-plugins/vf.sock";

    let _registration = serve(&kubelet, "vf-reg.sock", |answers| {
        endpoint.clone_into(&mut answers.info.endpoint);
        answers.options = Err(Status::unimplemented("not here"));
    });

    let vf = kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
    assert_eq!(vf.endpoint, endpoint);
    assert_eq!(
        vf.socket,
        kubelet.node().plugins_registry().join("vf-reg.sock")
    );
}

#[tokio::test]
async fn a_hidden_socket_is_registered_once_it_is_renamed() {
    let (kubelet, _node) = kubelet().await;
    let hidden = Plugin::in_registry(&kubelet, ".vf.sock");
    let _later = in_registry_as(&kubelet, "other.sock", "example.com/other");
    kubelet
        .wait_for("example.com/other", |other| other.connected)
        .await
        .unwrap();
    assert!(kubelet.resource(VF).is_none());

    fs::rename(&hidden.socket, hidden.socket.with_file_name("vf.sock")).unwrap();

    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_gone_when_it_is_read_is_an_event() {
    let (kubelet, _node) = kubelet().await;
    let short = kubelet.node().plugins_registry().join(".vf.sock");
    fs::write(&short, "").unwrap();
    fs::remove_file(&short).unwrap();
    let _later = Plugin::in_registry(&kubelet, "vf.sock");
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
    let events = kubelet.journal().into_iter().map(|event| event.kind);
    let unreadable = events.filter(|kind| matches!(kind, EventKind::Unreadable { .. }));
    assert_eq!(
        unreadable.collect::<Vec<_>>(),
        [EventKind::Unreadable { path: short }]
    );
}

#[tokio::test]
async fn a_socket_in_a_directory_that_appears_is_registered() {
    let (kubelet, _node) = kubelet().await;
    fs::create_dir_all(kubelet.node().plugins_registry().join("vendor/vf")).unwrap();

    let _plugin = Plugin::in_registry(&kubelet, "vendor/vf/vf.sock");

    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
}

#[tokio::test]
async fn removing_the_socket_disconnects_the_plugin() {
    let (kubelet, _node) = kubelet().await;
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");
    registered(&kubelet, &plugin).await;

    kubelet.delete_socket(VF).unwrap();

    let vf = kubelet.wait_for(VF, |vf| !vf.connected).await.unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (0, 2));
    plugin.no_streams().await;
}

#[tokio::test]
async fn renaming_the_socket_away_does_not() {
    let (kubelet, _node) = kubelet().await;
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");
    registered(&kubelet, &plugin).await;

    fs::rename(&plugin.socket, kubelet.node().device_plugins().join("away")).unwrap();
    let other = in_registry_as(&kubelet, "other.sock", "example.com/other");
    other.statuses(1).await;

    assert!(kubelet.resource(VF).unwrap().connected);
}

#[tokio::test]
async fn a_stream_that_ends_stays_ended_until_the_socket_is_made_anew() {
    let (kubelet, _node) = kubelet().await;
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");
    registered(&kubelet, &plugin).await;
    plugin.end_streams(&[healthy("d0")]);
    stream_end(&kubelet).await;
    let other = in_registry_as(&kubelet, "other.sock", "example.com/other");
    other.statuses(1).await;
    assert_eq!(kubelet.resource(VF).unwrap().registrations, 1);

    fs::remove_file(&plugin.socket).unwrap();
    let _plugin = Plugin::in_registry(&kubelet, "vf.sock");

    kubelet
        .wait_for(VF, |vf| vf.registrations == 2 && vf.messages == 1)
        .await
        .unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn a_restarted_kubelet_registers_what_is_there_by_itself() {
    let (kubelet, _node) = kubelet().await;
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");
    registered(&kubelet, &plugin).await;

    kubelet.restart().await.unwrap();

    kubelet
        .wait_for(VF, |vf| vf.registrations == 2 && vf.messages == 1)
        .await
        .unwrap();
    assert!(plugin.socket.exists());
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn events_that_come_twice_make_the_watcher_register_anew() {
    let (kubelet, _node) = kubelet().await;
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");
    registered(&kubelet, &plugin).await;

    kubelet.duplicate_watcher_events();

    kubelet
        .wait_for(VF, |vf| vf.registrations == 2 && vf.messages == 1)
        .await
        .unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn a_plugin_of_another_version_is_told_and_tried_again() {
    let (kubelet, _node) = kubelet().await;
    let plugin = serve(&kubelet, "vf.sock", |answers| {
        answers.info.supported_versions = vec!["v1alpha1".to_owned(), "v1".to_owned()];
    });

    let statuses = plugin.statuses(3).await;

    for status in statuses {
        assert!(!status.plugin_registered);
        assert_eq!(
            status.error,
            "RegisterPlugin error -- plugin validation failed with err: \
             manager version, v1beta1, is not among plugin supported versions [v1alpha1 v1]"
        );
    }
    assert!(kubelet.resource(VF).is_none());
}

#[tokio::test]
async fn a_plugin_of_another_type_or_with_a_bad_name_is_told() {
    for (info, error) in [
        (
            PluginInfo {
                r#type: "CSIPlugin".to_owned(),
                ..Answers::default().info
            },
            "RegisterPlugin error -- no handler registered for plugin type: CSIPlugin \
             at socket /var/lib/kubelet/plugins_registry/vf.sock",
        ),
        (
            PluginInfo {
                name: "vf".to_owned(),
                ..Answers::default().info
            },
            "RegisterPlugin error -- plugin validation failed with err: \
             invalid name of device plugin socket: the ResourceName \"vf\" is invalid",
        ),
    ] {
        let (kubelet, _node) = kubelet().await;
        let plugin = serve(&kubelet, "vf.sock", |answers| answers.info = info);

        assert_eq!(plugin.statuses(1).await[0].error, error);
    }
}

#[tokio::test]
async fn a_refused_plugin_is_told_and_registered_once_it_is_not_refused() {
    let (kubelet, _node) = kubelet().await;
    kubelet.refuse_registration(Some("not today"));
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");
    assert_eq!(
        plugin.statuses(1).await[0].error,
        "RegisterPlugin error -- plugin registration failed with err: not today"
    );

    kubelet.refuse_registration(None);

    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_fails_to_be_notified_is_disconnected_and_tried_again() {
    let (kubelet, _node) = kubelet().await;
    let _plugin = serve(&kubelet, "vf.sock", |answers| {
        answers.notified = Err(Status::internal("refused on purpose"));
    });

    kubelet
        .wait_for(VF, |vf| vf.registrations == 2 && !vf.connected)
        .await
        .unwrap();
}

#[tokio::test]
async fn registering_both_ways_at_once_is_a_violation() {
    let (kubelet, _node) = kubelet().await;
    let found = Plugin::in_registry(&kubelet, "vf.sock");
    registered(&kubelet, &found).await;
    let _registered = Plugin::in_device_plugins(&kubelet, "vf.sock");

    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();

    let both = "`example.com/vf` is registered both ways at once".to_owned();
    assert!(kubelet.violations().contains(&both));
}

#[tokio::test]
async fn without_the_watcher_there_is_no_registry() {
    let (kubelet, _node) = plugin::kubelet(|config| config.watcher = false).await;

    assert!(!kubelet.node().plugins_registry().exists());
}

#[tokio::test]
async fn what_appears_and_vanishes_is_in_the_journal() {
    let (kubelet, _node) = kubelet().await;
    let plugin = Plugin::in_registry(&kubelet, "vf.sock");
    fs::write(kubelet.node().plugins_registry().join("notes"), "").unwrap();
    registered(&kubelet, &plugin).await;
    kubelet.delete_socket(VF).unwrap();

    for expected in [
        EventKind::SocketAppeared {
            socket: plugin.socket.clone(),
        },
        EventKind::SocketVanished {
            socket: plugin.socket.clone(),
        },
    ] {
        kubelet
            .wait_for_event(|event| event.kind == expected)
            .await
            .unwrap();
    }
    let is_about_notes = |what: &EventKind| matches!(what, EventKind::SocketAppeared { socket } if socket.ends_with(Path::new("notes")));
    assert!(
        !kubelet
            .journal()
            .iter()
            .any(|event| is_about_notes(&event.kind))
    );
}

/// With an authority that the stock server of these plugins accepts; see `authority.rs`.
async fn kubelet() -> (FakeKubelet, TempDir) {
    plugin::kubelet(|config| {
        config.watcher = true;
        config.authority = Authority::Literal("localhost".to_owned());
    })
    .await
}

/// Waits until both sides agree that the plugin is registered, and its list is there.
async fn registered(kubelet: &FakeKubelet, plugin: &Plugin) {
    let listed = kubelet.wait_for(VF, |vf| vf.messages == 1).await;
    listed.expect("the plugin is found and lists");
    let statuses = plugin.statuses(1).await;
    assert!(statuses[0].plugin_registered, "{statuses:?}");
}

fn serve(kubelet: &FakeKubelet, name: &str, change: impl FnOnce(&mut Answers)) -> Plugin {
    let mut answers = Answers::default();
    change(&mut answers);
    Plugin::serve(&kubelet.node().plugins_registry().join(name), answers)
}

fn in_registry_as(kubelet: &FakeKubelet, name: &str, resource: &str) -> Plugin {
    serve(kubelet, name, |answers| {
        resource.clone_into(&mut answers.info.name);
    })
}
