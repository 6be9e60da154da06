// Package hearth carries the SDKs for languages other than Go, of which `hearth plugin new` gives each project a copy. It is
// here because a file can be embedded by a package above it only, and C and Go can't share a folder.
package hearth

import (
	"embed"
	"io/fs"
)

//go:embed sdk/c/*.c sdk/c/*.h sdk/c/*.mk sdk/c/*.md
//go:embed sdk/rust/src sdk/rust/Cargo.toml sdk/rust/*.mk sdk/rust/*.md
//go:embed sdk/assemblyscript/assembly sdk/assemblyscript/*.json sdk/assemblyscript/*.mk sdk/assemblyscript/*.md
var sdks embed.FS

// SDKs returns a folder for each language: c, rust, assemblyscript.
func SDKs() fs.FS {
	sub, err := fs.Sub(sdks, "sdk")
	if err != nil { // the name above is valid
		panic(err)
	}
	return sub
}
