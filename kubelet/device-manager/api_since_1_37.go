//go:build since1_37

package main

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

func newTopologyManager() (topologymanager.Manager, error) {
	return topologymanager.NewManager(logger, nil, topologymanager.PolicyNone, "container", nil)
}

func newDeviceManager(topology topologymanager.Manager) (*devicemanager.ManagerImpl, error) {
	return devicemanager.NewManagerImpl(logger, nil, topology)
}

func admit(topology topologymanager.Manager, pod *v1.Pod) lifecycle.PodAdmitResult {
	return topology.Admit(background, attributes(pod))
}

func capacity(devices *devicemanager.ManagerImpl) (v1.ResourceList, v1.ResourceList) {
	capacity, allocatable, _ := devices.GetCapacity(logger)
	return capacity, allocatable
}

func updateStatus(devices *devicemanager.ManagerImpl, pod *v1.Pod, status *v1.PodStatus) {
	devices.UpdateAllocatedResourcesStatus(logger, pod, status)
}

// PluginDisconnected names the socket, because a resource can have several.
func (o *observer) PluginDisconnected(logger klog.Logger, resource, socket string) {
	o.disconnected(resource, socket, func() { o.inner.PluginDisconnected(logger, resource, socket) })
}

type podDevices struct{ devices *devicemanager.ManagerImpl }

func (p podDevices) UpdateAllocatedDevices(logger klog.Logger) {
	p.devices.UpdateAllocatedDevices(logger)
}

func (p podDevices) GetDevices(pod, container string) []*podresourcesapi.ContainerDevices {
	return forPodResources(p.devices.GetDevices(pod, container))
}

func (p podDevices) GetAllocatableDevices(logger klog.Logger) []*podresourcesapi.ContainerDevices {
	return forPodResources(p.devices.GetAllocatableDevices(logger))
}

// nothing are the CPUs, the memory and the claims of pods.
type nothing struct{}

func (nothing) GetCPUs(*v1.Pod, *v1.Container) []int64 { return nil }
func (nothing) GetPodCPUs(string) []int64              { return nil }
func (nothing) GetAllocatableCPUs() []int64            { return nil }
func (nothing) GetMemory(klog.Logger, *v1.Pod, *v1.Container) []*podresourcesapi.ContainerMemory {
	return nil
}
func (nothing) GetPodMemory(klog.Logger, string) []*podresourcesapi.ContainerMemory { return nil }
func (nothing) GetAllocatableMemory(klog.Logger) []*podresourcesapi.ContainerMemory { return nil }
func (nothing) GetDynamicResources(klog.Logger, *v1.Pod, *v1.Container) []*podresourcesapi.DynamicResource {
	return nil
}
