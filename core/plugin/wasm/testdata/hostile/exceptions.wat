;; A throw, which could leave functions without their paying back what they took of the stack.
(module (memory (export "memory") 1)
  (tag $t)
  (func (throw $t)))
