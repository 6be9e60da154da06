(module (import "hearth_v1" "table" (table 1 funcref)) (memory (export "memory") 1))
