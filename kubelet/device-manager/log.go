package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// logger is that of the whole kubelet. Some of its records are the only trace of an event.
var logger klog.Logger = logr.New(sink{})

// verbosity is the usual one of kubelets.
const verbosity = 2

type sink struct{ values []any }

func (s sink) Init(logr.RuntimeInfo) {}

func (s sink) Enabled(level int) bool { return level <= verbosity }

func (s sink) WithValues(values ...any) logr.LogSink {
	return sink{append(append([]any{}, s.values...), values...)}
}

func (s sink) WithName(string) logr.LogSink { return s }

func (s sink) Info(_ int, message string, values ...any) { s.write(nil, message, values) }

func (s sink) Error(err error, message string, values ...any) { s.write(err, message, values) }

func (s sink) write(err error, message string, values []any) {
	fields, text := map[string]string{}, message
	all := append(append([]any{}, s.values...), values...)
	for i := 0; i+1 < len(all); i += 2 {
		name, value := fmt.Sprint(all[i]), fmt.Sprint(all[i+1])
		fields[name] = value
		text += fmt.Sprintf(" %s=%q", name, value)
	}
	if err != nil {
		fields["err"] = err.Error()
		text += fmt.Sprintf(" err=%q", err)
	}
	fmt.Fprintln(os.Stderr, text)
	if noted, is := noted(message, fields); is {
		emit(noted)
	}
}

// noted is the event of a record.
func noted(message string, fields map[string]string) (event, bool) {
	switch {
	case strings.HasPrefix(message, "Adding socket path or updating timestamp"):
		return event{Event: "appeared", Socket: fields["path"]}, true
	case strings.HasPrefix(message, "Removing socket path"):
		return event{Event: "vanished", Socket: fields["path"]}, true
	case strings.HasPrefix(message, "Error when handling create event"):
		path, _, _ := strings.Cut(strings.TrimPrefix(fields["err"], "stat file "), " failed")
		return event{Event: "unreadable", Socket: path}, true
	case strings.HasPrefix(message, "ListAndWatch ended unexpectedly"):
		return event{Event: "streamEnded", Resource: fields["resource"], Error: fields["err"]}, true
	case strings.HasPrefix(message, "Failed to connect to new client"):
		return event{Event: "refused", Resource: fields["resource"], Error: fields["err"]}, true
	case strings.HasPrefix(message, "Bad registration request"):
		return event{Event: "refused", Resource: fields["resourceName"], Error: fields["err"]}, true
	}
	return event{}, false
}
