package main

import (
	"context"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
)

type podSpec struct {
	Name       string          `json:"name"`
	UID        string          `json:"uid"`
	Running    bool            `json:"running"`
	Containers []containerSpec `json:"containers"`
}

type containerSpec struct {
	Name string `json:"name"`
	// Kind is app, init or sidecar.
	Kind     string `json:"kind"`
	Resource string `json:"resource"`
	Count    int64  `json:"count"`
}

// admission is the outcome for one pod.
type admission struct {
	UID string `json:"uid"`
	// Rejection is empty for a pod that is admitted.
	Rejection  string             `json:"rejection"`
	Reason     string             `json:"reason"`
	Containers []containerDevices `json:"containers"`
}

type containerDevices struct {
	Container string                               `json:"container"`
	Resource  string                               `json:"resource"`
	IDs       []string                             `json:"ids"`
	Answer    *pluginapi.ContainerAllocateResponse `json:"answer"`
}

// admit does what the kubelet does for a pod that is new to it, and for each of its pods after a start.
func (k *kubelet) admit(spec podSpec) *admission {
	pod := k.pods.add(spec)
	outcome := &admission{UID: spec.UID, Containers: []containerDevices{}}
	if result := admit(k.topology, pod); !result.Admit {
		k.pods.remove(spec.UID)
		outcome.Rejection, outcome.Reason = result.Message, result.Reason
		return outcome
	}
	containers := append(append([]v1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...)
	for i := range containers {
		container := &containers[i]
		var answer *pluginapi.ContainerAllocateResponse
		for name, devices := range k.devices.GetDevices(spec.UID, container.Name) {
			if !spec.Running && answer == nil {
				// What the container runtime gets. Running containers have it already.
				found, err := runOptions(k.devices, pod, container)
				if err != nil {
					outcome.Rejection = err.Error()
					return outcome
				}
				answer = found
			}
			ids := []string{}
			for id := range devices {
				ids = append(ids, id)
			}
			outcome.Containers = append(outcome.Containers, containerDevices{container.Name, name, ids, answer})
		}
	}
	return outcome
}

// runOptions are the options of a container in the form of the plugin's answer.
func runOptions(devices *devicemanager.ManagerImpl, pod *v1.Pod, container *v1.Container) (*pluginapi.ContainerAllocateResponse, error) {
	answer := &pluginapi.ContainerAllocateResponse{Envs: map[string]string{}, Annotations: map[string]string{}}
	found, err := containerOptions(devices, pod, container)
	if err != nil || found == nil {
		return answer, err
	}
	for _, env := range found.Envs {
		answer.Envs[env.Name] = env.Value
	}
	for _, annotation := range found.Annotations {
		answer.Annotations[annotation.Name] = annotation.Value
	}
	for _, device := range found.Devices {
		answer.Devices = append(answer.Devices, &pluginapi.DeviceSpec{
			HostPath: device.PathOnHost, ContainerPath: device.PathInContainer, Permissions: device.Permissions,
		})
	}
	for _, mount := range found.Mounts {
		answer.Mounts = append(answer.Mounts, &pluginapi.Mount{
			HostPath: mount.HostPath, ContainerPath: mount.ContainerPath, ReadOnly: mount.ReadOnly,
		})
	}
	for _, device := range found.CDIDevices {
		answer.CdiDevices = append(answer.CdiDevices, &pluginapi.CDIDevice{Name: device.Name})
	}
	return answer, nil
}

// health is what the status of a pod has for its devices, by device.
func health(devices *devicemanager.ManagerImpl, pod *v1.Pod) map[string]string {
	status := v1.PodStatus{}
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, v1.ContainerStatus{Name: container.Name})
	}
	updateStatus(devices, pod, &status)
	found := map[string]string{}
	for _, container := range status.ContainerStatuses {
		for _, resource := range container.AllocatedResourcesStatus {
			for _, device := range resource.Resources {
				found[string(device.ResourceID)] = string(device.Health)
			}
		}
	}
	return found
}

// pods are those that have not ended.
type pods struct {
	mutex  sync.Mutex
	active []*v1.Pod
}

func (p *pods) add(spec podSpec) *v1.Pod {
	pod := spec.pod()
	p.remove(spec.UID)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.active = append(p.active, pod)
	return pod
}

func (p *pods) remove(uid string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var left []*v1.Pod
	for _, pod := range p.active {
		if string(pod.UID) != uid {
			left = append(left, pod)
		}
	}
	p.active = left
}

func (p *pods) GetActivePods() []*v1.Pod {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]*v1.Pod{}, p.active...)
}

func (p *pods) GetPods() []*v1.Pod { return p.GetActivePods() }

func (p *pods) GetPodByName(_, name string) (*v1.Pod, bool) {
	for _, pod := range p.GetActivePods() {
		if pod.Name == name {
			return pod, true
		}
	}
	return nil, false
}

func (s podSpec) pod() *v1.Pod {
	always := v1.ContainerRestartPolicyAlways
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: "default", UID: types.UID(s.UID)}}
	for _, spec := range s.Containers {
		quantities := v1.ResourceList{v1.ResourceName(spec.Resource): *resource.NewQuantity(spec.Count, resource.DecimalSI)}
		container := v1.Container{
			Name:      spec.Name,
			Resources: v1.ResourceRequirements{Limits: quantities, Requests: quantities},
		}
		switch spec.Kind {
		case "app":
			pod.Spec.Containers = append(pod.Spec.Containers, container)
		case "sidecar":
			container.RestartPolicy = &always
			fallthrough
		default:
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, container)
		}
	}
	return pod
}

// forPodResources converts devices as the kubelet does.
func forPodResources(all devicemanager.ResourceDeviceInstances) []*podresourcesapi.ContainerDevices {
	var found []*podresourcesapi.ContainerDevices
	for name, devices := range all {
		for id, device := range devices {
			entry := func(topology *podresourcesapi.TopologyInfo) {
				found = append(found, &podresourcesapi.ContainerDevices{
					ResourceName: name, DeviceIds: []string{id}, Topology: topology,
				})
			}
			if device.GetTopology() == nil {
				entry(nil)
			}
			for _, node := range device.GetTopology().GetNodes() {
				entry(&podresourcesapi.TopologyInfo{Nodes: []*podresourcesapi.NUMANode{{ID: node.ID}}})
			}
		}
	}
	return found
}

var background = context.Background()
