//! Pods and the devices that they hold, over the lives of the kubelet and of the plugin.

mod plugin;

use sriovdp_fake_kubelet::{Phase, PodSpec};

use plugin::{VF, healthy, kubelet, registered, unhealthy};

#[tokio::test]
async fn two_pods_never_hold_the_same_device_and_a_third_is_rejected() {
    let (kubelet, _plugin, _node) = registered().await;

    let one = kubelet.run_pod(PodSpec::wanting("one", 1, VF)).await;
    let two = kubelet.run_pod(PodSpec::wanting("two", 1, VF)).await;
    let three = kubelet.run_pod(PodSpec::wanting("three", 1, VF)).await;

    let (first, second) = (one.ids()[0], two.ids()[0]);
    assert!(first != second, "both are `{first}`");
    assert_eq!(one.devices[0].answer.envs["IDS"], first);
    assert_eq!(
        three.rejection().unwrap(),
        "Allocate failed due to requested number of devices unavailable for example.com/vf. Requested: 1, Available: 0, which is unexpected"
    );
}

#[tokio::test]
async fn devices_are_free_at_the_next_admission_after_their_pod_has_ended() {
    let (kubelet, _plugin, _node) = registered().await;
    let one = kubelet.run_pod(PodSpec::wanting("one", 1, VF)).await;
    kubelet.run_pod(PodSpec::wanting("two", 1, VF)).await;

    kubelet.finish_pod("one").unwrap();
    kubelet.delete_pod("two").unwrap();
    assert_eq!(kubelet.pod("one").unwrap().ids(), one.ids(), "not yet");
    let both = kubelet.run_pod(PodSpec::wanting("both", 2, VF)).await;

    assert_eq!(both.ids(), ["d0", "d1"]);
    assert_eq!(kubelet.pod("one").unwrap().phase, Phase::Succeeded);
    assert_eq!(kubelet.pod("one").unwrap().ids(), [""; 0]);
    assert!(kubelet.pod("two").is_none());
    kubelet.finish_pod("two").unwrap_err();
}

#[tokio::test]
async fn init_containers_leave_their_devices_and_sidecars_do_not() {
    let (kubelet, plugin, _node) = registered().await;
    plugin.list(&[healthy("d0"), healthy("d1"), healthy("d2")]);
    kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();

    let pod = PodSpec::new("pod")
        .init_container("init", 1, VF)
        .sidecar("beside", 1, VF)
        .container("app", 2, VF);
    let pod = kubelet.run_pod(pod).await;

    let ids = |container: &str| pod.container(container).unwrap().ids.clone();
    // The sidecar is given what the init container left, so the other container needs two of its own.
    assert_eq!(ids("init"), ids("beside"));
    assert_eq!(ids("app").len(), 2);
    assert!(!ids("app").contains(&ids("beside")[0]));
}

#[tokio::test]
async fn a_device_that_becomes_unhealthy_stays_with_its_pod_and_goes_to_no_other() {
    let (kubelet, plugin, _node) = registered().await;
    let held = kubelet.run_pod(PodSpec::wanting("held", 1, VF)).await;
    let [failed] = held.ids()[..] else {
        panic!("{held:?}");
    };
    let other = if failed == "d0" { "d1" } else { "d0" };

    plugin.list(&[healthy(other), unhealthy(failed)]);
    kubelet
        .wait_for(VF, |vf| vf.allocatable() == 1)
        .await
        .unwrap();

    assert_eq!(kubelet.pod("held").unwrap().phase, Phase::Running);
    assert_eq!(kubelet.device_health("held").unwrap()[failed], "Unhealthy");
    kubelet.delete_pod("held").unwrap();
    let two = kubelet.run_pod(PodSpec::wanting("two", 2, VF)).await;
    assert!(
        two.rejection()
            .unwrap()
            .contains("Requested: 2, Available: 1")
    );
}

#[tokio::test]
async fn what_runs_outlives_the_kubelet_and_what_does_not_needs_its_plugin() {
    let (kubelet, plugin, _node) = registered().await;
    let waiting = PodSpec::wanting("waiting", 1, VF).without_image();
    assert_eq!(kubelet.run_pod(waiting).await.phase, Phase::Pending);
    let running = kubelet.run_pod(PodSpec::wanting("running", 1, VF)).await;

    kubelet.restart().await.unwrap();

    assert_eq!(kubelet.pod("running").unwrap(), running);
    let refused = "no healthy devices present; cannot allocate unhealthy devices example.com/vf";
    let waiting = kubelet.pod("waiting").unwrap();
    assert!(waiting.rejection().unwrap().contains(refused));
    let early = kubelet.run_pod(PodSpec::wanting("early", 1, VF)).await;
    assert!(early.rejection().unwrap().contains(refused));

    kubelet.reboot_node().await.unwrap();
    let rebooted = kubelet.pod("running").unwrap();
    assert!(rebooted.rejection().unwrap().contains(refused));
    drop(plugin);
}

#[tokio::test]
async fn a_resource_that_nobody_ever_registered_is_left_out() {
    let (kubelet, _node) = kubelet(|_| ()).await;

    let pod = kubelet.run_pod(PodSpec::wanting("pod", 1, VF)).await;

    assert_eq!((pod.phase, pod.devices), (Phase::Running, Vec::new()));
}
