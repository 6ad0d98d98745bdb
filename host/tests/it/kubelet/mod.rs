//! What kubelets do to device plugins, scenario by scenario: with both ways to register, each kubelet, one pool and 64.
//!
//! Kubernetes tests its device manager in `test/e2e_node` against a sample plugin. These are the same scenarios, with
//! this plugin in its place, and those that its tests do not have:
//!
//! | scenario of Kubernetes | here |
//! | --- | --- |
//! | `device_plugin_test.go`: a pod gets its device | `pods::a_pod_gets_the_devices_it_asks_for_and_no_others` |
//! | a CDI device is accessible in the container | `pods::a_device_reaches_its_container_through_cdi` |
//! | only the container restarts | `pods::a_restarted_container_keeps_its_device` |
//! | devices of init containers and sidecars | `pods::init_containers_leave_their_devices_to_the_others` |
//! | only the kubelet restarts; then also the container | `restarts::pods_keep_their_devices_over_a_restart_of_the_kubelet` |
//! | a pod has succeeded, the plugin is gone, the kubelet restarts | `restarts::a_pod_that_has_ended_is_not_admitted_again` |
//! | only the plugin restarts | `restarts::pods_keep_their_devices_over_a_restart_of_the_plugin` |
//! | kubelet and plugin restart | `restarts::pods_keep_their_devices_when_both_restart` |
//! | `[OrphanedPods]` pods are deleted while the kubelet is down | `restarts::devices_of_pods_deleted_meanwhile_are_free` |
//! | the node reboots and the plugin comes late | `restarts::after_a_reboot_pods_fail_until_the_plugin_is_there` |
//! | `device_manager_test.go`: the plugin stays away | `restarts::a_pod_fails_while_the_plugin_stays_away` |
//! | `device_plugin_failures_test.go`: a device fails and recovers | `health::a_device_fails_and_recovers` |
//! | the same while a pod uses it | `health::a_pod_keeps_a_device_that_fails` |
//! | one and two of four devices fail | `health::some_of_four_devices_fail_and_recover` |
//! | a plugin stops; its capacity is given up after a time of grace | `health::a_stopped_plugin_loses_its_devices_in_two_steps` |
//! | `..._pod_status_test.go`: health in the pod's status | `health::pod_status_has_device_health` |
//! | the same while an image is missing | `health::waiting_pod_status_has_device_health` |
//! | `device_plugin_multiple_test.go`: a second plugin joins, either leaves | `instances`, all of it |
//! | `GetDevicePluginOptions` fails, with one plugin and with two | `host/fake-kubelet/tests/failing_plugin.rs` |
//! | `ListAndWatch` fails at once, or later | `host/fake-kubelet/tests/failing_plugin.rs` |
//!
//! The last two rows cannot concern this plugin: its options are a constant, and its list is a value that is always
//! there. They are played with the fake kubelet's own test plugin, which shows that the fake does what kubelets do.
//! That `pod-resources` shows a device is the kubelet's work, and no plugin can do anything about it.
//!
//! `streams` has what goes wrong between a kubelet that lives and a plugin that lives. `sockets` has the files between
//! them, `lifecycle` the plugin's own beginnings and ends, and `ends` those in the middle of a change.

mod pool_node;

/// The fake kubelet compared with real ones.
mod comparison;
/// Health, as nodes and pods show it.
mod health;
/// Two plugins on one node, as a rolling update has them for a while.
mod instances;
/// When the plugin starts, freezes, is killed and ends.
mod lifecycle;
/// Pods and their containers.
mod pods;
/// Restarts of the kubelet, the plugin and the node.
mod restarts;
/// Deleted sockets and directories, and those that dead processes leave behind.
mod sockets;
/// Registrations and streams that do not go as they should.
mod streams;
/// SIGTERM in the middle of a change.
mod termination;
