;; The meter's counter, imported.
(module (import "hearth_meter" "hearth_meter_fuel" (global (mut i32))) (memory (export "memory") 1))
