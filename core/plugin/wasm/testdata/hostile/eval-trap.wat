;; A function of PromQL that breaks off in the middle of a batch, after it has written half of the answer.
(module (memory (export "memory") 2)
  (func (export "hearth_abi_v1") (result i32) (i32.const 1))
  (func (export "hearth_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "hearth_describe") (result i64) (i64.const 0))
  (func $cells (export "hearth_eval") (param i32 i32) (result i64) (local $n i32)
    (loop $next
      (f64.store (i32.add (i32.const 65536) (i32.shl (local.get $n) (i32.const 3))) (f64.const 1))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 500))))
    unreachable))
