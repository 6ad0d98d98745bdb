// Command device-manager runs the device manager, the plugin manager and the pod resources server of one kubelet
// version, without a node, an API server and a container runtime.
//
// Its paths are the kubelet's own. The first line of standard input has the pods of the node, and each later one a
// command. Standard output has an event on each line, and the answers to commands among them. It ends with standard
// input; a test kills it, as a kubelet is killed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	"k8s.io/klog/v2"
)

// boot is the first line of standard input.
type boot struct {
	// Pods are those that have not ended.
	Pods []podSpec `json:"pods"`
	// Watcher runs the plugin manager.
	Watcher bool `json:"watcher"`
	// PodResources serves the devices of pods.
	PodResources bool `json:"podResources"`
}

// command is a later line; one of its members is set.
type command struct {
	ID int `json:"id"`
	// Admit admits a pod.
	Admit *podSpec `json:"admit"`
	// Ended is a pod that is over or deleted.
	Ended string `json:"ended"`
	// Allocate calls the newest plugin of a resource, as for a container.
	Allocate *allocation `json:"allocate"`
	// Disconnect closes the newest connection of a resource from the kubelet's side.
	Disconnect string `json:"disconnect"`
}

type allocation struct {
	Resource string   `json:"resource"`
	IDs      []string `json:"ids"`
}

func main() {
	klog.SetLoggerWithOptions(logger, klog.ContextualLogger(true))
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	var first boot
	if !next(lines, &first) {
		fatal(fmt.Errorf("standard input has no pods"))
	}
	kubelet, err := start(context.Background(), first)
	if err != nil {
		fatal(err)
	}
	for {
		var line command
		if !next(lines, &line) {
			return
		}
		if line.Ended != "" {
			kubelet.pods.remove(line.Ended)
			continue
		}
		// A call to a plugin can take long, and other commands go on.
		go func() { emit(kubelet.answer(line)) }()
	}
}

func (k *kubelet) answer(line command) event {
	answer := event{ID: line.ID, Event: "answer"}
	switch {
	case line.Admit != nil:
		answer.Admission = k.admit(*line.Admit)
		answer.Health = k.observer.health()
	case line.Allocate != nil:
		answer.Container, answer.Error = k.observer.allocate(*line.Allocate)
	case line.Disconnect != "":
		answer.Error = k.observer.disconnect(line.Disconnect)
	}
	return answer
}

func next(lines *bufio.Scanner, into any) bool {
	if !lines.Scan() {
		return false
	}
	if err := json.Unmarshal(lines.Bytes(), into); err != nil {
		fatal(err)
	}
	return true
}

// version is that of the kubelet.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "k8s.io/kubernetes" {
				return module.Version
			}
		}
	}
	return "unknown"
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}
