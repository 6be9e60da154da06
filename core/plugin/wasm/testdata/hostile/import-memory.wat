(module (import "hearth_v1" "memory" (memory 1)) (export "memory" (memory 0)))
