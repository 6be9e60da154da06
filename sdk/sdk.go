// Package sdk is what authors of hearth plugins import. One source makes both builds of a plugin, the sandboxed
// WebAssembly module and the native program:
//
//	func init() { sdk.RegisterExporter(&exporter{}) }
//	func main() { sdk.Main() }
//
//	func (e *exporter) Collect(ctx context.Context, t sdk.Target, w *metric.Writer) error {
//		w.Gauge("acme_up", "Whether the thing answers.").Sample(1)
//		return nil
//	}
//
// `hearth plugin new` begins a project with tests and a manifest, `hearth plugin build` builds it, `hearth plugin check` holds
// what was built to the contract; core/docs/plugins shows it from an empty folder on. What build does for a module is
//
//	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags '-s -w' -buildmode=c-shared -o NAME.wasm
//
// In the module main never runs, so registering belongs in init. What a plugin may reach (network, files, secrets)
// is what its hearth-plugin.toml asks for and the operator grants. The contract beneath is sdk/abi/ABI.md.
//
// A notifier registers with RegisterNotifier, functions of PromQL with RegisterFunction. Settings of a notifier that its
// manifest names as templates come filled in, and it may keep a state for each group of alerts: see Notification.
//
// A plugin is never called twice at the same time. Between calls of a module nothing runs, not even goroutines.
package sdk

import (
	"context"

	"github.com/hearth-project/hearth/sdk/metric"
)

// Exporter reads numbers somewhere and writes them as metrics.
type Exporter interface {
	// Collect writes the metrics of one target. ctx ends a little before the host stops waiting. After an error
	// nothing of w is used: the scrape has failed. The Writer is not to be kept.
	Collect(ctx context.Context, t Target, w *metric.Writer) error
}

// Notifier tells someone of alerts.
type Notifier interface {
	// Notify delivers one message. An *Error with Retryable set makes the host try again, any other error does not.
	Notify(ctx context.Context, n Notification) error
}

// Configurer is implemented by plugins with settings. Configure is called once, before anything else; without
// settings in the operator's file c is empty. An error keeps the plugin from being used.
type Configurer interface {
	Configure(ctx context.Context, c Config) error
}

// Target is what an exporter is asked to measure.
type Target struct {
	Address string // as the operator wrote it; an exporter of its own host ignores it
}

// registered is what this program serves. It is package state because a WebAssembly module's exports have none of
// their own, and one module or process is one plugin.
var registered Plugin

// RegisterExporter says that this program is an exporter. Call it from init.
func RegisterExporter(e Exporter) {
	if registered.Exporter != nil {
		panic("sdk: a second RegisterExporter; one program is one plugin")
	}
	registered.Exporter = e
}

// RegisterNotifier says that this program is a notifier. Call it from init.
func RegisterNotifier(n Notifier) {
	if registered.Notifier != nil {
		panic("sdk: a second RegisterNotifier; one program is one plugin")
	}
	registered.Notifier = n
}
