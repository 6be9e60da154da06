package config

import (
	"encoding"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// decoder fills the configuration from a document, names every problem on the way, and remembers where each
// value stood, so that checks can say so later.
//
// Fields are named by their toml tag. A further tag `path` joins a relative path to the folder of the file it
// stands in; `env` replaces ${NAME} in text. A struct embedded without a tag stands in the table around it.
type decoder struct {
	*report
	places map[any]Pos                      // by pointer to the value, or placeKey
	env    func(name string) (string, bool) // environment variables
	dir    func(file string) string         // the folder relative paths of a file start from
}

// placeKey finds the place of a value in a map, which has no address.
type placeKey struct {
	table any // pointer to the map
	name  string
}

// defaulter is a struct whose fields are not all zero when the file says nothing.
type defaulter interface{ setDefaults() }

var (
	secretType = reflect.TypeFor[Secret]()
	sizeType   = reflect.TypeFor[Size]()
)

// decode fills v, which can be set, from n; path names it in messages.
func (d *decoder) decode(n *node, v reflect.Value, path string) {
	d.places[v.Addr().Interface()] = n.pos
	if v.Type() == secretType {
		d.secret(n, v.Addr().Interface().(*Secret), path)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, v.Type(), u, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			setDefaults(v)
		}
		d.decode(n, v.Elem(), path)
	case reflect.Struct:
		if d.want(n, path, kindTable) {
			d.table(n, v, path)
		}
	case reflect.Map:
		if d.want(n, path, kindTable) {
			d.mapping(n, v, path)
		}
	case reflect.Slice:
		if d.want(n, path, kindList) {
			d.list(n, v, path)
		}
	case reflect.String:
		if isScalar(n) && n.yaml || d.want(n, path, kindText) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if d.want(n, path, kindBool) {
			v.SetBool(isTrue(n.text))
		}
	case reflect.Int, reflect.Int64:
		if i, ok := d.integer(n, path); ok {
			v.SetInt(i)
		}
	case reflect.Uint64:
		if i, ok := d.integer(n, path); ok && i < 0 {
			d.problem(n.pos, "%s: must not be negative", path)
		} else if ok {
			v.SetUint(uint64(i))
		}
	case reflect.Float64:
		if n.kind != kindInteger && !d.want(n, path, kindFloat) {
			return
		}
		f, err := parseFloat(n.text)
		if err != nil {
			d.problem(n.pos, "%s: %s", path, err)
			return
		}
		v.SetFloat(f)
	case reflect.Interface:
		v.Set(reflect.ValueOf(n.value()))
	default:
		panic(fmt.Sprintf("config: no decoding for %s at %s", v.Type(), path))
	}
}

func (d *decoder) want(n *node, path string, k kind) bool {
	if n.kind == k {
		return true
	}
	d.problem(n.pos, "%s: want %s, got %s", path, k, n.kind)
	return false
}

func (d *decoder) integer(n *node, path string) (int64, bool) {
	if !d.want(n, path, kindInteger) {
		return 0, false
	}
	i, err := parseInt(n.text)
	if err != nil {
		d.problem(n.pos, "%s: %s", path, err)
		return 0, false
	}
	return i, true
}

func isScalar(n *node) bool { return n.kind != kindTable && n.kind != kindList }

// text fills a value that reads itself from text.
func (d *decoder) text(n *node, t reflect.Type, u encoding.TextUnmarshaler, path string) {
	text := n.text
	switch {
	case n.kind == kindText, n.yaml && isScalar(n):
	case n.kind == kindInteger && t == sizeType:
		text = strings.ReplaceAll(text, "_", "") + "B"
	default:
		example := `"15s"`
		if t == sizeType {
			example = `"512MiB"`
		}
		d.problem(n.pos, "%s: want text in quotes as %s, got %s", path, example, n.kind)
		return
	}
	if err := u.UnmarshalText([]byte(text)); err != nil {
		d.problem(n.pos, "%s: %s", path, err)
	}
}

// secret fills a secret. In YAML it is taken as it is: ${NAME} and file: are ours.
func (d *decoder) secret(n *node, s *Secret, path string) {
	if n.yaml && isScalar(n) {
		*s = NewSecret(n.text)
		return
	}
	if !d.want(n, path, kindText) {
		return
	}
	if err := s.UnmarshalText([]byte(d.expand(n, path))); err != nil {
		d.problem(n.pos, "%s: %s", path, err)
		return
	}
	if s.v != nil && s.v.file != "" {
		s.v.file = d.join(n, s.v.file)
	}
}

func (d *decoder) join(n *node, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir(n.pos.File), path)
}

func (d *decoder) list(n *node, v reflect.Value, path string) {
	items := make([]*node, 0, len(n.items))
	for i, it := range n.items {
		if it.kind == kindNull {
			d.problem(it.pos, "%s[%d]: is empty", path, i)
			continue
		}
		items = append(items, it)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items))) // whole from the start: places are addresses
	for i, it := range items {
		setDefaults(v.Index(i).Addr())
		d.decode(it, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.keys)))
	for _, e := range n.keys {
		d.places[placeKey{v.Addr().Interface(), e.name}] = e.pos
		val := reflect.New(v.Type().Elem()).Elem()
		if e.val.kind != kindNull {
			d.decode(e.val, val, path+"."+e.name)
		}
		v.SetMapIndex(reflect.ValueOf(e.name), val)
	}
}

func (d *decoder) table(n *node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	if path != "" {
		path += "."
	}
	for _, e := range n.keys {
		f, ok := fields[e.name]
		switch {
		case !ok:
			d.unknown(e, path, fields)
		case e.val.kind == kindNull:
		default:
			if f.Tag.Get("env") != "" {
				d.expandAll(e.val, path+e.name)
			}
			field := v.FieldByIndex(f.Index)
			d.decode(e.val, field, path+e.name)
			if f.Tag.Get("path") != "" {
				d.joinAll(e.val, field)
			}
		}
	}
}

func (d *decoder) joinAll(n *node, v reflect.Value) {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(d.join(n, v.String()))
	case v.Len() == len(n.items):
		for i := range v.Len() {
			v.Index(i).SetString(d.join(n.items[i], v.Index(i).String()))
		}
	}
}

// unknown reports a key that means nothing here, with the nearest that does.
func (d *decoder) unknown(e entry, path string, fields map[string]reflect.StructField) {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := nearest(e.name, names); near != "" {
		d.problem(e.pos, "unknown key %q; did you mean %q?", path+e.name, near)
		return
	}
	d.problem(e.pos, "unknown key %q", path+e.name)
}

// fieldsOf returns the fields of a struct by key, those of embedded structs too.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := make(map[string]reflect.StructField)
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("toml")
		if f.IsExported() && !f.Anonymous && name != "" && name != "-" {
			fields[name] = f
		}
	}
	return fields
}

// setDefaults fills the defaults of what p points to, where it has any.
func setDefaults(p reflect.Value) {
	if s, ok := p.Interface().(defaulter); ok {
		s.setDefaults()
	}
}
