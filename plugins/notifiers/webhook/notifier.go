package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/httpclient"
)

// version is the manifest's; a test compares them.
const version = "0.1.0"

// maxReply is how much of an answer is read, in bytes; its beginning goes into error messages.
const maxReply = 4 << 10

// notifier is the plugin.
type notifier struct {
	settings settings
	client   *http.Client
	ca       string // what client trusts
}

// Configure reads the settings.
func (n *notifier) Configure(_ context.Context, c sdk.Config) error {
	var s settings
	if err := c.Decode(&s); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: %w", err)
	}
	n.settings = s
	return n.connect()
}

// connect makes the client anew if the authorities to trust have changed.
func (n *notifier) connect() error {
	ca, err := n.authorities()
	if err != nil {
		return err
	}
	if n.client != nil && ca == n.ca {
		return nil
	}
	client, err := httpclient.New(httpclient.Options{CA: ca, ServerName: n.settings.ServerName, InsecureSkipVerify: n.settings.InsecureSkipVerify})
	if err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: ca: %w", err)
	}
	client.CheckRedirect = keepsMessage
	n.client, n.ca = client, ca
	return nil
}

// keepsMessage follows a redirect only where the message goes along (307, 308), and not in circles. The others ask for
// a GET, which would be answered with 200 somewhere and be taken for delivery. What is not followed is the answer.
func keepsMessage(req *http.Request, via []*http.Request) error {
	if req.Method != http.MethodPost || len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

func (n *notifier) authorities() (string, error) {
	switch {
	case n.settings.CA != "":
		return n.settings.CA, nil
	case n.settings.CAFile != "":
		pem, err := os.ReadFile(n.settings.CAFile)
		if err != nil {
			return "", sdk.Errorf(sdk.CodeInvalidRequest, "settings: ca_file, is it granted in files? %w", err)
		}
		return string(pem), nil
	case sdk.HasSecret("ca"):
		return sdk.Secret("ca")
	}
	return "", nil
}

// Notify posts the message. Answers 2xx are success; 5xx, 429 and trouble with the connection are worth another
// attempt; everything else is not.
func (n *notifier) Notify(ctx context.Context, msg sdk.Notification) error {
	if err := n.connect(); err != nil {
		return err
	}
	if n.settings.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, n.settings.Timeout.Std())
		defer cancel()
	}
	body, err := truncated(msg.Raw, n.settings.MaxAlerts)
	if err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "message: %w", err)
	}
	req, err := n.request(ctx, body)
	if err != nil {
		return err
	}
	res, err := n.client.Do(req)
	if err != nil {
		return n.trouble(err)
	}
	defer res.Body.Close()
	reply, _ := io.ReadAll(io.LimitReader(res.Body, maxReply)) // of use in the error only
	return verdict(res, reply)
}

func (n *notifier) request(ctx context.Context, body []byte) (*http.Request, error) {
	target := n.settings.URL
	if target == "" {
		var err error
		if target, err = sdk.Secret("url"); err != nil {
			return nil, err
		}
		if err := checkURL(target); err != nil {
			return nil, sdk.Errorf(sdk.CodeInvalidRequest, "secret %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, sdk.Errorf(sdk.CodeInvalidRequest, "url is not usable")
	}
	for name, value := range n.settings.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", cmp.Or(req.Header.Get("User-Agent"), "hearth-webhook/"+version))
	if sdk.HasSecret("bearer") {
		token, err := sdk.Secret("bearer")
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if n.settings.Username != "" {
		password, err := sdk.Secret("password")
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(n.settings.Username, password)
	}
	return req, nil
}

// trouble says what went wrong before there was an answer. It takes the URL out, which may be a secret.
func (n *notifier) trouble(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return sdk.Errorf(sdk.CodeDenied, "post: %w; is the address granted in net?", err)
	}
	e := sdk.AsError(err)
	if e.Code == sdk.CodeTimeout {
		return sdk.Retry(sdk.CodeTimeout, 0, "post: %w", err)
	}
	return sdk.Retry(sdk.CodeUnavailable, 0, "post: %w", err)
}

// verdict turns an answer into success or an error.
func verdict(res *http.Response, reply []byte) error {
	code := res.StatusCode
	if code/100 == 2 {
		return nil
	}
	text := fmt.Sprintf("post: the receiver answered %d %s", code, http.StatusText(code))
	if s := strings.Join(strings.Fields(strings.ToValidUTF8(string(reply[:min(len(reply), 512)]), "")), " "); s != "" {
		text += ": " + s
	}
	switch {
	case code == http.StatusTooManyRequests || code/100 == 5:
		return sdk.Retry(sdk.CodeUnavailable, retryAfter(res.Header.Get("Retry-After"), time.Now()), "%s", text)
	case code == http.StatusUnauthorized:
		return sdk.Errorf(sdk.CodeUnauthenticated, "%s", text)
	case code == http.StatusForbidden:
		return sdk.Errorf(sdk.CodeDenied, "%s", text)
	}
	return sdk.Errorf(sdk.CodeInvalidRequest, "%s", text)
}

// retryAfter reads the header of that name: seconds or a date. What it can't read is 0; an hour is the most.
func retryAfter(s string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(s); err == nil {
		d = time.Duration(min(max(n, 0), 3600)) * time.Second
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}

// truncated returns the message with at most limit alerts, the rest counted in truncatedAlerts. Nothing else changes.
func truncated(raw json.RawMessage, limit int) ([]byte, error) {
	if limit <= 0 {
		return raw, nil
	}
	var msg map[string]json.RawMessage
	if err := json.Unmarshal(raw, &msg); err != nil {
		return nil, err
	}
	var alerts []json.RawMessage
	if err := json.Unmarshal(msg["alerts"], &alerts); err != nil {
		return nil, err
	}
	if len(alerts) <= limit {
		return raw, nil
	}
	var before uint64
	if t, ok := msg["truncatedAlerts"]; ok {
		if err := json.Unmarshal(t, &before); err != nil {
			return nil, err
		}
	}
	kept, err := json.Marshal(alerts[:limit])
	if err != nil {
		return nil, err
	}
	msg["alerts"] = kept
	msg["truncatedAlerts"] = []byte(strconv.FormatUint(before+uint64(len(alerts)-limit), 10))
	return json.Marshal(msg)
}
