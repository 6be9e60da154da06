package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/exposition"
)

// defaultBodyLimit is the largest exposition that is read where body_size_limit says nothing, in bytes: what is
// beyond it is more likely a mistake than a million series.
const defaultBodyLimit = 64 << 20

// source is where the targets of a job are read from: HTTP or a plugin. Safe for concurrent use.
type source interface {
	// fetch asks a target. a may be a reply of before, whose memory is used again.
	fetch(ctx context.Context, t *target, a *reply) error
	close() error
}

// reply is the exposition of a target as it came.
type reply struct {
	body        []byte
	contentType string
	encoding    string // Content-Encoding of the body
}

// httpSource asks targets with GET.
type httpSource struct {
	client    *http.Client
	accept    string
	encodings string
	userAgent string
	limit     bodyLimit
}

func newHTTPSource(cfg *config.Scrape, f features, userAgent string) (*httpSource, error) {
	client, err := newClient(&cfg.HTTPClient, cfg.JobName)
	if err != nil {
		return nil, err
	}
	h := &httpSource{
		client:    client,
		accept:    exposition.Accept(cfg.ScrapeProtocols, f.openMetrics2),
		encodings: "identity",
		userAgent: userAgent,
		limit:     bodyLimit(cfg.BodySizeLimit),
	}
	if cfg.EnableCompression {
		h.encodings = "zstd, gzip" // of the two, zstd costs a third to read
	}
	return h, nil
}

// fetch implements source.
func (h *httpSource) fetch(ctx context.Context, t *target, a *reply) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, http.NoBody)
	if err != nil {
		return &failure{failConnect, err}
	}
	req.Header.Set("Accept", h.accept)
	req.Header.Set("Accept-Encoding", h.encodings)
	req.Header.Set("User-Agent", h.userAgent)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(t.timeout.Seconds(), 'f', -1, 64))
	resp, err := h.client.Do(req)
	if err != nil {
		return brokenOff(ctx, failConnect, t, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return failf(failStatus, "the target answered %s%s", resp.Status, statusHint(resp.StatusCode))
	}
	if hint := resp.ContentLength; hint > int64(cap(a.body)) && h.limit.check(hint) == nil {
		a.body = make([]byte, 0, hint+1) // one more, to meet the end without growing
	}
	a.contentType, a.encoding = resp.Header.Get("Content-Type"), resp.Header.Get("Content-Encoding")
	most := h.limit.bytes()
	if a.encoding != "" {
		most += most/8 + 4096 // what cannot be compressed may get longer
	}
	if a.body, err = h.limit.read(resp.Body, a.body[:0], most); errors.Is(err, errBodySize) {
		return &failure{failBodySize, err}
	} else if err != nil {
		return brokenOff(ctx, failConnect, t, err)
	}
	return nil
}

// close implements source.
func (h *httpSource) close() error {
	h.client.CloseIdleConnections()
	return nil
}

func statusHint(code int) string {
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return ": it wants other credentials than the job's basic_auth, authorization or oauth2 give"
	case code == http.StatusNotFound:
		return ": see the job's metrics_path"
	case code >= 300 && code < 400:
		return ": the job's follow_redirects is off"
	}
	return ""
}

// pluginSource calls an exporter plugin.
type pluginSource struct{ collector Collector }

// fetch implements source.
func (p *pluginSource) fetch(ctx context.Context, t *target, a *reply) (err error) {
	a.encoding = ""
	if a.body, a.contentType, err = p.collector.Collect(ctx, t.address); err != nil {
		return brokenOff(ctx, failPlugin, t, err)
	}
	if a.contentType == "" {
		a.contentType = "text/plain"
	}
	return nil
}

// close implements source.
func (p *pluginSource) close() error { return p.collector.Close() }

// bodyLimit is the largest decompressed exposition, in bytes; 0 means defaultBodyLimit.
type bodyLimit config.Size

var errBodySize = errors.New("the exposition is too large")

func (l bodyLimit) bytes() int64 {
	if l == 0 {
		return defaultBodyLimit
	}
	return int64(l)
}

func (l bodyLimit) check(n int64) error {
	if n <= l.bytes() {
		return nil
	}
	return l.exceeded()
}

// exceeded returns the error that a body is too large.
func (l bodyLimit) exceeded() error {
	if l == 0 {
		return fmt.Errorf("%w: it exceeds %s, the limit where body_size_limit is not set", errBodySize, config.Size(defaultBodyLimit))
	}
	return fmt.Errorf("%w: it exceeds body_size_limit, which is %s", errBodySize, config.Size(l))
}

// read appends what r has to buf, which is empty, and returns it. buf grows to twice the body, but not beyond most bytes
// and one more; if there are that many, the limit is exceeded.
func (l bodyLimit) read(r io.Reader, buf []byte, most int64) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			size := min(max(4096, 2*cap(buf)), int(most)+1)
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > most {
			return buf, l.exceeded()
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}
