;; A second memory, which no limit counts.
(module (memory (export "memory") 1) (memory 1))
