package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
)

// Duration is a time span written as upstream writes it: 15s, 1h30m, 15d.
type Duration time.Duration

// UnmarshalText reads a duration; go-toml calls it.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := model.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText writes the shortest form that reads back to the same span.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string { return model.Duration(d).String() }

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Size is a number of bytes written with a unit: 512MiB, 10GB; base 2 either way, as upstream reads it. 0 needs no unit.
type Size int64

// UnmarshalText reads a size; go-toml calls it.
func (s *Size) UnmarshalText(b []byte) error {
	t := strings.TrimSpace(string(b))
	if t == "0" || t == "" {
		*s = 0
		return nil
	}
	v, err := units.ParseBase2Bytes(t)
	if err != nil {
		return fmt.Errorf("not a size like 512MiB: %q", t)
	}
	if v < 0 {
		return fmt.Errorf("a size must not be negative: %q", t)
	}
	*s = Size(v)
	return nil
}

// MarshalText writes the size with its unit.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	return units.Base2Bytes(s).String()
}
