package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/spf13/cobra"
)

// reply is what a server answers, of any type, and what it remarks.
type reply struct {
	v        any
	warnings promv1.Warnings
	infos    promv1.Infos
	err      error
}

func replyOf[T any](v T, warnings promv1.Warnings, infos promv1.Infos, err error) reply {
	return reply{v, warnings, infos, err}
}

// run asks the server and prints the answer; expr is the expression or selector that is asked about, for errors.
func (q *querier) run(cmd *cobra.Command, expr string, ask func(context.Context, promv1.API, ...promv1.Option) reply) error {
	out, err := q.output(cmd)
	if err != nil {
		return err
	}
	at, err := url.Parse(q.server)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return usagef("--server %q: want a URL such as %s", q.server, defaultServer)
	}
	client, err := api.NewClient(api.Config{Address: q.server})
	if err != nil {
		return usagef("--server %s: %w", at.Redacted(), err)
	}
	explained := &explaining{Client: client}
	if q.explain {
		client = explained
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), q.timeout)
	defer cancel()
	options := []promv1.Option{}
	if q.limit > 0 {
		options = append(options, promv1.WithLimit(q.limit))
	}
	a := ask(ctx, promv1.NewAPI(client), options...)
	for _, w := range a.warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	for _, i := range a.infos {
		fmt.Fprintln(cmd.ErrOrStderr(), "info:", i)
	}
	if a.err != nil {
		return q.explained(a.err, at, expr)
	}
	if q.explain {
		explained.print(cmd.ErrOrStderr())
	}
	return out.print(a.v)
}

// explained says what to do about an error of a server.
func (q *querier) explained(err error, at *url.URL, expr string) error {
	var refused *promv1.Error
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("no answer from %s within %s: ask for less, or wait longer with --timeout", at.Redacted(), q.timeout)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server listens at %s: start one with `hearth serve`, or name it with --server or HEARTH_SERVER", at.Redacted())
	case !errors.As(err, &refused):
		return fmt.Errorf("asking %s: %w", at.Redacted(), err)
	case refused.Type == promv1.ErrBadResponse && refused.Msg == `unexpected value type "string"`:
		return errors.New("the expression is a string: it has no value to print")
	case refused.Type == promv1.ErrBadResponse:
		return fmt.Errorf("what answers at %s is no server with the Prometheus HTTP API: %s", at.Redacted(), refused.Msg)
	case refused.Type == promv1.ErrClient && strings.HasSuffix(refused.Msg, " 404"):
		return fmt.Errorf("%s has no /api/v1: does the URL lack a path, such as /prometheus?", at.Redacted())
	case refused.Type == promv1.ErrServer && strings.HasSuffix(refused.Msg, " 503"), refused.Type == promv1.ErrTimeout && refused.Msg == "":
		return fmt.Errorf("%s is not ready, as it starts or stops: ask again when %s answers 200", at.Redacted(), at.JoinPath("-/ready").Redacted())
	case refused.Type == promv1.ErrBadData:
		return badQuery(refused.Msg, expr)
	case refused.Detail != "":
		return fmt.Errorf("%s: %s: %.500s", at.Redacted(), refused.Msg, strings.TrimSpace(refused.Detail))
	}
	return errors.New(refused.Msg)
}

// badQuery shows where expr is wrong, if the server says so.
func badQuery(msg, expr string) error {
	place := regexp.MustCompile(`(?s)^(?:invalid parameter "(?:query|match\[\])": )?(\d+):(\d+): parse error: (.*)$`)
	if found := place.FindStringSubmatch(msg); found != nil {
		line, _ := strconv.Atoi(found[1])
		column, _ := strconv.Atoi(found[2])
		lines := strings.Split(expr, "\n")
		if line >= 1 && line <= len(lines) && column >= 1 && column <= len(lines[line-1])+1 {
			text := lines[line-1]
			before := utf8.RuneCountInString(text[:column-1])
			return fmt.Errorf("the expression does not parse: %s\n  %s\n  %s^", found[3], strings.ReplaceAll(text, "\t", " "), strings.Repeat(" ", before))
		}
		return fmt.Errorf("the expression does not parse: line %d, column %d: %s", line, column, found[3])
	}
	msg = strings.TrimPrefix(msg, `invalid parameter "query": `)
	if strings.HasPrefix(msg, `invalid expression type "range vector" for range query`) {
		return fmt.Errorf("%s: put a function such as rate() around it, or ask for it with `hearth query instant`", msg)
	}
	return errors.New(msg)
}
