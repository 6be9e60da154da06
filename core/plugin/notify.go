package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Notifies reports whether the plugin is a notifier.
func (c *Client) Notifies() bool { return slices.Contains(c.version().Kinds, manifest.KindNotifier) }

// Notify delivers a message and leaves in n.State what the plugin wants to be given with the next one about the same
// group. Errors are *CallError; they change no state.
func (c *Client) Notify(ctx context.Context, n *model.Notification) error {
	if !json.Valid(n.Message) {
		return &CallError{Plugin: c.id, Operation: abi.OpNotify, Code: abi.CodeInvalidRequest, Message: "the message is not JSON"}
	}
	out, err := c.call(ctx, abi.OpNotify, "", func(left time.Duration) ([]byte, error) {
		return json.Marshal(abi.NotifyRequest{Payload: n.Message, DeadlineMS: abi.DeadlineMS(left), Texts: n.Texts, State: n.State})
	})
	if err != nil {
		return err
	}
	// The message has been delivered whatever else the plugin says: commands print what they like.
	var result abi.NotifyResult
	switch err := json.Unmarshal(out, &result); {
	case err != nil || result.State == nil:
	case len(*result.State) > abi.MaxState:
		c.host.log.Warn("the plugin's state of a group is too large and is not kept", "plugin", c.id, "bytes", len(*result.State), "limit", abi.MaxState)
	default:
		n.State = *result.State
	}
	return nil
}

// Templates returns the settings that are to be filled in for each message: those that the plugin's manifest names and
// the operator has written, and its defaults. A plugin's own text is never run as a template in the server; its
// defaults are the names of templates that are there.
func (c *Client) Templates(context.Context) ([]model.Template, error) {
	return c.version().templates, nil
}

// templates finds the texts of settings that are templates, sorted by name.
func templates(of []manifest.Template, settings map[string]any) []model.Template {
	found := map[string]model.Template{}
	for _, t := range of {
		n := len(found)
		pick(any(settings), strings.Split(t.Setting, "."), nil, func(name, text string) {
			found[name] = model.Template{Name: name, Text: text, HTML: t.HTML}
		})
		if len(found) == n && t.Default != "" {
			if _, given := found[t.Setting]; !given {
				found[t.Setting] = model.Template{Name: t.Setting, Text: fmt.Sprintf("{{ template %q . }}", t.Default), HTML: t.HTML}
			}
		}
	}
	list := make([]model.Template, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[name])
	}
	return list
}

// pick calls f with the texts at a path of names, of which * is any. A value that is no text is the plugin's to refuse.
func pick(value any, path, at []string, f func(name, text string)) {
	if len(path) == 0 {
		if text, ok := value.(string); ok {
			f(strings.Join(at, "."), text)
		}
		return
	}
	down := func(name string, v any) {
		if path[0] == "*" || path[0] == name {
			pick(v, path[1:], append(slices.Clip(at), name), f)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			down(name, v)
		}
	case []any:
		for i, v := range value {
			down(strconv.Itoa(i), v)
		}
	}
}
