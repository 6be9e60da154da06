package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

// ranged is the answer to a range query and what was asked for.
type ranged struct {
	model.Matrix
	asked promv1.Range
}

// output prints answers in one format.
type output struct {
	w, remarks    io.Writer
	format        string
	width, height int
	colors        bool
}

// output returns what --output asks for, fitted to the terminal if there is one.
func (q *querier) output(cmd *cobra.Command) (*output, error) {
	o := &output{w: cmd.OutOrStdout(), remarks: cmd.ErrOrStderr(), format: q.format, width: q.width, height: q.height}
	columns, lines, terminal := terminalSize(o.w)
	o.colors = terminal && wantsColors()
	if o.width <= 0 {
		o.width = columns
	}
	if o.height <= 0 {
		o.height = min(16, lines-8)
	}
	if o.format == "" {
		o.format = "text"
		if terminal {
			o.format = "table"
		}
	}
	formats := []string{"table", "text", "json", "csv"}
	if cmd.Name() == "range" {
		formats = append(formats, "graph")
	}
	if !slices.Contains(formats, o.format) {
		if o.format == "graph" {
			return nil, usagef("--output graph: only `hearth query range` has something to draw")
		}
		return nil, usagef("--output %s: must be %s or %s", o.format, strings.Join(formats[:len(formats)-1], ", "), formats[len(formats)-1])
	}
	return o, nil
}

// print prints an answer: a model.Value, ranged, a list of names or of label sets.
func (o *output) print(v any) error {
	switch o.format {
	case "json":
		return o.json(v)
	case "csv":
		return o.csv(flat(v))
	case "table":
		return o.table(tableOf(v))
	case "graph":
		if r, ok := v.(ranged); ok {
			return o.graph(r)
		}
	}
	return o.text(v)
}

func (o *output) json(v any) error {
	switch t := v.(type) {
	case ranged:
		v = map[string]any{"resultType": t.Type().String(), "result": t.Matrix}
	case model.Value:
		v = map[string]any{"resultType": t.Type().String(), "result": t}
	case []model.LabelSet:
		if t == nil {
			v = []model.LabelSet{}
		}
	}
	return json.NewEncoder(o.w).Encode(v)
}

// text prints an answer in Prometheus's own notation, an element a line.
func (o *output) text(v any) (err error) {
	switch v := v.(type) {
	case model.Value:
		_, err = fmt.Fprintln(o.w, strings.TrimSuffix(v.String(), "\n"))
	case []model.LabelSet:
		for _, ls := range v {
			if _, err = fmt.Fprintln(o.w, model.Metric(ls)); err != nil {
				return err
			}
		}
	default:
		for _, r := range flat(v).rows {
			if _, err = fmt.Fprintln(o.w, r[0]); err != nil {
				return err
			}
		}
	}
	return err
}

func (o *output) csv(s sheet) error {
	w := csv.NewWriter(o.w)
	if err := w.Write(s.head); err != nil {
		return err
	}
	return w.WriteAll(s.rows)
}

// clockOf prints a time for people, no finer than the step makes useful.
func clockOf(t time.Time, span time.Duration) string {
	switch {
	case span > 48*time.Hour:
		return t.UTC().Format("01-02 15:04")
	case span > 10*time.Minute:
		return t.UTC().Format("15:04")
	}
	return t.UTC().Format("15:04:05")
}
