package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"unsafe"

	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/record"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/kubelet/apis/podresources"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/config"
	"k8s.io/kubernetes/pkg/kubelet/pluginmanager"

	// Registers the feature gates with their defaults.
	_ "k8s.io/kubernetes/pkg/features"
)

const (
	pluginsRegistry    = "/var/lib/kubelet/plugins_registry"
	podResourcesSocket = "/var/lib/kubelet/pod-resources/kubelet.sock"
)

type kubelet struct {
	devices  *devicemanager.ManagerImpl
	topology topologymanager.Manager
	observer *observer
	pods     *pods
}

// start does what a kubelet does, in its order.
func start(ctx context.Context, first boot) (*kubelet, error) {
	topology, err := newTopologyManager()
	if err != nil {
		return nil, err
	}
	devices, err := newDeviceManager(topology)
	if err != nil {
		return nil, err
	}
	pods := &pods{}
	observer := newObserver(devices, pods)
	k := &kubelet{devices, topology, observer, pods}
	if err := observe(devices, observer); err != nil {
		return nil, err
	}
	addHintProvider(topology, devices)

	// Containers that run are known before the device manager starts, and keep their devices.
	containers, running := containermap.NewContainerMap(), sets.New[string]()
	for _, spec := range first.Pods {
		pods.add(spec)
		for _, container := range spec.Containers {
			id := spec.UID + "/" + container.Name
			containers.Add(spec.UID, container.Name, id)
			if spec.Running {
				running.Insert(id)
			}
		}
	}
	var synced atomic.Bool
	ready := config.NewSourcesReady(func(sets.Set[string]) bool { return synced.Load() })
	if err := startDeviceManager(devices, pods.GetActivePods, ready, containers, running); err != nil {
		return nil, err
	}
	admissions := []*admission{}
	for _, spec := range first.Pods {
		admissions = append(admissions, k.admit(spec))
	}
	emit(event{Event: "started", Version: version(), Admissions: admissions, Health: observer.health()})
	synced.Store(true)
	if first.Watcher {
		plugins := pluginmanager.NewPluginManager(pluginsRegistry, &record.FakeRecorder{})
		plugins.AddHandler("DevicePlugin", devices.GetWatcherHandler())
		go runPluginManager(ctx, plugins, ready)
	}
	if first.PodResources {
		return k, k.servePodResources(ctx)
	}
	return k, nil
}

// observe puts the observer between the registration server and the device manager, whose field has no setter.
func observe(devices *devicemanager.ManagerImpl, observer *observer) error {
	server, err := newServer(devices, observer)
	if err != nil {
		return err
	}
	field := reflect.ValueOf(devices).Elem().FieldByName("server")
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(server))
	return nil
}

func (k *kubelet) servePodResources(ctx context.Context) error {
	if err := os.MkdirAll("/var/lib/kubelet/pod-resources", 0o750); err != nil {
		return err
	}
	if err := os.Remove(podResourcesSocket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", podResourcesSocket)
	if err != nil {
		return fmt.Errorf("cannot serve the devices of pods: %w", err)
	}
	server := grpc.NewServer()
	nothing := nothing{}
	podresourcesapi.RegisterPodResourcesListerServer(server, podresources.NewV1PodResourcesServer(ctx, podresources.PodResourcesProviders{
		Pods: k.pods, Devices: podDevices{k.devices}, Cpus: nothing, Memory: nothing, DynamicResources: nothing,
	}))
	go server.Serve(listener)
	return nil
}
