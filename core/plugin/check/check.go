// Package check holds a built plugin to the contract of sdk/abi/ABI.md, in the sandbox it will run in, and measures it. It
// needs no source and no compiler: what it has is what an operator is given.
package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Options say what to check, and with what.
type Options struct {
	Host     plugin.Options     // Dir holds the plugin; Cache and Registerer are chosen here
	Use      plugin.Use         // with settings and a grant with which it works
	Manifest *manifest.Manifest // of the plugin
	From     string             // folder of its artifacts

	Target string // for exporters: the address of something to measure
	Send   bool   // for notifiers: deliver test messages
	Calls  int    // to measure memory and speed with; 0 means 200

	Arguments map[string][]abi.Arg // for functions, by name: those besides the data; else 1 and "" for each that can't be left out

	compiled string // folder of compiled modules; empty: an empty one, so that the start is measured
}

// Statuses of a result.
const (
	OK      = "ok"
	Failed  = "failed"
	Skipped = "skipped"
)

// Result is one thing that was looked at.
type Result struct {
	Name   string `json:"name"` // a sentence of what must hold
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"` // what was seen
}

// Report is all that was found.
type Report struct {
	ID        string      `json:"id"`
	Version   string      `json:"version"`
	ABI       string      `json:"abi,omitempty"` // that it is built for, major.minor
	SDK       string      `json:"sdk,omitempty"`
	Kinds     []string    `json:"kinds"`
	Runtime   string      `json:"runtime"`
	File      string      `json:"file"`
	Size      int64       `json:"size_bytes"`
	Asks      plugin.Asks `json:"asks"` // rights
	Start     float64     `json:"start_seconds"`
	Restart   float64     `json:"restart_seconds"` // with what the first start has compiled
	Measured  string      `json:"measured,omitempty"`
	Calls     int         `json:"calls,omitempty"`        // that were measured
	Call      float64     `json:"call_seconds,omitempty"` // median
	Answer    int         `json:"answer_bytes,omitempty"`
	Memory    int64       `json:"memory_bytes,omitempty"` // after the last call
	Results   []Result    `json:"results"`
	Succeeded bool        `json:"succeeded"` // nothing has failed
}

// patience is how long a call may go on after the time it was given.
const patience = 3 * time.Second

// run is one check under way.
type run struct {
	o        Options
	report   *Report
	command  bool // of level 0: its errors are exit codes, which do not tell one from another
	registry *prometheus.Registry
	host     *plugin.Host
	client   *plugin.Client
}

// Run checks a plugin. The error says why it could not be done; what is wrong with the plugin is in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if o.Calls <= 0 {
		o.Calls = 200
	}
	r := &run{o: o, report: &Report{ID: o.Manifest.ID, Version: o.Manifest.Version, Kinds: o.Manifest.Kinds, Asks: plugin.AsksOf(o.Manifest)}}
	if r.o.Host.Cache = o.compiled; o.compiled == "" {
		if r.o.Host.Cache, err = os.MkdirTemp("", "hearth-check-*"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(r.o.Host.Cache)) }()
	}
	if err := r.artifact(); err != nil {
		return nil, err
	}
	started, err := r.start(ctx)
	if err != nil {
		return nil, err
	}
	if started {
		r.contract(ctx)
		err = r.host.Close()
	}
	r.report.Succeeded = !slices.ContainsFunc(r.report.Results, func(x Result) bool { return x.Status == Failed })
	return r.report, err
}

// artifact tells of the file that runs.
func (r *run) artifact() error {
	a, err := plugin.Artifact(r.o.Manifest, r.o.Use.Runtime)
	if err != nil {
		return err
	}
	fi, err := os.Stat(filepath.Join(r.o.From, a.File))
	if err != nil {
		return err
	}
	r.command = a.Mode == manifest.ModeCommand
	r.report.Runtime, r.report.File, r.report.Size = a.Runtime, a.File, fi.Size()
	return nil
}

// start opens the plugin twice, once to compile it and once to see what that costs when it is kept. It returns false if
// there is nothing more to check.
func (r *run) start(ctx context.Context) (bool, error) {
	const name = "it is loaded, says what it is and takes its settings"
	for _, took := range []*float64{&r.report.Start, &r.report.Restart} {
		r.registry = prometheus.NewRegistry()
		r.o.Host.Registerer = r.registry
		host, err := plugin.NewHost(r.o.Host)
		if err != nil {
			return false, err
		}
		begin := time.Now()
		client, err := host.Open(ctx, r.o.Use)
		*took = time.Since(begin).Seconds()
		if err != nil {
			r.say(name, Failed, "%s", explain(err, len(r.o.Use.Config) == 0))
			return false, host.Close()
		}
		if r.host != nil {
			if err := r.host.Close(); err != nil {
				return false, errors.Join(err, host.Close())
			}
		}
		r.host, r.client = host, client
	}
	r.say(name, OK, "")
	return true, nil
}

// explain adds what may help to an error of the plugin's.
func explain(err error, bare bool) string {
	var call *plugin.CallError
	if errors.As(err, &call) && call.Operation == abi.OpConfigure && call.Code == abi.CodeInvalidRequest && bare {
		return err.Error() + ": if it can't do without settings, give --settings"
	}
	return err.Error()
}

// contract looks at what holds for all kinds, and then at each kind.
func (r *run) contract(ctx context.Context) {
	r.description(ctx)
	r.strange(ctx)
	if !r.command { // which has its settings with each request
		r.settings(ctx)
	}
	for _, k := range r.o.Manifest.Kinds {
		switch k {
		case manifest.KindExporter:
			r.exporter(ctx)
		case manifest.KindNotifier:
			r.notifier(ctx)
		case manifest.KindFunction:
			r.functions(ctx)
		}
	}
}

func (r *run) say(name, status, format string, args ...any) {
	r.report.Results = append(r.report.Results, Result{name, status, fmt.Sprintf(format, args...)})
}

// hold records whether something holds; problem is empty if it does.
func (r *run) hold(name, problem string) {
	if problem == "" {
		r.say(name, OK, "")
		return
	}
	r.say(name, Failed, "%s", problem)
}

// call makes a call that has some time.
func (r *run) call(ctx context.Context, op string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, _, err := r.client.Raw(ctx, op, r.o.Target, request)
	return out, err
}

func (r *run) description(ctx context.Context) {
	const name = "its description and its manifest agree"
	out, err := r.call(ctx, abi.OpDescribe, nil)
	if err != nil {
		r.say(name, Failed, "%v", err)
		return
	}
	var d abi.Description
	if err := json.Unmarshal(out, &d); err != nil {
		r.say(name, Failed, "its description is not JSON: %v", err)
		return
	}
	r.report.ABI, r.report.SDK = d.ABI, d.SDK
	a, b := slices.Sorted(slices.Values(d.Kinds)), slices.Sorted(slices.Values(r.o.Manifest.Kinds))
	if !slices.Equal(a, b) {
		r.say(name, Failed, "it says it is %s, its manifest says %s", strings.Join(a, ", "), strings.Join(b, ", "))
		return
	}
	r.say(name, OK, "")
}

// strange calls what the plugin does not serve.
func (r *run) strange(ctx context.Context) {
	var problems []string
	for _, x := range []struct{ op, kind string }{
		{abi.OpCollect, manifest.KindExporter}, {abi.OpNotify, manifest.KindNotifier}, {abi.OpEval, manifest.KindFunction},
	} {
		if slices.Contains(r.o.Manifest.Kinds, x.kind) {
			continue
		}
		_, err := r.call(ctx, x.op, []byte("{}"))
		code := abi.CodeUnimplemented
		if r.command && err != nil {
			code = codeOf(err)
		}
		if p := refusal(err, code); p != "" {
			problems = append(problems, x.op+": "+p)
		}
	}
	r.hold("operations it does not have are unimplemented", strings.Join(problems, "; "))
}

// settings has it configured with what it can't know.
func (r *run) settings(ctx context.Context) {
	use := r.o.Use
	use.Config = map[string]any{"no_such_setting_": 1}
	for k, v := range r.o.Use.Config {
		use.Config[k] = v
	}
	c, err := r.host.Open(ctx, use)
	if err == nil {
		err = c.Close()
	}
	r.hold("a setting it does not know is refused", refusal(err, abi.CodeInvalidRequest))
	if len(r.o.Use.Config) == 0 {
		return
	}
	use.Config = nil
	const name = "without settings it works or says what it needs"
	if c, err = r.host.Open(ctx, use); err != nil {
		r.hold(name, refusal(err, abi.CodeInvalidRequest))
		return
	}
	if err := c.Close(); err != nil {
		r.say(name, Failed, "%v", err)
		return
	}
	r.say(name, OK, "")
}

// refusal says what is wrong with an error that should have a code and not be worth another attempt; "" if nothing is.
func refusal(err error, code string) string {
	var call *plugin.CallError
	switch {
	case err == nil:
		return "it is taken, it must be refused with " + code
	case !errors.As(err, &call):
		return err.Error()
	case call.Code != code:
		return fmt.Sprintf("it is refused with %s (%s), it must be %s", call.Code, call.Message, code)
	case call.Retryable():
		return fmt.Sprintf("the error %s (%s) is retryable: the same request would fail again", call.Code, call.Message)
	}
	return ""
}

// codeOf returns the code of an error of the plugin's, or nothing.
func codeOf(err error) string {
	var call *plugin.CallError
	if errors.As(err, &call) {
		return call.Code
	}
	return ""
}

// gaveUp says what is wrong with how a call has ended that had a millisecond; "" if nothing is.
func gaveUp(took time.Duration, err error) string {
	var call *plugin.CallError
	switch {
	case took > patience:
		return fmt.Sprintf("it took %v after its deadline, and the host had to stop it", took.Round(time.Millisecond))
	case err == nil:
		return ""
	case !errors.As(err, &call):
		return err.Error()
	case call.Code == abi.CodePanic || call.Code == abi.CodeInternal:
		return fmt.Sprintf("it fails with %s: %s", call.Code, call.Message)
	case call.Code == abi.CodeTimeout && !call.Retryable():
		return "its time-out is not retryable"
	}
	return ""
}

// deadline gives a call a millisecond by the request, and the host some more patience.
func (r *run) deadline(ctx context.Context, op string, request []byte) {
	ctx, cancel := context.WithTimeout(ctx, patience+time.Second)
	defer cancel()
	begin := time.Now()
	_, _, err := r.client.Raw(ctx, op, r.o.Target, request)
	r.hold("it gives up when its time is over", gaveUp(time.Since(begin), err))
}
