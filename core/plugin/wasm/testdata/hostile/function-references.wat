;; A call by a typed reference.
(module (memory (export "memory") 1)
  (type $t (func))
  (func (param $f (ref $t)) (call_ref (local.get $f))))
