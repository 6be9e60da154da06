;; What another plugin exports.
(module (import "" "hearth_collect" (func (param i32 i32) (result i64)))
  (memory (export "memory") 1))
