;; An instruction whose result depends on the machine.
(module (memory (export "memory") 1)
  (func (param v128) (result v128)
    (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))
