package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/api"

	"github.com/hearth-project/hearth/core/promql/exec"
)

// explaining asks hearth to tell what each part of a query did, which other servers pass over, and keeps the answer.
type explaining struct {
	api.Client
	tree *exec.Trace // nil until there is one
}

// Do implements api.Client.
func (e *explaining) Do(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	parameters := req.URL.Query()
	parameters.Set("explain", "true")
	req.URL.RawQuery = parameters.Encode()
	resp, body, err := e.Client.Do(ctx, req)
	var a struct {
		Data struct {
			Stats struct{ Explain *exec.Trace }
		}
	}
	if err == nil && json.Unmarshal(body, &a) == nil {
		e.tree = a.Data.Stats.Explain
	}
	return resp, body, err
}

// print writes the tree, a line for each part of the query with its children below it.
func (e *explaining) print(to io.Writer) {
	if e.tree == nil {
		fmt.Fprintln(to, "the server does not tell what the parts of a query do: --explain needs hearth")
		return
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "TIME\tSAMPLES\tSERIES\tMEMORY\t\n")
	var texts []string
	var walk func(t *exec.Trace, indent string)
	walk = func(t *exec.Trace, indent string) {
		spent := time.Duration(t.Seconds * float64(time.Second)).Round(time.Microsecond)
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t\n", spent, t.Samples, t.Series, size(t.Bytes))
		texts = append(texts, indent+t.Operator+"  "+visible(strings.Join(strings.Fields(t.Expr), " ")))
		for _, c := range t.Children {
			walk(c, indent+"  ")
		}
	}
	walk(e.tree, "")
	w.Flush()
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	fmt.Fprintln(to, lines[0])
	for i, text := range texts {
		fmt.Fprintf(to, "%s  %s\n", lines[i+1], text)
	}
}
