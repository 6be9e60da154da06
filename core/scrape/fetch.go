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
	// fetch returns the exposition of a target and its Content-Type. The body may stand in s.body.
	fetch(ctx context.Context, t *target, s *scratch) (body []byte, contentType string, err error)
	close() error
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
func (h *httpSource) fetch(ctx context.Context, t *target, s *scratch) ([]byte, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, http.NoBody)
	if err != nil {
		return nil, "", &failure{failConnect, err}
	}
	req.Header.Set("Accept", h.accept)
	req.Header.Set("Accept-Encoding", h.encodings)
	req.Header.Set("User-Agent", h.userAgent)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(t.timeout.Seconds(), 'f', -1, 64))
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, "", brokenOff(ctx, failConnect, t, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", failf(failStatus, "the target answered %s%s", resp.Status, statusHint(resp.StatusCode))
	}
	wire := &wireReader{r: resp.Body}
	body, err := s.decode(wire, resp.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, "", brokenOff(ctx, failEncoding, t, err)
	}
	if hint := resp.ContentLength; body == io.Reader(wire) && hint > 0 && h.limit.check(hint) == nil {
		s.grow(int(hint) + 1) // one more, to meet the end without growing
	}
	if s.body, err = h.limit.read(body, s.body[:0]); err != nil {
		reason := failEncoding
		if errors.Is(err, errBodySize) {
			reason = failBodySize
		} else if body == io.Reader(wire) || wire.err != nil {
			reason = failConnect
		}
		return nil, "", brokenOff(ctx, reason, t, err)
	}
	// A connection can be used again if its answer was read to the very end; a compressed one may have some left.
	_, _ = io.CopyN(io.Discard, resp.Body, 4096)
	return s.body, resp.Header.Get("Content-Type"), nil
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

// wireReader remembers how the connection failed, to tell that from damage inside a compressed body.
type wireReader struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (w *wireReader) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// pluginSource calls an exporter plugin.
type pluginSource struct {
	collector Collector
	limit     bodyLimit
}

// fetch implements source.
func (p *pluginSource) fetch(ctx context.Context, t *target, _ *scratch) ([]byte, string, error) {
	body, contentType, err := p.collector.Collect(ctx, t.address)
	if err != nil {
		return nil, "", brokenOff(ctx, failPlugin, t, err)
	}
	if err := p.limit.check(int64(len(body))); err != nil {
		return nil, "", &failure{failBodySize, err}
	}
	if contentType == "" {
		contentType = "text/plain"
	}
	return body, contentType, nil
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
	switch {
	case n <= l.bytes():
		return nil
	case l == 0:
		return fmt.Errorf("%w: it exceeds %s, the limit where body_size_limit is not set", errBodySize, config.Size(defaultBodyLimit))
	}
	return fmt.Errorf("%w: it exceeds body_size_limit, which is %s", errBodySize, config.Size(l))
}

// read appends what r has to buf, which is empty, and returns it. buf grows to twice the body, but not much beyond the
// limit.
func (l bodyLimit) read(r io.Reader, buf []byte) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			size := min(max(4096, 2*cap(buf)), int(l.bytes())+1)
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if tooLarge := l.check(int64(len(buf))); tooLarge != nil {
			return buf, tooLarge
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}
