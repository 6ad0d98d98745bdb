//go:build !since1_35

package main

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	plugin "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/plugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/config"
	"k8s.io/kubernetes/pkg/kubelet/pluginmanager"
)

func addHintProvider(topology topologymanager.Manager, devices *devicemanager.ManagerImpl) {
	topology.AddHintProvider(devices)
}

func startDeviceManager(devices *devicemanager.ManagerImpl, active devicemanager.ActivePodsFunc, ready config.SourcesReady, containers containermap.ContainerMap, running sets.Set[string]) error {
	return devices.Start(active, ready, containers, running)
}

func runPluginManager(ctx context.Context, plugins pluginmanager.PluginManager, ready config.SourcesReady) {
	plugins.Run(ready, ctx.Done())
}

func containerOptions(devices *devicemanager.ManagerImpl, pod *v1.Pod, container *v1.Container) (*devicemanager.DeviceRunContainerOptions, error) {
	return devices.GetDeviceRunContainerOptions(pod, container)
}

func newServer(devices *devicemanager.ManagerImpl, observer *observer) (plugin.Server, error) {
	return plugin.NewServer(pluginapi.KubeletSocket, devices, observer)
}

func disconnect(client plugin.Client) error { return client.Disconnect() }

func (o *observer) PluginConnected(resource string, p plugin.DevicePlugin) error {
	return o.connected(resource, p, func(p plugin.DevicePlugin) error { return o.inner.PluginConnected(resource, p) })
}

func (o *observer) PluginListAndWatchReceiver(resource string, list *pluginapi.ListAndWatchResponse) {
	o.listed(resource, list, func() { o.inner.PluginListAndWatchReceiver(resource, list) })
}

// PluginDisconnected does not name the socket: a resource has one.
func (o *observer) PluginDisconnected(resource string) {
	o.disconnected(resource, "", func() { o.inner.PluginDisconnected(resource) })
}
