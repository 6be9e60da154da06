package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/process"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// secrets is the folder of the granted secrets. The plugin learns it when it starts, so the tests run in a process that
// was told.
var secrets = os.Getenv(process.SecretsEnv)

func TestMain(m *testing.M) {
	if secrets != "" {
		os.Exit(m.Run())
	}
	os.Exit(again())
}

// again runs this program once more, with a folder for secrets.
func again() int {
	dir, err := os.MkdirTemp("", "secrets")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), process.SecretsEnv+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// grant gives the secrets of list, and no others.
func grant(t *testing.T, list map[string]string) {
	t.Helper()
	old, err := filepath.Glob(secrets + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range list {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// receiver is a web server that answers as it is told and keeps what it got.
type receiver struct {
	*httptest.Server
	answer http.HandlerFunc

	mu   sync.Mutex
	got  []*http.Request
	text [][]byte
}

func listen(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return // the client went away
	}
	r.mu.Lock()
	r.got, r.text = append(r.got, req), append(r.text, text)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req)
	}
}

// last returns the latest request, with its body.
func (r *receiver) last(t *testing.T) (*http.Request, []byte) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) == 0 {
		t.Fatal("nothing has arrived")
	}
	return r.got[len(r.got)-1], r.text[len(r.text)-1]
}

func configured(t *testing.T, settings any) *sdk.Instance {
	t.Helper()
	i := sdk.NewInstance(newPlugin())
	if err := configure(i, settings); err != nil {
		t.Fatal(err)
	}
	return i
}

func configure(i *sdk.Instance, settings any) error {
	text, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	_, err = i.Call(context.Background(), abi.OpConfigure, text)
	return err
}

func notify(i *sdk.Instance, alerts int) *sdk.Error {
	_, err := i.Call(context.Background(), abi.OpNotify, sdktest.NotifyRequest(alerts))
	return sdk.AsError(err)
}

type object map[string]any

func TestAnswers(t *testing.T) {
	grant(t, nil)
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			io.WriteString(w, " because\n\tI say so ")
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		code   string // empty: delivered
		retry  bool
		after  time.Duration
		text   string
	}{
		{"200 is delivered", status(200), "", false, 0, ""},
		{"202 is delivered", status(202), "", false, 0, ""},
		{"204 is delivered", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "", false, 0, ""},
		{"400 is final", status(400), sdk.CodeInvalidRequest, false, 0, "post: the receiver answered 400 Bad Request: because I say so"},
		{"401 is final, and says who is unknown", status(401), sdk.CodeUnauthenticated, false, 0, "401 Unauthorized"},
		{"403 is final, and says what is denied", status(403), sdk.CodeDenied, false, 0, "403 Forbidden"},
		{"404 is final", status(404), sdk.CodeInvalidRequest, false, 0, "404 Not Found"},
		{"410 is final", status(410, "Retry-After", "5"), sdk.CodeInvalidRequest, false, 0, "410 Gone"},
		{"429 is tried again", status(429), sdk.CodeUnavailable, true, 0, "429 Too Many Requests"},
		{"429 is tried again after the time it names", status(429, "Retry-After", "17"), sdk.CodeUnavailable, true, 17 * time.Second, "429"},
		{"a pause has a bound", status(429, "Retry-After", "86400"), sdk.CodeUnavailable, true, time.Hour, "429"},
		{"a pause that cannot be read is none", status(503, "Retry-After", "soon"), sdk.CodeUnavailable, true, 0, "503"},
		{"500 is tried again", status(500), sdk.CodeUnavailable, true, 0, "500 Internal Server Error: because I say so"},
		{"503 is tried again after the time it names", status(503, "Retry-After", "3"), sdk.CodeUnavailable, true, 3 * time.Second, "503"},
		{"a redirect that drops the message is not success", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hook" {
				http.Redirect(w, r, "/welcome", http.StatusFound)
			}
		}, sdk.CodeInvalidRequest, false, 0, "302 Found"},
		{"a connection that breaks is tried again", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, sdk.CodeUnavailable, true, 0, "post: "},
		{"an answer without end is read in part", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("long "), 1000)); err != nil {
					return
				}
			}
		}, sdk.CodeUnavailable, true, 0, "500 Internal Server Error: long long"},
		{"an answer that is no text does no harm", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			w.Write([]byte{0xff, 0xfe, 'x', 0})
		}, sdk.CodeInvalidRequest, false, 0, "400 Bad Request: x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := listen(t, tt.answer)
			e := notify(configured(t, object{"url": r.URL + "/hook"}), 1)
			if tt.code == "" {
				if e != nil {
					t.Errorf("error %v", e)
				}
				return
			}
			if e == nil {
				t.Fatal("it says delivered")
			}
			if e.Code != tt.code || e.Retryable != tt.retry || e.RetryAfter != tt.after || !strings.Contains(e.Message, tt.text) {
				t.Errorf("%s, retry %v after %s: %s\nwant %s, retry %v after %s: %s", e.Code, e.Retryable, e.RetryAfter, e.Message, tt.code, tt.retry, tt.after, tt.text)
			}
			if len(e.Message) > 700 {
				t.Errorf("the message is %d bytes long", len(e.Message))
			}
		})
	}
}

func TestARedirectThatKeepsTheMessageIsFollowed(t *testing.T) {
	grant(t, nil)
	r := listen(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/old" {
			http.Redirect(w, req, "/new", http.StatusPermanentRedirect)
		}
	})
	if e := notify(configured(t, object{"url": r.URL + "/old"}), 1); e != nil {
		t.Fatal(e)
	}
	req, text := r.last(t)
	if req.URL.Path != "/new" || req.Method != http.MethodPost || !bytes.Equal(text, sdktest.Payload(1)) {
		t.Errorf("%s %s with %d bytes", req.Method, req.URL.Path, len(text))
	}
	loop := listen(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "/again", http.StatusTemporaryRedirect)
	})
	if e := notify(configured(t, object{"url": loop.URL}), 1); e == nil || e.Retryable || !strings.Contains(e.Message, "307") {
		t.Errorf("a circle of redirects: error %v", e)
	}
}

func TestRequest(t *testing.T) {
	for _, tt := range []struct {
		name     string
		secrets  map[string]string
		settings object
		want     map[string]string // headers
	}{
		{"it is JSON from hearth", nil, object{},
			map[string]string{"Content-Type": "application/json", "User-Agent": "hearth-webhook/" + version, "Authorization": ""}},
		{"a bearer token comes from a secret", map[string]string{"bearer": "s3cret\n"}, object{},
			map[string]string{"Authorization": "Bearer s3cret"}},
		{"name and password", map[string]string{"password": "pa:ss"}, object{"username": "ann"},
			map[string]string{"Authorization": "Basic YW5uOnBhOnNz"}},
		{"headers of the operator", nil, object{"headers": object{"X-Team": "ops", "User-Agent": "mine"}},
			map[string]string{"X-Team": "ops", "User-Agent": "mine", "Content-Type": "application/json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grant(t, tt.secrets)
			r := listen(t, nil)
			tt.settings["url"] = r.URL + "/hook?room=1"
			if e := notify(configured(t, tt.settings), 2); e != nil {
				t.Fatal(e)
			}
			req, text := r.last(t)
			if req.Method != http.MethodPost || req.RequestURI != "/hook?room=1" {
				t.Errorf("%s %s", req.Method, req.RequestURI)
			}
			if !bytes.Equal(text, sdktest.Payload(2)) {
				t.Errorf("the message was changed to\n%s", text)
			}
			for name, want := range tt.want {
				if got := req.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	t.Run("the URL may be one, and shows in no error", func(t *testing.T) {
		r := listen(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		grant(t, map[string]string{"url": r.URL + "/T0PSECRET"})
		i := configured(t, object{})
		e := notify(i, 1)
		if req, _ := r.last(t); req.URL.Path != "/T0PSECRET" {
			t.Errorf("posted to %s", req.URL.Path)
		}
		r.Close()
		for _, e := range []*sdk.Error{e, notify(i, 1)} {
			if e == nil || !e.Retryable || strings.Contains(e.Message, "T0PSECRET") {
				t.Errorf("error %v", e)
			}
		}
		for _, bad := range []string{"T0PSECRET", "http://T0PSECRET:port/", "ftp://T0PSECRET/"} {
			grant(t, map[string]string{"url": bad})
			if e := notify(i, 1); e == nil || e.Retryable || strings.Contains(e.Message, "T0PSECRET") {
				t.Errorf("url %s: error %v", bad, e)
			}
		}
	})
	t.Run("a new value counts at once", func(t *testing.T) {
		r := listen(t, nil)
		grant(t, map[string]string{"bearer": "one"})
		i := configured(t, object{"url": r.URL})
		for _, token := range []string{"one", "two"} {
			grant(t, map[string]string{"bearer": token})
			if e := notify(i, 1); e != nil {
				t.Fatal(e)
			}
			if req, _ := r.last(t); req.Header.Get("Authorization") != "Bearer "+token {
				t.Errorf("authorization %q, want %s", req.Header.Get("Authorization"), token)
			}
		}
	})
	for name, tt := range map[string]struct {
		secrets  map[string]string
		settings object
		want     string
	}{
		"a URL in both places is refused":             {map[string]string{"url": "http://a/"}, object{"url": "http://b/"}, "keep one"},
		"a token beside name and password is refused": {map[string]string{"bearer": "x", "password": "y"}, object{"url": "http://b/", "username": "ann"}, "keep one"},
	} {
		t.Run(name, func(t *testing.T) {
			grant(t, tt.secrets)
			err := configure(sdk.NewInstance(newPlugin()), tt.settings)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("a name without a password is denied", func(t *testing.T) {
		grant(t, nil)
		r := listen(t, nil)
		e := notify(configured(t, object{"url": r.URL, "username": "ann"}), 1)
		if e == nil || e.Code != sdk.CodeDenied || !strings.Contains(e.Message, `secret "password" is not granted`) {
			t.Errorf("error %v", e)
		}
	})
}

func TestTLS(t *testing.T) {
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // of refused certificates
	r.StartTLS()
	t.Cleanup(r.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}))
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(ca), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		secrets  map[string]string
		settings object
		want     string // in the error; empty: delivered
	}{
		{"an authority in the settings is trusted", nil, object{"ca": ca}, ""},
		{"an authority in a file is trusted", nil, object{"ca_file": file}, ""},
		{"an authority in a secret is trusted", map[string]string{"ca": ca}, object{}, ""},
		{"another name of the certificate may be asked for", nil, object{"ca": ca, "server_name": "example.com"}, ""},
		{"a name that it is not for is refused", nil, object{"ca": ca, "server_name": "example.org"}, "certificate is valid for"},
		{"an authority nobody knows is refused", nil, object{}, "unknown authority"},
		{"no certificate is checked if the operator says so", nil, object{"insecure_skip_verify": true}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grant(t, tt.secrets)
			tt.settings["url"] = r.URL
			e := notify(configured(t, tt.settings), 1)
			if tt.want == "" && e != nil || tt.want != "" && (e == nil || !strings.Contains(e.Message, tt.want)) {
				t.Errorf("error %v, want %q", e, tt.want)
			}
		})
	}
	t.Run("an authority that is exchanged counts at once", func(t *testing.T) {
		grant(t, map[string]string{"ca": ca})
		i := configured(t, object{"url": r.URL})
		if e := notify(i, 1); e != nil {
			t.Fatal(e)
		}
		grant(t, map[string]string{"ca": "no certificate"})
		if e := notify(i, 1); e == nil || e.Code != sdk.CodeInvalidRequest {
			t.Errorf("error %v", e)
		}
		grant(t, map[string]string{"ca": ca})
		if e := notify(i, 1); e != nil {
			t.Error(e)
		}
	})
}

func TestSize(t *testing.T) {
	grant(t, nil)
	r := listen(t, nil)
	const many = 5000
	if e := notify(configured(t, object{"url": r.URL}), many); e != nil {
		t.Fatal(e)
	}
	if _, text := r.last(t); !bytes.Equal(text, sdktest.Payload(many)) {
		t.Errorf("%d bytes arrived of %d", len(text), len(sdktest.Payload(many)))
	}
	for _, tt := range []struct{ alerts, limit, kept, cut int }{{5, 2, 2, 3}, {2, 2, 2, 0}, {1, 2, 1, 0}, {3, 0, 3, 0}} {
		if e := notify(configured(t, object{"url": r.URL, "max_alerts": tt.limit}), tt.alerts); e != nil {
			t.Fatal(e)
		}
		_, text := r.last(t)
		var m sdk.Notification
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		if len(m.Alerts) != tt.kept || m.TruncatedAlerts != uint64(tt.cut) || m.Version != "4" || m.Alerts[0].Labels["instance"] != "host-0" {
			t.Errorf("%d of %d alerts, %d cut off; want %d and %d", len(m.Alerts), tt.alerts, m.TruncatedAlerts, tt.kept, tt.cut)
		}
	}
}

func TestTruncatedKeepsWhatItDoesNotKnow(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"members of later versions stay", `{"alerts":[1,2,3],"new":{"x":[1]},"truncatedAlerts":4}`, `{"alerts":[1],"new":{"x":[1]},"truncatedAlerts":6}`},
		{"numbers keep their digits", `{"alerts":[12345678901234567890,2],"n":1e400}`, `{"alerts":[12345678901234567890],"n":1e400,"truncatedAlerts":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := truncated(json.RawMessage(tt.in), 1)
			if err != nil || string(got) != tt.want {
				t.Errorf("%s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
	for _, in := range []string{`[]`, `{}`, `{"alerts":{}}`, `{"alerts":[1,2],"truncatedAlerts":-1}`} {
		if _, err := truncated(json.RawMessage(in), 1); err == nil {
			t.Errorf("%s was taken", in)
		}
	}
}

func TestTimeout(t *testing.T) {
	grant(t, nil)
	r := listen(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	e := notify(configured(t, object{"url": r.URL, "timeout": "50ms"}), 1)
	if e == nil || e.Code != sdk.CodeTimeout || !e.Retryable {
		t.Errorf("error %v", e)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"-3":                            0,
		"120":                           2 * time.Minute,
		"99999999999999999999":          0,
		"7200":                          time.Hour,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
		"Sat, 02 Jan 2027 03:04:05 GMT": time.Hour,
	} {
		if got := retryAfter(in, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", in, got, want)
		}
	}
}
