//! What happens to a pod after its admission: its containers restart, it ends, it is deleted, its node reboots.

use super::{DeviceHealth, Phase, PodView};
use crate::error::Error;
use crate::kubelet::FakeKubelet;

impl FakeKubelet {
    /// The pod as it is now, unless it was deleted.
    pub fn pod(&self, name: &str) -> Option<PodView> {
        self.shared.books().pods.view(name).cloned()
    }

    /// Restarts the containers of a running pod. The plugin is not asked: they get what they had, whatever has become
    /// of the devices meanwhile.
    pub fn restart_containers(&self, pod: &str) -> Result<PodView, Error> {
        let running = self.pod(pod).filter(|pod| pod.phase == Phase::Running);
        running.ok_or_else(|| no_such_pod(pod))
    }

    /// The pod runs to its end. Its devices are free at the next admission.
    pub fn finish_pod(&self, pod: &str) -> Result<(), Error> {
        let known = self.shared.update(|books| books.pods.succeed(pod));
        known.then_some(()).ok_or_else(|| no_such_pod(pod))
    }

    /// Deletes a pod, whether the kubelet runs or not. Its devices are free at the next admission.
    pub fn delete_pod(&self, pod: &str) -> Result<(), Error> {
        let known = self.shared.update(|books| books.pods.delete(pod));
        known.then_some(()).ok_or_else(|| no_such_pod(pod))
    }

    /// The pod has ended, and the kubelet has noticed: its devices are free. The plugin is not told.
    pub fn forget_pod(&self, pod: &str) -> Result<(), Error> {
        let known = self.shared.update(|books| books.pods.forget(pod));
        self.write_checkpoint();
        known.then_some(()).ok_or_else(|| no_such_pod(pod))
    }

    /// Whether the kubelet has heard which pods it has. One that has just started answers on its socket for pod
    /// resources before it has; its checkpoint is there.
    pub fn hears_of_pods(&self, hears: bool) {
        self.shared.update(|books| books.knows_pods = hears);
    }

    /// Kills the kubelet and every container, plugins excepted, then starts the kubelet.
    pub async fn reboot_node(&self) -> Result<(), Error> {
        self.stop().await;
        self.shared.update(|books| books.pods.all_stopped());
        self.start_again()
    }

    /// What the status of a pod says about the health of its devices.
    pub fn device_health(&self, pod: &str) -> Option<DeviceHealth> {
        let view = self.pod(pod)?;
        let mut health = DeviceHealth::new();
        for devices in &view.devices {
            let resource = self.resource(&devices.resource);
            for id in &devices.ids {
                let device = resource.as_ref().and_then(|resource| resource.device(id));
                let word = match device {
                    Some(device) if device.healthy => "Healthy",
                    Some(_) => "Unhealthy",
                    None => "Unknown",
                };
                health.insert(id.clone(), word);
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
