package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Config is the plugin's own settings: what the operator wrote under config.
type Config struct {
	raw []byte // a JSON object, or empty
}

// NewConfig returns settings of a JSON object; for tests.
func NewConfig(object string) Config { return Config{[]byte(object)} }

// Empty reports whether the operator gave no settings.
func (c Config) Empty() bool {
	var m map[string]json.RawMessage
	return len(c.raw) == 0 || (json.Unmarshal(c.raw, &m) == nil && len(m) == 0)
}

// Decode reads the settings into the struct v points to, which holds the defaults. Fields are named by json tags. A
// setting v does not have is an error, as is one of the wrong type. Errors are *Error, to be returned as they are.
func (c Config) Decode(v any) error {
	if len(c.raw) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(c.raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return Errorf(CodeInvalidRequest, "settings: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Errorf(CodeInvalidRequest, "settings: more than one JSON value")
	}
	return nil
}

// Duration is a time span in settings, written as "10s".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("not a time span like 10s: %q", b)
	}
	*d = Duration(v)
	return nil
}

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }
