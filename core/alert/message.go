package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
)

// webhook is Alertmanager's webhook message, version 4, field for field in its order. It is declared here because the
// package it comes from brings an HTTP client that the server has no use for.
type webhook struct {
	*template.Data

	Version         string `json:"version"`
	GroupKey        string `json:"groupKey"`
	TruncatedAlerts uint64 `json:"truncatedAlerts"`
}

// message renders the message about alerts in the group that ctx is of: at most limit of them if that is not 0, the
// rest only counted. It returns the JSON and the data for templates.
func message(ctx context.Context, tmpl *template.Template, alerts []*amalert.Alert, limit int, log *slog.Logger) ([]byte, *template.Data, error) {
	cut := 0
	if limit > 0 && len(alerts) > limit {
		alerts, cut = alerts[:limit], len(alerts)-limit
	}
	key, err := notify.ExtractGroupKey(ctx)
	if err != nil {
		return nil, nil, err
	}
	data := notify.GetTemplateData(ctx, tmpl, alerts, log)
	var text bytes.Buffer
	err = json.NewEncoder(&text).Encode(webhook{
		Data:            data,
		Version:         "4",
		GroupKey:        key.String(),
		TruncatedAlerts: uint64(cut),
	})
	return text.Bytes(), data, err
}
