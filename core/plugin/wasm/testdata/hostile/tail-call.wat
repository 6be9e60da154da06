;; A loop that is no loop: it calls itself in place of returning.
(module (memory (export "memory") 1)
  (func $f return_call $f))
