//go:build !wasip1

package sdk

import (
	"embed"
	"io/fs"
)

//go:embed c/*.c c/*.h c/*.mk c/*.md
//go:embed rust/src rust/Cargo.toml rust/*.mk rust/*.md
//go:embed assemblyscript/assembly assemblyscript/*.json assemblyscript/*.mk assemblyscript/*.md
var languages embed.FS

// Languages returns the SDKs for languages other than Go, a folder for each: c, rust, assemblyscript. `hearth plugin new`
// gives each project a copy.
func Languages() fs.FS { return languages }
