package manifest

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// Parse reads and validates a manifest. Unknown keys are errors; all problems are reported at once, as an error
// that wraps one error for each (Unwrap() []error).
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("larger than %d bytes", MaxSize)
	}
	var m Manifest
	dec := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		var missing *toml.StrictMissingError
		if !errors.As(err, &missing) {
			return nil, position(err)
		}
		problems := make([]error, 0, len(missing.Errors))
		for _, e := range missing.Errors {
			row, col := e.Position()
			problems = append(problems, fmt.Errorf("%d:%d: unknown key %q", row, col, dotted(e.Key())))
		}
		return nil, errors.Join(append(problems, m.problems()...)...)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

// position puts line and column before a decoder's error.
func position(err error) error {
	var d *toml.DecodeError
	if !errors.As(err, &d) {
		return err
	}
	row, col := d.Position()
	return fmt.Errorf("%d:%d: %w", row, col, err)
}

func dotted(key toml.Key) string {
	var b bytes.Buffer
	for i, k := range key {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(k)
	}
	return b.String()
}
