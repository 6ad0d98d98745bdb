//! What became different with 1.33 and 1.37: what a start deletes, and whose client a second registration replaces.

mod plugin;

use sriovdp_fake_kubelet::{Config, KubeletVersion};

use plugin::{Plugin, VF, healthy, kubelet, refusal, register, register_request};

const STILL_OPEN: &str =
    "`example.com/vf` was registered at `new.sock` while an earlier stream was open";

#[tokio::test]
async fn up_to_1_36_the_end_of_the_older_stream_disconnects_the_newer_one() {
    let (kubelet, _node) = kubelet(v1_36).await;
    let old = Plugin::in_device_plugins(&kubelet, "old.sock");
    let _new = Plugin::in_device_plugins(&kubelet, "new.sock");
    for endpoint in ["old.sock", "new.sock"] {
        register(&kubelet, register_request(endpoint))
            .await
            .unwrap();
        kubelet
            .wait_for(VF, |vf| vf.endpoint == endpoint && vf.messages == 1)
            .await
            .unwrap();
    }
    assert_eq!(kubelet.violations(), [STILL_OPEN]);

    old.end_streams(&[]);

    let vf = kubelet.wait_for(VF, |vf| !vf.connected).await.unwrap();
    assert_eq!(vf.endpoint, "new.sock");
    assert_eq!((vf.allocatable(), vf.capacity()), (0, 2));
    kubelet.allocate(VF, &["d0"]).await.unwrap_err();
}

#[tokio::test]
async fn up_to_1_36_a_path_can_be_registered_even_while_its_stream_is_open() {
    let (kubelet, _node) = kubelet(v1_36).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "new.sock");
    for registrations in [1, 2] {
        register(&kubelet, register_request("new.sock"))
            .await
            .unwrap();
        kubelet
            .wait_for(VF, |vf| {
                vf.registrations == registrations && vf.messages == 1
            })
            .await
            .unwrap();
    }

    assert_eq!(kubelet.violations(), [STILL_OPEN]);
}

#[tokio::test]
async fn from_1_37_on_the_newer_one_survives_the_older_ones_end() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let old = Plugin::in_device_plugins(&kubelet, "old.sock");
    let new = Plugin::in_device_plugins(&kubelet, "new.sock");
    for endpoint in ["old.sock", "new.sock"] {
        register(&kubelet, register_request(endpoint))
            .await
            .unwrap();
        kubelet
            .wait_for(VF, |vf| vf.endpoint == endpoint && vf.messages == 1)
            .await
            .unwrap();
    }

    old.end_streams(&[]);
    plugin::stream_end(&kubelet).await;
    new.list(&[healthy("d0"), healthy("d1"), healthy("d2")]);

    let vf = kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();
    assert!(vf.connected);
    assert_eq!((vf.allocatable(), vf.capacity()), (3, 3));
    kubelet.allocate(VF, &["d0"]).await.unwrap();
}

/// Requests to a kubelet that has not removed a closed connection.
const ATTEMPTS: usize = 1000;

#[tokio::test]
async fn from_1_37_on_the_older_one_takes_over_when_the_newer_one_leaves() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _old = Plugin::in_device_plugins(&kubelet, "old.sock");
    let new = Plugin::in_device_plugins(&kubelet, "new.sock");
    for endpoint in ["old.sock", "new.sock"] {
        register(&kubelet, register_request(endpoint))
            .await
            .unwrap();
        kubelet
            .wait_for(VF, |vf| vf.endpoint == endpoint && vf.messages == 1)
            .await
            .unwrap();
    }
    new.list(&[healthy("d0"), healthy("d1"), healthy("d2")]);
    kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();

    drop(new);
    plugin::stream_end(&kubelet).await;

    let vf = kubelet.resource(VF).unwrap();
    assert_eq!(vf.allocatable(), 3, "the leaver's list stays");
    // A real kubelet notices the end of a stream before it has removed the connection.
    let mut allocated = kubelet.allocate(VF, &["d0"]).await;
    for _ in 0..ATTEMPTS {
        let Err(status) = &allocated else { break };
        let is_closing = status
            .message()
            .contains("the client connection is closing");
        assert!(is_closing, "{status}");
        tokio::task::yield_now().await;
        allocated = kubelet.allocate(VF, &["d0"]).await;
    }
    allocated.unwrap();
}

#[tokio::test]
async fn from_1_37_on_a_path_whose_stream_is_open_is_refused_until_the_kubelet_restarts() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
    let refused = "device plugin already connected: /var/lib/kubelet/device-plugins/vf.sock";

    assert_eq!(
        refusal(&kubelet, register_request("vf.sock")).await,
        refused
    );
    plugin.end_streams(&[healthy("d0"), healthy("d1")]);
    plugin::stream_end(&kubelet).await;

    let vf = kubelet.resource(VF).unwrap();
    assert_eq!(vf.allocatable(), 2, "the end is not noticed");
    assert_eq!(
        refusal(&kubelet, register_request("vf.sock")).await,
        refused
    );

    kubelet.restart().await.unwrap();
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
}

#[tokio::test]
async fn from_1_37_on_another_path_is_the_way_out_of_a_refusal() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let plugin = Plugin::in_device_plugins(&kubelet, "old.sock");
    register(&kubelet, register_request("old.sock"))
        .await
        .unwrap();
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
    refusal(&kubelet, register_request("old.sock")).await;

    drop(plugin);
    let _plugin = Plugin::in_device_plugins(&kubelet, "new.sock");
    register(&kubelet, register_request("new.sock"))
        .await
        .unwrap();

    let vf = kubelet
        .wait_for(VF, |vf| vf.endpoint == "new.sock" && vf.messages == 1)
        .await
        .unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (2, 2));
}

#[tokio::test]
async fn up_to_1_32_a_start_removes_every_file_and_later_the_sockets_only() {
    for (version, is_kept) in [
        (KubeletVersion::V1_32, false),
        (KubeletVersion::V1_36, true),
    ] {
        let (kubelet, _node) = kubelet(|config| config.version = version).await;
        let directory = kubelet.node().device_plugins();
        let [file, checkpoint, below] = [
            "some-file",
            "kubelet_internal_checkpoint",
            "directory/some-file",
        ]
        .map(|name| directory.join(name));
        std::fs::create_dir(directory.join("directory")).unwrap();
        for path in [&file, &checkpoint, &below] {
            std::fs::write(path, "{}").unwrap();
        }
        let plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");

        kubelet.restart().await.unwrap();

        assert_eq!(file.exists(), is_kept, "{version:?}");
        assert!(checkpoint.exists() && below.exists());
        assert!(!plugin.socket.exists());
    }
}

fn v1_36(config: &mut Config) {
    config.version = KubeletVersion::V1_36;
}
