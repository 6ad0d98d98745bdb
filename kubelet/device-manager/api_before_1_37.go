//go:build !since1_37

package main

import (
	v1 "k8s.io/api/core/v1"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

func newTopologyManager() (topologymanager.Manager, error) {
	return topologymanager.NewManager(nil, topologymanager.PolicyNone, "container", nil)
}

func newDeviceManager(topology topologymanager.Manager) (*devicemanager.ManagerImpl, error) {
	return devicemanager.NewManagerImpl(nil, topology)
}

func admit(topology topologymanager.Manager, pod *v1.Pod) lifecycle.PodAdmitResult {
	return topology.Admit(attributes(pod))
}

func capacity(devices *devicemanager.ManagerImpl) (v1.ResourceList, v1.ResourceList) {
	capacity, allocatable, _ := devices.GetCapacity()
	return capacity, allocatable
}

func updateStatus(devices *devicemanager.ManagerImpl, pod *v1.Pod, status *v1.PodStatus) {
	devices.UpdateAllocatedResourcesStatus(pod, status)
}

type podDevices struct{ devices *devicemanager.ManagerImpl }

func (p podDevices) UpdateAllocatedDevices() {
	p.devices.UpdateAllocatedDevices()
}

func (p podDevices) GetDevices(pod, container string) []*podresourcesapi.ContainerDevices {
	return forPodResources(p.devices.GetDevices(pod, container))
}

func (p podDevices) GetAllocatableDevices() []*podresourcesapi.ContainerDevices {
	return forPodResources(p.devices.GetAllocatableDevices())
}

// nothing are the CPUs, the memory and the claims of pods.
type nothing struct{}

func (nothing) GetCPUs(string, string) []int64                              { return nil }
func (nothing) GetAllocatableCPUs() []int64                                 { return nil }
func (nothing) GetMemory(string, string) []*podresourcesapi.ContainerMemory { return nil }
func (nothing) GetAllocatableMemory() []*podresourcesapi.ContainerMemory    { return nil }
func (nothing) GetDynamicResources(*v1.Pod, *v1.Container) []*podresourcesapi.DynamicResource {
	return nil
}
