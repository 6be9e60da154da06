;; A guest without a language around it: it is loaded in a moment, so that tests can replace it often. It says hello. If
;; the address of its target is that of a socket, net/tcp/HOST:PORT#TOKEN, it waits before until something comes from there.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "{\"abi\":\"1.0\",\"kinds\":[\"exporter\"]}")
  (data (i32.const 128) "said{text=\"hello\"} 1\n")
  (func (export "hearth_abi_v1") (result i32) (i32.const 0))
  (func (export "hearth_alloc") (param i32) (result i32) (i32.const 4096))
  (func (export "hearth_describe") (result i64)
    (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 34)))
  (func (export "hearth_collect") (param $request i32) (param i32) (result i64) (local $path i32) (local $end i32)
    (local.set $path (i32.add (local.get $request) (i32.const 12))) ;; after {"address":"
    (local.set $end (local.get $path))
    (if (i32.eq (i32.load8_u (local.get $path)) (i32.const 0x6e)) ;; n
      (then
        (loop $next
          (local.set $end (i32.add (local.get $end) (i32.const 1)))
          (br_if $next (i32.ne (i32.load8_u (local.get $end)) (i32.const 0x22)))) ;; the quote
        (if (call $path_open (i32.const 3) (i32.const 0) (local.get $path) (i32.sub (local.get $end) (local.get $path))
              (i32.const 0) (i64.const -1) (i64.const 0) (i32.const 0) (i32.const 0))
          (then unreachable))
        (i32.store (i32.const 8) (i32.const 1024)) ;; one buffer of 64 bytes
        (i32.store (i32.const 12) (i32.const 64))
        (if (call $fd_read (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 16))
          (then unreachable))))
    (i64.or (i64.shl (i64.const 128) (i64.const 32)) (i64.const 21))))
