;; The hot loops of training, over float32 ranges of one imported memory. Every address is a byte offset, every length a count
;; of elements. Loops count down what is left, because an end address of 2^32 would wrap to 0.
;; Only operations that IEEE 754 rounds exactly are used, in the order that kernels.ts states, so that the plain JavaScript
;; twin gives the same bits.
(module
  (import "arena" "memory" (memory 0 65536))

  ;; dst[i] = a[i] + b[i]; dst may be a or b.
  (func (export "add") (param $dst i32) (param $a i32) (param $b i32) (param $length i32)
    (block $done
      (loop $next
        (br_if $done (i32.lt_u (local.get $length) (i32.const 16)))
        (v128.store (local.get $dst) (f32x4.add (v128.load (local.get $a)) (v128.load (local.get $b))))
        (v128.store offset=16 (local.get $dst) (f32x4.add (v128.load offset=16 (local.get $a)) (v128.load offset=16 (local.get $b))))
        (v128.store offset=32 (local.get $dst) (f32x4.add (v128.load offset=32 (local.get $a)) (v128.load offset=32 (local.get $b))))
        (v128.store offset=48 (local.get $dst) (f32x4.add (v128.load offset=48 (local.get $a)) (v128.load offset=48 (local.get $b))))
        (local.set $dst (i32.add (local.get $dst) (i32.const 64)))
        (local.set $a (i32.add (local.get $a) (i32.const 64)))
        (local.set $b (i32.add (local.get $b) (i32.const 64)))
        (local.set $length (i32.sub (local.get $length) (i32.const 16)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (f32.store (local.get $dst) (f32.add (f32.load (local.get $a)) (f32.load (local.get $b))))
        (local.set $dst (i32.add (local.get $dst) (i32.const 4)))
        (local.set $a (i32.add (local.get $a) (i32.const 4)))
        (local.set $b (i32.add (local.get $b) (i32.const 4)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next))))

  ;; Adds x[i]^2 to float64 lane i mod 8 at $lanes.
  (func (export "sumSquares") (param $src i32) (param $length i32) (param $lanes i32)
    (local $x v128) (local $d v128) (local $x1 f64)
    (local $sum0 v128) (local $sum1 v128) (local $sum2 v128) (local $sum3 v128)
    (local.set $sum0 (v128.load (local.get $lanes)))
    (local.set $sum1 (v128.load offset=16 (local.get $lanes)))
    (local.set $sum2 (v128.load offset=32 (local.get $lanes)))
    (local.set $sum3 (v128.load offset=48 (local.get $lanes)))
    (block $done
      (loop $next
        (br_if $done (i32.lt_u (local.get $length) (i32.const 8)))
        (local.set $x (v128.load (local.get $src)))
        (local.set $d (f64x2.promote_low_f32x4 (local.get $x)))
        (local.set $sum0 (f64x2.add (local.get $sum0) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $d (f64x2.promote_low_f32x4 (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $x) (local.get $x))))
        (local.set $sum1 (f64x2.add (local.get $sum1) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $x (v128.load offset=16 (local.get $src)))
        (local.set $d (f64x2.promote_low_f32x4 (local.get $x)))
        (local.set $sum2 (f64x2.add (local.get $sum2) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $d (f64x2.promote_low_f32x4 (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $x) (local.get $x))))
        (local.set $sum3 (f64x2.add (local.get $sum3) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $src (i32.add (local.get $src) (i32.const 32)))
        (local.set $length (i32.sub (local.get $length) (i32.const 8)))
        (br $next)))
    (v128.store (local.get $lanes) (local.get $sum0))
    (v128.store offset=16 (local.get $lanes) (local.get $sum1))
    (v128.store offset=32 (local.get $lanes) (local.get $sum2))
    (v128.store offset=48 (local.get $lanes) (local.get $sum3))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $x1 (f64.promote_f32 (f32.load (local.get $src))))
        (f64.store (local.get $lanes) (f64.add (f64.load (local.get $lanes)) (f64.mul (local.get $x1) (local.get $x1))))
        (local.set $src (i32.add (local.get $src) (i32.const 4)))
        (local.set $lanes (i32.add (local.get $lanes) (i32.const 8)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next))))

  ;; sum over i of (length - i) * word i, in 64 bits: a adds words, b adds the sums so far. Lane j of four sees words 4k + j, whose
  ;; weight is 4 times that of its group, less j.
  (func (export "checksum") (param $src i32) (param $length i32) (result i64)
    (local $x v128) (local $a0 v128) (local $a1 v128) (local $b0 v128) (local $b1 v128) (local $sum i64) (local $weighted i64)
    (block $done
      (loop $next
        (br_if $done (i32.lt_u (local.get $length) (i32.const 4)))
        (local.set $x (v128.load (local.get $src)))
        (local.set $a0 (i64x2.add (local.get $a0) (i64x2.extend_low_i32x4_u (local.get $x))))
        (local.set $a1 (i64x2.add (local.get $a1) (i64x2.extend_high_i32x4_u (local.get $x))))
        (local.set $b0 (i64x2.add (local.get $b0) (local.get $a0)))
        (local.set $b1 (i64x2.add (local.get $b1) (local.get $a1)))
        (local.set $src (i32.add (local.get $src) (i32.const 16)))
        (local.set $length (i32.sub (local.get $length) (i32.const 4)))
        (br $next)))
    (local.set $x (i64x2.add (local.get $a0) (local.get $a1)))
    (local.set $sum (i64.add (i64x2.extract_lane 0 (local.get $x)) (i64x2.extract_lane 1 (local.get $x))))
    (local.set $x (i64x2.sub
      (i64x2.shl (i64x2.add (local.get $b0) (local.get $b1)) (i32.const 2))
      (i64x2.add
        (i64x2.mul (local.get $a0) (v128.const i64x2 0 1))
        (i64x2.mul (local.get $a1) (v128.const i64x2 2 3)))))
    (local.set $weighted (i64.add (i64x2.extract_lane 0 (local.get $x)) (i64x2.extract_lane 1 (local.get $x))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $sum (i64.add (local.get $sum) (i64.load32_u (local.get $src))))
        (local.set $weighted (i64.add (local.get $weighted) (local.get $sum)))
        (local.set $src (i32.add (local.get $src) (i32.const 4)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (local.get $weighted))

  ;; The upper half of a float32, rounded to nearest, ties to even; a NaN stays a (quiet) NaN of the same sign.
  (func $round4 (param $bits v128) (result v128)
    (v128.bitselect
      (v128.or (i32x4.shr_u (local.get $bits) (i32.const 16)) (v128.const i32x4 0x40 0x40 0x40 0x40))
      (i32x4.shr_u
        (i32x4.add
          (i32x4.add (local.get $bits) (v128.const i32x4 0x7fff 0x7fff 0x7fff 0x7fff))
          (v128.and (i32x4.shr_u (local.get $bits) (i32.const 16)) (v128.const i32x4 1 1 1 1)))
        (i32.const 16))
      (i32x4.gt_s
        (v128.and (local.get $bits) (v128.const i32x4 0x7fffffff 0x7fffffff 0x7fffffff 0x7fffffff))
        (v128.const i32x4 0x7f800000 0x7f800000 0x7f800000 0x7f800000))))

  ;; float32 -> bfloat16: $length numbers of 4 bytes at $src become $length numbers of 2 bytes at $dst.
  (func (export "packBfloat16") (param $dst i32) (param $src i32) (param $length i32)
    (block $done
      (loop $next
        (br_if $done (i32.lt_u (local.get $length) (i32.const 8)))
        (v128.store (local.get $dst)
          (i16x8.narrow_i32x4_u
            (call $round4 (v128.load (local.get $src)))
            (call $round4 (v128.load offset=16 (local.get $src)))))
        (local.set $dst (i32.add (local.get $dst) (i32.const 16)))
        (local.set $src (i32.add (local.get $src) (i32.const 32)))
        (local.set $length (i32.sub (local.get $length) (i32.const 8)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (i32.store16 (local.get $dst) (i32x4.extract_lane 0 (call $round4 (v128.load32_zero (local.get $src)))))
        (local.set $dst (i32.add (local.get $dst) (i32.const 2)))
        (local.set $src (i32.add (local.get $src) (i32.const 4)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next))))

  ;; bfloat16 -> float32, exact.
  (func (export "unpackBfloat16") (param $dst i32) (param $src i32) (param $length i32)
    (block $done
      (loop $next
        (br_if $done (i32.lt_u (local.get $length) (i32.const 8)))
        (v128.store (local.get $dst) (i32x4.shl (v128.load16x4_u (local.get $src)) (i32.const 16)))
        (v128.store offset=16 (local.get $dst) (i32x4.shl (v128.load16x4_u offset=8 (local.get $src)) (i32.const 16)))
        (local.set $dst (i32.add (local.get $dst) (i32.const 32)))
        (local.set $src (i32.add (local.get $src) (i32.const 16)))
        (local.set $length (i32.sub (local.get $length) (i32.const 8)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (i32.store (local.get $dst) (i32.shl (i32.load16_u (local.get $src)) (i32.const 16)))
        (local.set $dst (i32.add (local.get $dst) (i32.const 4)))
        (local.set $src (i32.add (local.get $src) (i32.const 2)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))))
