// A stand-in for the Go plugin, with its arguments, sockets, device ids, variables and device-info files. Of selectors it
// has `vendors` and `drivers`. It does not handle SIGTERM, and so its sockets stay as those of a killed plugin.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/grpc"
	plugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const (
	sockets    = "/var/lib/kubelet/plugins_registry"
	deviceInfo = "/var/run/k8s.cni.cncf.io/devinfo/dp"
	devices    = "/sys/bus/pci/devices"
)

type resource struct {
	plugin.UnimplementedDevicePluginServer
	registration.UnimplementedRegistrationServer
	Name      string `json:"resourceName"`
	Selectors struct{ Vendors, Drivers []string }
	prefix    string
}

func (r *resource) fullName() string { return r.prefix + "/" + r.Name }

func (r *resource) socket() string { return filepath.Join(sockets, r.prefix+"_"+r.Name+".sock") }

func (r *resource) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.DevicePlugin,
		Name:              r.fullName(),
		Endpoint:          r.socket(),
		SupportedVersions: []string{"v1alpha1", "v1beta1"},
	}, nil
}

func (r *resource) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatal(status.Error)
	}
	log.Printf("event=\"registered\" resource=%s", r.fullName())
	return &registration.RegistrationStatusResponse{}, nil
}

func (r *resource) GetDevicePluginOptions(context.Context, *plugin.Empty) (*plugin.DevicePluginOptions, error) {
	return &plugin.DevicePluginOptions{}, nil
}

func (r *resource) ListAndWatch(_ *plugin.Empty, stream plugin.DevicePlugin_ListAndWatchServer) error {
	found, err := filepath.Glob(devices + "/*")
	if err != nil {
		return err
	}
	list := &plugin.ListAndWatchResponse{}
	for _, device := range found {
		vendor, _ := os.ReadFile(filepath.Join(device, "vendor"))
		driver, _ := os.Readlink(filepath.Join(device, "driver"))
		if slices.Contains(r.Selectors.Vendors, strings.TrimPrefix(strings.TrimSpace(string(vendor)), "0x")) &&
			slices.Contains(r.Selectors.Drivers, filepath.Base(driver)) {
			list.Devices = append(list.Devices, &plugin.Device{ID: filepath.Base(device), Health: plugin.Healthy})
		}
	}
	if err := stream.Send(list); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (r *resource) Allocate(_ context.Context, request *plugin.AllocateRequest) (*plugin.AllocateResponse, error) {
	response := &plugin.AllocateResponse{}
	for _, wanted := range request.ContainerRequests {
		name := "PCIDEVICE_" + strings.ToUpper(strings.NewReplacer(".", "_", "/", "_").Replace(r.fullName()))
		container := &plugin.ContainerAllocateResponse{Envs: map[string]string{name: strings.Join(wanted.DevicesIds, ",")}}
		for _, id := range wanted.DevicesIds {
			if slices.Contains(r.Selectors.Drivers, "vfio-pci") {
				group, err := os.Readlink(filepath.Join(devices, id, "iommu_group"))
				if err != nil {
					return nil, err
				}
				for _, node := range []string{"/dev/vfio/vfio", "/dev/vfio/" + filepath.Base(group)} {
					container.Devices = append(container.Devices, &plugin.DeviceSpec{HostPath: node, ContainerPath: node, Permissions: "rw"})
				}
			}
			file := fmt.Sprintf("%s/%s-%s-%s-device.json", deviceInfo, r.prefix, r.Name, id)
			content := fmt.Sprintf(`{"type":"pci","version":"1.1.0","pci":{"pci-address":%q}}`, id)
			if err := os.WriteFile(file, []byte(content), 0o444); err != nil {
				return nil, err
			}
		}
		response.ContainerResponses = append(response.ContainerResponses, container)
	}
	return response, nil
}

func (r *resource) serve() error {
	os.Remove(r.socket())
	listener, err := net.Listen("unix", r.socket())
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	plugin.RegisterDevicePluginServer(server, r)
	registration.RegisterRegistrationServer(server, r)
	return server.Serve(listener)
}

func main() {
	prefix := flag.String("resource-prefix", "intel.com", "")
	flag.String("log-dir", "", "")
	flag.Int("log-level", 10, "")
	flag.Parse()
	content, err := os.ReadFile("/etc/pcidp/config.json")
	if err != nil {
		log.Fatal(err)
	}
	var config struct {
		Resources []*resource `json:"resourceList"`
	}
	if err := json.Unmarshal(content, &config); err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	for _, each := range config.Resources {
		each.prefix = *prefix
		go func() { ended <- each.serve() }()
	}
	log.Fatal(<-ended)
}
