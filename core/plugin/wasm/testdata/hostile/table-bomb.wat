;; Tables grown until there is no more: no limit of memory counts them.
(module (memory (export "memory") 1) (table 1 funcref) (table 1 externref)
  (func (export "hearth_abi_v1") (result i32) (i32.const 1))
  (func (export "hearth_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "hearth_describe") (result i64) (i64.const 0))
  (func (export "hearth_collect") (param i32 i32) (result i64)
    (loop $more (br_if $more (i32.ne (i32.const -1) (table.grow 0 (ref.null func) (i32.const 100000)))))
    (loop $more (br_if $more (i32.ne (i32.const -1) (table.grow 1 (ref.null extern) (i32.const 100000)))))
    ;; More than a million elements together would be a trap of its own kind.
    (if (i32.gt_u (i32.add (table.size 0) (table.size 1)) (i32.const 1000000)) (then (loop (br 0))))
    unreachable))
