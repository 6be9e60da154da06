;; Two functions of PromQL without a language around them: whatever they are given, they answer with zeros.
(module
  (memory (export "memory") 2)
  (data (i32.const 64) "{\"abi\":\"1.1\",\"kinds\":[\"function\"],\"functions\":[\"zero_one\",\"zero_two\"]}")
  (func (export "hearth_abi_v1") (result i32) (i32.const 1))
  (func (export "hearth_alloc") (param i32) (result i32) (i32.const 4096))
  (func (export "hearth_describe") (result i64)
    (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 70)))
  (func (export "hearth_eval") (param $batch i32) (param i32) (result i64)
    (i64.or
      (i64.shl (i64.const 65536) (i64.const 32)) ;; the second page, of zeros
      (i64.extend_i32_u (i32.shl ;; 8 bytes for each of the series at each of the steps
        (i32.mul (i32.load offset=8 (local.get $batch)) (i32.load offset=12 (local.get $batch)))
        (i32.const 3))))))
