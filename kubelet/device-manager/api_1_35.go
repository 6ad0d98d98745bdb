//go:build since1_35 && !since1_37

package main

import "k8s.io/klog/v2"

// PluginDisconnected does not name the socket: a resource has one.
func (o *observer) PluginDisconnected(logger klog.Logger, resource string) {
	o.disconnected(resource, "", func() { o.inner.PluginDisconnected(logger, resource) })
}
