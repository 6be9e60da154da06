;; A call of the function after the last one, which the rewriting adds.
(module (memory (export "memory") 1)
  (func (drop (call 1 (i32.const 0)))))
