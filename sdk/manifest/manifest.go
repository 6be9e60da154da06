// Package manifest reads hearth-plugin.toml: what a plugin is called, which files it consists of, what it asks to be
// allowed, and how much it may use. The manifest only asks; the operator's grant decides (see Capabilities).
//
// The file's words are specified in sdk/abi/ABI.md, section "Package".
package manifest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
)

// FileName is the manifest's name in a plugin's folder.
const FileName = "hearth-plugin.toml"

// MaxSize is the largest manifest Load reads, in bytes.
const MaxSize = 64 << 10

// Manifest is one hearth-plugin.toml.
type Manifest struct {
	Schema       int          `toml:"schema"`        // of this file; 1
	ID           string       `toml:"id"`            // namespace/name, as hearth/node
	Version      string       `toml:"version"`       // semantic version 2.0 without a leading v
	ABI          string       `toml:"abi"`           // major version of the plugin ABI; "1"
	MinABIMinor  int          `toml:"min_abi_minor"` // oldest minor version of the host's ABI it runs on
	Kinds        []string     `toml:"kinds"`         // of Kinds
	License      string       `toml:"license"`       // SPDX expression
	Description  string       `toml:"description"`   // one sentence for catalogues
	Artifacts    []Artifact   `toml:"artifact"`
	Capabilities Capabilities `toml:"capabilities"`
	Limits       Limits       `toml:"limits"`
	Functions    []Function   `toml:"function"`
	Templates    []Template   `toml:"template"`
	Config       Config       `toml:"config"`
}

// Kinds of plugins.
const (
	KindExporter   = abi.KindExporter
	KindNotifier   = abi.KindNotifier
	KindFunction   = abi.KindFunction
	KindDiscoverer = abi.KindDiscoverer
)

// Runtimes and modes of artifacts.
const (
	RuntimeWasm   = "wasm"    // a WebAssembly module, sandboxed
	RuntimeNative = "native"  // a program of the host's operating system, not sandboxed
	ModeReactor   = "reactor" // ABI level 1: an instance answers many calls; the default
	ModeCommand   = "command" // ABI level 0: an instance a call
)

// Artifact is one build of the plugin.
type Artifact struct {
	Runtime string `toml:"runtime"` // wasm or native
	Mode    string `toml:"mode"`    // of wasm: reactor (the default) or command
	OS      string `toml:"os"`      // of native, as GOOS
	Arch    string `toml:"arch"`    // of native, as GOARCH
	File    string `toml:"file"`    // beside the manifest, no folders
	SHA256  string `toml:"sha256"`  // of the file, lower case hexadecimal; Seal writes it, empty in sources
}

// Capabilities is what the plugin asks for. It gets the part of it that the operator grants.
type Capabilities struct {
	Net     []string `toml:"net"`     // addresses it may dial; see MatchNet
	Files   []string `toml:"files"`   // folders or files it may read, absolute
	Statfs  []string `toml:"statfs"`  // mount points whose size it may ask for, absolute; "*" is any
	Secrets []string `toml:"secrets"` // names of secrets it reads
	Env     []string `toml:"env"`     // names of environment variables it sees
}

// Limits is what the plugin may use of the host. 0 means the host's default.
type Limits struct {
	MemoryMiB int      `toml:"memory_mib"` // linear memory of one instance; at most 1024
	Timeout   Duration `toml:"timeout"`    // of one call; the host's own deadline may be shorter
	Instances int      `toml:"instances"`  // at the same time
}

// Function is one PromQL function of a plugin of kind function.
type Function struct {
	Name     string   `toml:"name"`
	Args     []string `toml:"args"`     // vector, matrix, scalar or string, in order
	Variadic int      `toml:"variadic"` // how many of the last arguments may be left out; -1: the last may repeat
	Shape    string   `toml:"shape"`    // instant (the default) or range: which batch it takes
}

// Template is a setting of a notifier that is written in Alertmanager's template language. The host fills it in for each
// message, with the operator's templates at hand, so that a plugin needs no template engine.
type Template struct {
	Setting string `toml:"setting"` // names joined by dots, as headers.Subject; * is each member of an object or list
	Default string `toml:"default"` // the name of a template that stands for the setting if there is none; may be empty
	HTML    bool   `toml:"html"`    // the result is HTML: what is filled in is escaped
}

// Config points at the description of the plugin's own settings.
type Config struct {
	Schema string `toml:"schema"` // file with a JSON schema, beside the manifest; may be empty
}

// Duration is a time span in TOML, written as "10s".
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

// MarshalText writes the form UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Load reads and validates the manifest at path; path may be the plugin's folder. Errors name the file and,
// where the text itself is at fault, line and column.
func Load(path string) (*Manifest, error) {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, FileName)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", path, err)
	}
	m, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", path, err)
	}
	return m, nil
}
