;; The meter's counter, exported by another name.
(module (memory (export "memory") 1)
  (export "mine" (global 0)))
