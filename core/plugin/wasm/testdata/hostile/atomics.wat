;; An atomic instruction, of the threads proposal, on a memory of one's own.
(module (memory (export "memory") 1)
  (func (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))
