//go:build since1_35

package main

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	plugin "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/plugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/config"
	"k8s.io/kubernetes/pkg/kubelet/pluginmanager"
)

func addHintProvider(topology topologymanager.Manager, devices *devicemanager.ManagerImpl) {
	topology.AddHintProvider(logger, devices)
}

func startDeviceManager(devices *devicemanager.ManagerImpl, active devicemanager.ActivePodsFunc, ready config.SourcesReady, containers containermap.ContainerMap, running sets.Set[string]) error {
	return devices.Start(logger, active, ready, containers, running)
}

func runPluginManager(ctx context.Context, plugins pluginmanager.PluginManager, ready config.SourcesReady) {
	plugins.Run(ctx, ready, ctx.Done())
}

func containerOptions(devices *devicemanager.ManagerImpl, pod *v1.Pod, container *v1.Container) (*devicemanager.DeviceRunContainerOptions, error) {
	return devices.GetDeviceRunContainerOptions(background, pod, container)
}

func newServer(devices *devicemanager.ManagerImpl, observer *observer) (plugin.Server, error) {
	return plugin.NewServer(logger, pluginapi.KubeletSocket, devices, observer)
}

func disconnect(client plugin.Client) error { return client.Disconnect(logger) }

func (o *observer) PluginConnected(ctx context.Context, resource string, p plugin.DevicePlugin) error {
	return o.connected(resource, p, func(p plugin.DevicePlugin) error { return o.inner.PluginConnected(ctx, resource, p) })
}

func (o *observer) PluginListAndWatchReceiver(logger klog.Logger, resource string, list *pluginapi.ListAndWatchResponse) {
	o.listed(resource, list, func() { o.inner.PluginListAndWatchReceiver(logger, resource, list) })
}
