;; A number of 64 bits as an address.
(module (memory (export "memory") 1)
  (func (drop (i32.load (i64.const 0xffffffffffff)))))
