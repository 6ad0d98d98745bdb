//! The life of a pod after its admission: restarts of containers, end, deletion, reboot of the node.

use super::{ContainerDevices, DeviceHealth, Phase, PodView};
use crate::error::Error;
use crate::kubelet::FakeKubelet;
use crate::program::Command;

impl FakeKubelet {
    /// The pod as it is now, unless it was deleted.
    pub fn pod(&self, name: &str) -> Option<PodView> {
        self.shared.state().pods.view(name).cloned()
    }

    /// Restarts the containers of a running pod with their previous devices, without a call to the plugin.
    pub fn restart_containers(&self, pod: &str) -> Result<PodView, Error> {
        let running = self.pod(pod).filter(|pod| pod.phase == Phase::Running);
        running.ok_or_else(|| no_such_pod(pod))
    }

    /// The pod runs to its end. Its devices are free at the next admission.
    pub fn finish_pod(&self, pod: &str) -> Result<(), Error> {
        self.pod_ended(pod);
        let exists = self.shared.update(|state| state.pods.succeed(pod));
        exists.then_some(()).ok_or_else(|| no_such_pod(pod))
    }

    /// Deletes a pod, whether the kubelet runs or not. Its devices are free at the next admission.
    pub fn delete_pod(&self, pod: &str) -> Result<(), Error> {
        self.pod_ended(pod);
        let exists = self.shared.update(|state| state.pods.delete(pod));
        exists.then_some(()).ok_or_else(|| no_such_pod(pod))
    }

    /// The kubelet frees the devices of an ended pod, without a call to the plugin.
    pub fn forget_pod(&self, pod: &str) -> Result<(), Error> {
        self.pod_ended(pod);
        let exists = self.shared.update(|state| state.pods.forget(pod));
        self.write_checkpoint();
        exists.then_some(()).ok_or_else(|| no_such_pod(pod))
    }

    fn pod_ended(&self, pod: &str) {
        let uid = self.shared.state().pods.uid(pod);
        if let (Some(program), Some(uid)) = (self.program(), uid) {
            program.notify(Command::Ended(uid));
        }
    }

    /// Whether the kubelet has synchronized its pods. After a start, its pod resources socket serves before that; the
    /// checkpoint exists.
    pub fn set_pods_known(&self, known: bool) {
        self.shared.update(|state| state.pods_known = known);
    }

    /// Kills the kubelet and every container, plugins excepted, then starts the kubelet.
    pub async fn reboot_node(&self) -> Result<(), Error> {
        self.stop().await;
        self.shared.update(|state| state.pods.all_stopped());
        self.start_and_wait().await
    }

    /// The health of the devices in the status of a pod. Only the last list makes a device unhealthy, and not the end of
    /// its plugin, nor that the list does not have it.
    pub fn device_health(&self, pod: &str) -> Option<DeviceHealth> {
        let view = self.pod(pod)?;
        if self.program().is_some() {
            return Some(self.shared.state().pods.health(pod));
        }
        let mut health = DeviceHealth::new();
        let state = self.shared.state();
        let is_app = |devices: &&ContainerDevices| state.pods.is_app(pod, &devices.container);
        for devices in view.devices.iter().filter(is_app) {
            for id in &devices.ids {
                let word = match state.is_unhealthy(&devices.resource, id) {
                    true => "Unhealthy",
                    false => "Healthy",
                };
                health.insert(id.clone(), word.to_owned());
            }
        }
        Some(health)
    }
}

fn no_such_pod(pod: &str) -> Error {
    Error::UnknownPod {
        pod: pod.to_owned(),
    }
}
