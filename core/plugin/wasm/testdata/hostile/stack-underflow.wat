;; More taken from the stack than was put there.
(module (memory (export "memory") 1)
  (func drop drop))
