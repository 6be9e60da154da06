;; Global 2 of one: it would be what the meter counts the stack with.
(module (memory (export "memory") 1)
  (global (mut i32) (i32.const 0))
  (func (global.set 2 (i32.const 0x7fffffff))))
