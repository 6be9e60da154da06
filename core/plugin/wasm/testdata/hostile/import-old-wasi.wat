(module (import "wasi_unstable" "path_open" (func (param i32) (result i32)))
  (memory (export "memory") 1))
