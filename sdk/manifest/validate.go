package manifest

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	idPattern       = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	versionPattern  = regexp.MustCompile(`^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$`)
	filePattern     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	secretPattern   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	envPattern      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	functionPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)+$`)
	settingPattern  = regexp.MustCompile(`^([A-Za-z0-9_-]{1,64}|\*)(\.([A-Za-z0-9_-]{1,64}|\*)){0,7}$`)
	templatePattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)
	digestPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// maxItems bounds each list in a manifest.
const maxItems = 64

// Validate reports every problem at once, each naming its key; nil if there is none. A missing sha256 is none:
// only Verify needs it.
func (m *Manifest) Validate() error { return errors.Join(m.problems()...) }

func (m *Manifest) problems() []error {
	var p problems
	if m.Schema != 1 {
		p.add("schema", "is %d, must be 1", m.Schema)
	}
	p.match("id", m.ID, idPattern, "namespace/name in lower case letters, digits and -")
	p.match("version", m.Version, versionPattern, "a semantic version like 1.4.0")
	if m.ABI != "1" {
		p.add("abi", `is %q, must be "1"`, m.ABI)
	}
	if m.MinABIMinor < 0 {
		p.add("min_abi_minor", "is %d, must not be negative", m.MinABIMinor)
	}
	p.kinds(m)
	if m.License == "" {
		p.add("license", "is missing; give an SPDX expression like Apache-2.0")
	}
	if m.Description == "" || len(m.Description) > 500 {
		p.add("description", "must have 1 to 500 bytes, has %d", len(m.Description))
	}
	p.artifacts(m.Artifacts)
	p.capabilities(&m.Capabilities)
	p.limits(m.Limits)
	p.functions(m)
	p.templates(m)
	if s := m.Config.Schema; s != "" {
		p.match("config.schema", s, filePattern, "a file beside the manifest")
	}
	return p
}

type problems []error

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s %s", key, fmt.Sprintf(format, args...)))
}

func (p *problems) match(key, value string, re *regexp.Regexp, want string) {
	if !re.MatchString(value) {
		p.add(key, "is %q, must be %s", value, want)
	}
}

// list checks the length of a list and that no item comes twice.
func (p *problems) list(key string, items []string) {
	if len(items) > maxItems {
		p.add(key, "has %d items, at most %d are allowed", len(items), maxItems)
	}
	for i, v := range items {
		if slices.Contains(items[:i], v) {
			p.add(key, "has %q twice", v)
		}
	}
}

func (p *problems) kinds(m *Manifest) {
	all := []string{KindExporter, KindNotifier, KindFunction, KindDiscoverer}
	if len(m.Kinds) == 0 {
		p.add("kinds", "is empty; give one or more of %s", strings.Join(all, ", "))
	}
	p.list("kinds", m.Kinds)
	for _, k := range m.Kinds {
		if !slices.Contains(all, k) {
			p.add("kinds", "has %q; known are %s", k, strings.Join(all, ", "))
		}
	}
}

func (p *problems) artifacts(as []Artifact) {
	if len(as) == 0 {
		p.add("artifact", "is missing; a plugin has at least one [[artifact]]")
	}
	if len(as) > maxItems {
		p.add("artifact", "has %d items, at most %d are allowed", len(as), maxItems)
	}
	files, platforms := map[string]bool{}, map[string]bool{}
	for i, a := range as {
		key := fmt.Sprintf("artifact[%d]", i)
		p.match(key+".file", a.File, filePattern, "a file beside the manifest")
		if files[a.File] {
			p.add(key+".file", "is %q again", a.File)
		}
		files[a.File] = true
		if a.SHA256 != "" {
			p.match(key+".sha256", a.SHA256, digestPattern, "64 lower case hexadecimal digits")
		}
		switch a.Runtime {
		case RuntimeWasm:
			if a.Mode != "" && a.Mode != ModeReactor && a.Mode != ModeCommand {
				p.add(key+".mode", "is %q, must be reactor or command", a.Mode)
			}
			if a.OS != "" || a.Arch != "" {
				p.add(key, "is wasm and runs anywhere: leave out os and arch")
			}
		case RuntimeNative:
			if a.Mode != "" {
				p.add(key+".mode", "is for wasm only")
			}
			if a.OS == "" || a.Arch == "" {
				p.add(key, "is native and needs os and arch")
			}
		default:
			p.add(key+".runtime", "is %q, must be wasm or native", a.Runtime)
		}
		platform := a.Runtime + " " + a.OS + " " + a.Arch
		if platforms[platform] {
			p.add(key, "is a second build for %s", strings.TrimSpace(platform))
		}
		platforms[platform] = true
	}
}

func (p *problems) capabilities(c *Capabilities) {
	for _, l := range []struct {
		key   string
		items []string
		check func(string) error
	}{
		{"capabilities.net", c.Net, checkNet},
		{"capabilities.files", c.Files, checkPath},
		{"capabilities.statfs", c.Statfs, func(s string) error {
			if s == "*" {
				return nil
			}
			return checkPath(s)
		}},
		{"capabilities.secrets", c.Secrets, matching(secretPattern, "letters, digits, dots, - and _")},
		{"capabilities.env", c.Env, matching(envPattern, "letters, digits and _")},
	} {
		p.list(l.key, l.items)
		for _, item := range l.items {
			if err := l.check(item); err != nil {
				p.add(l.key, "has %q: %v", item, err)
			}
		}
	}
}

func checkPath(s string) error {
	if !path.IsAbs(s) || path.Clean(s) != s || strings.ContainsRune(s, 0) {
		return errors.New("must be an absolute path without . or .. or a slash at its end")
	}
	return nil
}

func matching(re *regexp.Regexp, want string) func(string) error {
	return func(s string) error {
		if !re.MatchString(s) {
			return fmt.Errorf("must be at most 64 %s", want)
		}
		return nil
	}
}

func (p *problems) limits(l Limits) {
	if l.MemoryMiB < 0 || l.MemoryMiB > 1024 {
		p.add("limits.memory_mib", "is %d, must be between 0 and 1024", l.MemoryMiB)
	}
	if l.Timeout < 0 || l.Timeout.Std() > time.Hour {
		p.add("limits.timeout", "is %v, must be between 0 and 1h", l.Timeout.Std())
	}
	if l.Instances < 0 || l.Instances > 256 {
		p.add("limits.instances", "is %d, must be between 0 and 256", l.Instances)
	}
}

func (p *problems) functions(m *Manifest) {
	if isFn := slices.Contains(m.Kinds, KindFunction); isFn != (len(m.Functions) > 0) {
		p.add("function", "and kind %q need each other", KindFunction)
	}
	if len(m.Functions) > maxItems {
		p.add("function", "has %d items, at most %d are allowed", len(m.Functions), maxItems)
	}
	names := map[string]bool{}
	for i, f := range m.Functions {
		key := fmt.Sprintf("function[%d]", i)
		p.match(key+".name", f.Name, functionPattern, "lower case words joined by _, the first being yours, like acme_zscore")
		if names[f.Name] {
			p.add(key+".name", "is %q again", f.Name)
		}
		names[f.Name] = true
		if len(f.Args) == 0 || len(f.Args) > maxItems {
			p.add(key+".args", "has %d items, must have 1 to %d", len(f.Args), maxItems)
		}
		for _, a := range f.Args {
			if !slices.Contains([]string{"vector", "matrix", "scalar", "string"}, a) {
				p.add(key+".args", "has %q; known are vector, matrix, scalar, string", a)
			}
		}
		p.data(key, f)
		if f.Variadic < -1 || f.Variadic > len(f.Args) {
			p.add(key+".variadic", "is %d, must be between -1 and the number of args", f.Variadic)
		}
	}
}

// data checks which argument of a function is the data, and that the shape is its.
func (p *problems) data(key string, f Function) {
	vectors, matrices := 0, 0
	for _, a := range f.Args {
		switch a {
		case "vector":
			vectors++
		case "matrix":
			matrices++
		}
	}
	if vectors+matrices != 1 {
		p.add(key+".args", "has %d vectors and %d matrices, must have one of either: the data", vectors, matrices)
	}
	shape := "instant"
	if matrices > 0 {
		shape = "range"
	}
	if f.Shape != "" && f.Shape != shape {
		p.add(key+".shape", "is %q, must be instant for a vector, range for a matrix", f.Shape)
	}
}

func (p *problems) templates(m *Manifest) {
	if len(m.Templates) > 0 && !slices.Contains(m.Kinds, KindNotifier) {
		p.add("template", "is for plugins of kind %q", KindNotifier)
	}
	if len(m.Templates) > maxItems {
		p.add("template", "has %d items, at most %d are allowed", len(m.Templates), maxItems)
	}
	settings := map[string]bool{}
	for i, t := range m.Templates {
		key := fmt.Sprintf("template[%d]", i)
		p.match(key+".setting", t.Setting, settingPattern, "names joined by dots, like headers.Subject or headers.*")
		if settings[t.Setting] {
			p.add(key+".setting", "is %q again", t.Setting)
		}
		settings[t.Setting] = true
		if t.Default == "" {
			continue
		}
		p.match(key+".default", t.Default, templatePattern, "the name of a template, like email.default.html")
		if strings.Contains(t.Setting, "*") {
			p.add(key+".default", "needs a setting without *")
		}
	}
}
