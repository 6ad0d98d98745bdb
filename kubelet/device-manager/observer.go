package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	plugin "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/plugin/v1beta1"
)

// event is a line of standard output.
type event struct {
	Event    string `json:"event"`
	Resource string `json:"resource,omitempty"`
	// Socket is a path on the node.
	Socket  string             `json:"socket,omitempty"`
	Options *options           `json:"options,omitempty"`
	Devices []*device          `json:"devices,omitempty"`
	Counts  map[string]*counts `json:"counts,omitempty"`
	// Health has what the status of each pod has for its devices.
	Health map[string]map[string]string `json:"health,omitempty"`
	Error  string                       `json:"error,omitempty"`

	Version    string       `json:"version,omitempty"`
	Admissions []*admission `json:"admissions,omitempty"`

	// Of answers.
	ID        int                                  `json:"id,omitempty"`
	Admission *admission                           `json:"admission,omitempty"`
	Container *pluginapi.ContainerAllocateResponse `json:"container,omitempty"`
}

type options struct {
	PreStart   bool `json:"preStart"`
	Preference bool `json:"preference"`
}

type device struct {
	ID      string  `json:"id"`
	Healthy bool    `json:"healthy"`
	Numa    []int64 `json:"numa"`
}

// counts are what the node reports of a resource.
type counts struct {
	Allocatable int64 `json:"allocatable"`
	Capacity    int64 `json:"capacity"`
}

var output sync.Mutex

func emit(line event) {
	bytes, err := json.Marshal(line)
	if err != nil {
		fatal(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Printf("%s\n", bytes)
}

// observer emits each change of the device manager's state, right after it.
type observer struct {
	inner *devicemanager.ManagerImpl
	pods  *pods
	// order makes a change and its event one step.
	order   sync.Mutex
	mutex   sync.Mutex
	plugins map[string][]plugin.DevicePlugin
}

func newObserver(inner *devicemanager.ManagerImpl, pods *pods) *observer {
	return &observer{inner: inner, pods: pods, plugins: map[string][]plugin.DevicePlugin{}}
}

func (o *observer) connected(resource string, p plugin.DevicePlugin, connect func(plugin.DevicePlugin) error) error {
	recorder := &optionsRecorder{DevicePlugin: p}
	if err := connect(recorder); err != nil {
		return err
	}
	o.mutex.Lock()
	o.plugins[resource] = append(o.plugins[resource], p)
	o.mutex.Unlock()
	found := &options{recorder.options.GetPreStartRequired(), recorder.options.GetGetPreferredAllocationAvailable()}
	emit(event{Event: "connected", Resource: resource, Socket: p.SocketPath(), Options: found})
	return nil
}

// optionsRecorder has the answer that the device manager gets for its one call, and does not show.
type optionsRecorder struct {
	plugin.DevicePlugin
	options *pluginapi.DevicePluginOptions
}

func (r *optionsRecorder) API() pluginapi.DevicePluginClient {
	return recordingClient{r.DevicePlugin.API(), r}
}

type recordingClient struct {
	pluginapi.DevicePluginClient
	recorder *optionsRecorder
}

func (c recordingClient) GetDevicePluginOptions(ctx context.Context, in *pluginapi.Empty, opts ...grpc.CallOption) (*pluginapi.DevicePluginOptions, error) {
	found, err := c.DevicePluginClient.GetDevicePluginOptions(ctx, in, opts...)
	c.recorder.options = found
	return found, err
}

func (o *observer) listed(resource string, list *pluginapi.ListAndWatchResponse, receive func()) {
	o.order.Lock()
	defer o.order.Unlock()
	receive()
	devices := []*device{}
	for _, listed := range list.Devices {
		nodes := []int64{}
		for _, node := range listed.GetTopology().GetNodes() {
			nodes = append(nodes, node.ID)
		}
		devices = append(devices, &device{listed.ID, listed.Health == pluginapi.Healthy, nodes})
	}
	emit(event{Event: "listed", Resource: resource, Devices: devices, Counts: o.counts(), Health: o.health()})
}

// disconnected notes the end of one plugin, or of all with an empty socket. Without a plugin the devices are unhealthy.
func (o *observer) disconnected(resource, socket string, disconnect func()) {
	o.order.Lock()
	defer o.order.Unlock()
	disconnect()
	o.mutex.Lock()
	var left []plugin.DevicePlugin
	for _, p := range o.plugins[resource] {
		if socket != "" && p.SocketPath() != socket {
			left = append(left, p)
		}
	}
	ended := len(o.plugins[resource]) > len(left)
	o.plugins[resource] = left
	o.mutex.Unlock()
	if ended && len(left) == 0 {
		emit(event{Event: "disconnected", Resource: resource, Counts: o.counts(), Health: o.health()})
	}
}

func (o *observer) counts() map[string]*counts {
	capacities, allocatables := capacity(o.inner)
	found := map[string]*counts{}
	for name, quantity := range capacities {
		allocatable := allocatables[v1.ResourceName(name)]
		found[string(name)] = &counts{allocatable.Value(), quantity.Value()}
	}
	return found
}

func (o *observer) health() map[string]map[string]string {
	found := map[string]map[string]string{}
	for _, pod := range o.pods.GetActivePods() {
		found[string(pod.UID)] = health(o.inner, pod)
	}
	return found
}

// newest is the plugin that the device manager calls.
func (o *observer) newest(resource string) (plugin.DevicePlugin, string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	connected := o.plugins[resource]
	if len(connected) == 0 {
		return nil, fmt.Sprintf("no plugin is connected for %s", resource)
	}
	return connected[len(connected)-1], ""
}

func (o *observer) allocate(request allocation) (*pluginapi.ContainerAllocateResponse, string) {
	p, missing := o.newest(request.Resource)
	if missing != "" {
		return nil, missing
	}
	response, err := p.API().Allocate(context.Background(), &pluginapi.AllocateRequest{
		ContainerRequests: []*pluginapi.ContainerAllocateRequest{{DevicesIds: request.IDs}},
	})
	if err != nil {
		return nil, err.Error()
	}
	return response.ContainerResponses[0], ""
}

func (o *observer) disconnect(resource string) string {
	p, missing := o.newest(resource)
	if missing != "" {
		return missing
	}
	if err := disconnect(p.(plugin.Client)); err != nil {
		return err.Error()
	}
	return ""
}
