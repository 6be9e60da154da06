package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/alert"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// pluginRun calls one plugin once, with what the flags grant it.
type pluginRun struct {
	pluginUse
	target   string
	function string
	values   []string
	args     []string
	timeout  time.Duration
}

func newPluginRun() *cobra.Command {
	var r pluginRun
	cmd := &cobra.Command{
		Use:   "run PLUGIN",
		Short: "Call a plugin once: an exporter prints its metrics, a notifier sends the message on standard input, a function its values",
		Long: `Calls a plugin once and prints the result. PLUGIN is the id of an installed plugin, a .wasm file, or the folder of a
plugin. It runs in the same sandbox as in the server, and may do what the --grant flags say.`,
		Example: `  hearth plugin run hearth/node --grant-files /proc,/sys --grant-statfs '*'
  hearth plugin run ./room.wasm --target localhost:7000 --grant-net localhost:7000
  hearth plugin run hearth/webhook --settings '{"url":"http://127.0.0.1:8080/"}' --grant-net 127.0.0.1:8080 < message.json
  hearth plugin run hearth/anomaly --function anomaly_zscore --values 1,2,1,2,1,9`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	r.flags(cmd)
	f.StringVar(&r.target, "target", "", "address of the target, for exporters")
	f.StringVar(&r.function, "function", "", "function to compute, of a plugin that has more than one")
	f.StringSliceVar(&r.values, "values", nil, "for functions: the values of one series, a minute apart; for one of range vectors they are its window")
	f.StringSliceVar(&r.args, "args", nil, "for functions: the arguments besides the data")
	f.DurationVar(&r.timeout, "timeout", 30*time.Second, "of the call, compiling included")
	return cmd
}

func (r *pluginRun) run(cmd *cobra.Command, arg string) (err error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), r.timeout)
	defer cancel()
	f, err := r.find(ctx, arg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	client, err := f.host.Open(ctx, f.use)
	if err != nil {
		return err
	}
	switch {
	case client.Notifies():
		message, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), abi.MaxRequest))
		if err != nil {
			return err
		}
		return r.notify(ctx, client, message)
	case slices.Equal(f.manifest.Kinds, []string{manifest.KindFunction}) || r.function != "":
		return r.compute(ctx, cmd.OutOrStdout(), client, f.manifest.Functions)
	}
	body, _, err := client.Collect(ctx, r.target)
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(body)
	return err
}

// notify delivers a message as it is, with the settings that are templates filled in.
func (r *pluginRun) notify(ctx context.Context, client *plugin.Client, message []byte) error {
	if !json.Valid(message) {
		return errors.New("standard input is no JSON: it must be Alertmanager's webhook message, version 4")
	}
	cfg, err := r.load()
	if err != nil {
		return err
	}
	templates, err := client.Templates(ctx)
	if err != nil {
		return err
	}
	texts, err := alert.Texts(cfg.Templates, templates, message)
	if err != nil {
		return err
	}
	request, err := json.Marshal(abi.NotifyRequest{Payload: message, DeadlineMS: abi.DeadlineMS(r.timeout), Texts: texts})
	if err != nil {
		return err
	}
	_, _, err = client.Raw(ctx, abi.OpNotify, "", request)
	return err
}

// compute prints what a function makes of the values, a line for each.
func (r *pluginRun) compute(ctx context.Context, w io.Writer, client *plugin.Client, functions []manifest.Function) error {
	var names []string
	var chosen *manifest.Function
	for i, f := range functions {
		names = append(names, f.Name)
		if f.Name == r.function || r.function == "" && len(functions) == 1 {
			chosen = &functions[i]
		}
	}
	if chosen == nil {
		return usagef("--function is %q, the plugin has %s", r.function, strings.Join(names, ", "))
	}
	if len(r.values) == 0 {
		return usagef("--values is empty: give what the function is to be computed of, as --values 1,2,3")
	}
	b, err := r.batch(chosen)
	if err != nil {
		return err
	}
	out := make([]float64, b.Steps)
	if err := client.Eval(ctx, b, out); err != nil {
		return err
	}
	for _, v := range out {
		text := "no value"
		if !isMissing(v) {
			text = strconv.FormatFloat(v, 'g', -1, 64)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// batch makes a batch of one series.
func (r *pluginRun) batch(f *manifest.Function) (*abi.Batch, error) {
	const minute = int64(time.Minute / time.Millisecond)
	b := &abi.Batch{Function: f.Name, Series: 1, Steps: len(r.values), Start: minute, Step: minute}
	numbers := make([]float64, len(r.values))
	for i, text := range r.values {
		var err error
		if numbers[i], err = strconv.ParseFloat(text, 64); err != nil {
			return nil, usagef("--values: %q is not a number", text)
		}
	}
	if slices.Contains(f.Args, "matrix") {
		n := int64(len(numbers))
		b.Steps, b.Step, b.Start, b.Range = 1, 0, n*minute, n*minute
		b.Offsets, b.Samples = []uint32{0, uint32(n)}, numbers
		for i := range n {
			b.Times = append(b.Times, (i+1)*minute)
		}
	} else {
		b.Values = numbers
	}
	var err error
	b.Args, err = functionArgs(f, r.args)
	return b, err
}

// functionArgs reads the arguments of a function besides the data.
func functionArgs(f *manifest.Function, texts []string) ([]abi.Arg, error) {
	rest := slices.DeleteFunc(slices.Clone(f.Args), func(a string) bool { return a == "vector" || a == "matrix" })
	least := len(rest) - max(f.Variadic, 0)
	if f.Variadic < 0 && len(rest) > 0 {
		for least--; len(rest) < len(texts); {
			rest = append(rest, rest[len(rest)-1])
		}
	}
	if len(texts) > len(rest) || len(texts) < least {
		return nil, usagef("--args has %d arguments, %s takes these besides the data: %s", len(texts), f.Name, strings.Join(rest, ", "))
	}
	var args []abi.Arg
	for i, text := range texts {
		a := abi.Arg{Text: text}
		if rest[i] == "scalar" {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, usagef("--args: %q is not a number", text)
			}
			a = abi.Arg{Numbers: []float64{v}}
		}
		args = append(args, a)
	}
	return args, nil
}
