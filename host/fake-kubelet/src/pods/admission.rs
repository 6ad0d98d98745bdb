//! The admission of a pod: which devices its containers get, and why it may get none.

use std::collections::BTreeSet;

use sriovdp_proto::deviceplugin::ContainerAllocateResponse;
use tonic::Status;

use super::{ContainerDevices, ContainerSpec, PodSpec, PodView, resources};
use crate::device_manager::as_go_prints;
use crate::journal::EventKind;
use crate::kubelet::FakeKubelet;
use crate::program::{Command, Pod, Program};

/// What a container may be given.
struct Choice {
    /// Left by init containers of the same pod; these come first.
    left: BTreeSet<String>,
    free: BTreeSet<String>,
}

impl FakeKubelet {
    /// Runs a pod if it can be admitted; else the returned pod has failed, with the reason.
    ///
    /// A resource that was never registered is not waited for: the pod runs without it, as it does on a real kubelet
    /// when the scheduler is bypassed.
    pub async fn run_pod(&self, spec: PodSpec) -> PodView {
        self.shared.update(|state| state.pods.begin(&spec));
        if let Some(program) = self.program() {
            self.admit_with(&program, &spec).await;
            return self.view_of(&spec);
        }
        let pod = self.admit_all(spec).await;
        self.write_checkpoint();
        pod
    }

    async fn admit_with(&self, program: &Program, spec: &PodSpec) {
        let uid = self.shared.state().pods.uid(&spec.name);
        let pod = Pod::new(spec, &uid.unwrap_or_default(), false);
        let answer = program.call(Command::Admit(pod)).await;
        if let Some(admission) = answer.and_then(|answer| answer.admission) {
            self.shared.update(|state| state.admitted(admission));
        }
    }

    /// Runs a pod with one container of the same name, for which the caller has chosen the devices.
    pub async fn run_pod_with(
        &self,
        pod: &str,
        resource: &str,
        ids: &[&str],
    ) -> Result<ContainerAllocateResponse, Status> {
        let spec = PodSpec::wanting(pod, ids.len(), resource);
        self.shared.update(|state| state.pods.begin(&spec));
        let answer = self.allocate(resource, ids).await?;
        self.start_container(resource, ids).await?;
        let devices = ContainerDevices {
            container: pod.to_owned(),
            resource: resource.to_owned(),
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
            answer: answer.clone(),
        };
        self.shared.update(|state| {
            state.pods.grant(pod, devices);
            state.pods.admitted(pod);
        });
        self.write_checkpoint();
        Ok(answer)
    }

    /// What a kubelet does not write it has forgotten after its restart, and it goes on all the same.
    pub(super) fn write_checkpoint(&self) {
        if self.program().is_some() {
            return;
        }
        let written = resources::write_checkpoint(&self.shared);
        if let Err(error) = written {
            self.shared.update(|state| {
                state
                    .journal
                    .note(EventKind::NoCheckpoint(error.to_string()))
            });
        }
    }

    async fn admit_all(&self, spec: PodSpec) -> PodView {
        for container in &spec.containers {
            if self.resource(&container.resource).is_none() {
                continue;
            }
            match self.admit_one(&spec.name, container).await {
                Ok(devices) => self.shared.update(|state| {
                    state.journal.note(EventKind::Allocated {
                        pod: spec.name.clone(),
                        resource: devices.resource.clone(),
                        ids: devices.ids.clone(),
                    });
                    state.pods.grant(&spec.name, devices);
                }),
                Err(why) => {
                    self.shared.update(|state| {
                        state.pods.reject(&spec.name, &why);
                        state.journal.note(EventKind::Rejected {
                            pod: spec.name.clone(),
                            message: why,
                        });
                    });
                    return self.view_of(&spec);
                }
            }
        }
        self.shared.update(|state| state.pods.admitted(&spec.name));
        self.view_of(&spec)
    }

    async fn admit_one(
        &self,
        pod: &str,
        container: &ContainerSpec,
    ) -> Result<ContainerDevices, String> {
        let choice = self.choice(pod, container)?;
        let ids = self.choose(container, choice).await?;
        let requested: Vec<&str> = ids.iter().map(String::as_str).collect();
        let answer = self
            .allocate(&container.resource, &requested)
            .await
            .map_err(|status| as_go_prints(&status))?;
        self.start_container(&container.resource, &requested)
            .await
            .map_err(|status| as_go_prints(&status))?;
        Ok(ContainerDevices {
            container: container.name.clone(),
            resource: container.resource.clone(),
            ids,
            answer,
        })
    }

    /// The kubelet's own checks, in its order and words.
    fn choice(&self, pod: &str, container: &ContainerSpec) -> Result<Choice, String> {
        let ContainerSpec {
            resource, count, ..
        } = container;
        let state = self.shared.state();
        let healthy = state
            .view(resource)
            .map(|view| view.healthy_ids().clone())
            .unwrap_or_default();
        if healthy.is_empty() {
            return Err(format!(
                "no healthy devices present; cannot allocate unhealthy devices {resource}"
            ));
        }
        let left = state.pods.left_for(pod, container);
        let free: BTreeSet<String> = &healthy - &state.pods.held(resource);
        let needed = count.saturating_sub(left.len());
        if free.len() < needed {
            return Err(format!(
                "requested number of devices unavailable for {resource}. Requested: {needed}, Available: {}",
                free.len()
            ));
        }
        Ok(Choice { left, free })
    }

    /// The plugin's preference first, then whatever there is.
    async fn choose(
        &self,
        container: &ContainerSpec,
        Choice { left, free }: Choice,
    ) -> Result<Vec<String>, String> {
        let ContainerSpec {
            resource, count, ..
        } = container;
        let offers = self
            .resource(resource)
            .is_some_and(|view| view.options.get_preferred_allocation_available);
        let mut chosen: Vec<String> = left.iter().take(*count).cloned().collect();
        let mut preferred = Vec::new();
        if offers && chosen.len() < *count {
            let all: Vec<&str> = left.union(&free).map(String::as_str).collect();
            let must: Vec<&str> = left.iter().map(String::as_str).collect();
            let size = i32::try_from(*count).unwrap_or(i32::MAX);
            preferred = self
                .preferred(resource, &all, &must, size)
                .await
                .map_err(|status| as_go_prints(&status))?;
        }
        let wanted = preferred.into_iter().filter(|id| free.contains(id));
        for id in wanted.chain(free.iter().cloned()) {
            if chosen.len() < *count && !chosen.contains(&id) {
                chosen.push(id);
            }
        }
        Ok(chosen)
    }

    fn view_of(&self, spec: &PodSpec) -> PodView {
        self.pod(&spec.name).unwrap_or_else(|| PodView {
            name: spec.name.clone(),
            phase: super::Phase::Pending,
            devices: Vec::new(),
        })
    }
}
