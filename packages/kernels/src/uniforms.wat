;; Uniform numbers of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The imported memory is the output.
(module
  (import "arena" "memory" (memory 1 65536))

  ;; Writes bound * (2 u - 1) in float32 for each word w, u = (w >> 8) / 2^24: 16 numbers a pass, those of four counters that begin at $counter.
  ;; The counter's other words are $index, $epoch and $purpose, the key $key0 and $key1.
  (func (export "fill")
    (param $at i32) (param $passes i32) (param $bound f64)
    (param $counter i32) (param $index i32) (param $epoch i32) (param $purpose i32) (param $key0 i32) (param $key1 i32)
    (local $base v128) (local $c0 v128) (local $c1 v128) (local $c2 v128) (local $c3 v128)
    (local $a v128) (local $b v128) (local $low v128) (local $k0 i32) (local $k1 i32) (local $round i32) (local $scale v128)
    (local.set $scale (f64x2.splat (local.get $bound)))
    (local.set $base (i32x4.add (i32x4.splat (local.get $counter)) (v128.const i32x4 0 1 2 3)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $passes)))
        (local.set $c0 (local.get $base))
        (local.set $c1 (i32x4.splat (local.get $index)))
        (local.set $c2 (i32x4.splat (local.get $epoch)))
        (local.set $c3 (i32x4.splat (local.get $purpose)))
        (local.set $k0 (local.get $key0))
        (local.set $k1 (local.get $key1))
        (local.set $round (i32.const 10))
        (loop $rounds
          ;; The products of c0, then those of c2, each two of four.
          (local.set $a (i64x2.extmul_low_i32x4_u (local.get $c0) (v128.const i32x4 0xd2511f53 0xd2511f53 0xd2511f53 0xd2511f53)))
          (local.set $b (i64x2.extmul_high_i32x4_u (local.get $c0) (v128.const i32x4 0xd2511f53 0xd2511f53 0xd2511f53 0xd2511f53)))
          (local.set $low (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $a) (local.get $b)))
          (local.set $a (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $a) (local.get $b)))
          (local.set $c3 (v128.xor (v128.xor (local.get $a) (local.get $c3)) (i32x4.splat (local.get $k1))))
          (local.set $a (i64x2.extmul_low_i32x4_u (local.get $c2) (v128.const i32x4 0xcd9e8d57 0xcd9e8d57 0xcd9e8d57 0xcd9e8d57)))
          (local.set $b (i64x2.extmul_high_i32x4_u (local.get $c2) (v128.const i32x4 0xcd9e8d57 0xcd9e8d57 0xcd9e8d57 0xcd9e8d57)))
          (local.set $c0
            (v128.xor
              (v128.xor
                (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $a) (local.get $b))
                (local.get $c1))
              (i32x4.splat (local.get $k0))))
          (local.set $c1 (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $a) (local.get $b)))
          (local.set $c2 (local.get $c3))
          (local.set $c3 (local.get $low))
          (local.set $k0 (i32.add (local.get $k0) (i32.const 0x9e3779b9)))
          (local.set $k1 (i32.add (local.get $k1) (i32.const 0xbb67ae85)))
          (br_if $rounds (local.tee $round (i32.sub (local.get $round) (i32.const 1)))))
        ;; A counter's four words stand together in the output.
        (local.set $a (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c0) (local.get $c1)))
        (local.set $b (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c2) (local.get $c3)))
        (call $store (local.get $at) (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b)) (local.get $scale))
        (call $store
          (i32.add (local.get $at) (i32.const 16))
          (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $a) (local.get $b))
          (local.get $scale))
        (local.set $a (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c0) (local.get $c1)))
        (local.set $b (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c2) (local.get $c3)))
        (call $store
          (i32.add (local.get $at) (i32.const 32))
          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $b))
          (local.get $scale))
        (call $store
          (i32.add (local.get $at) (i32.const 48))
          (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $a) (local.get $b))
          (local.get $scale))
        (local.set $base (i32x4.add (local.get $base) (v128.const i32x4 4 4 4 4)))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (local.set $passes (i32.sub (local.get $passes) (i32.const 1)))
        (br $next))))

  ;; Stores four words as numbers: exact in float64 but for the product and the rounding to float32, as JavaScript computes them.
  (func $store (param $at i32) (param $words v128) (param $scale v128)
    (local.set $words (i32x4.shr_u (local.get $words) (i32.const 8)))
    (v128.store
      (local.get $at)
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
        (call $number (local.get $words) (local.get $scale))
        (call $number (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $words) (local.get $words)) (local.get $scale)))))

  (func $number (param $words v128) (param $scale v128) (result v128)
    (f32x4.demote_f64x2_zero
      (f64x2.mul
        (local.get $scale)
        (f64x2.sub
          (f64x2.mul (f64x2.convert_low_i32x4_u (local.get $words)) (v128.const f64x2 0x1p-23 0x1p-23))
          (v128.const f64x2 1 1))))))
