;; The meter's function, imported.
(module (import "hearth_meter" "tick" (func (param i32) (result i32)))
  (memory (export "memory") 1))
