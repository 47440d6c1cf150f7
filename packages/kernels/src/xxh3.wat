;; XXH3 with 64 bits, seed 0 and the default secret (Collet, github.com/Cyan4973/xxHash, doc/xxhash_spec.md). The imported memory, by byte
;; offsets:
;;   0    the secret, 192 bytes
;;   192  the result, 8 bytes
;;   256  eight accumulators of 64 bits
;;   384  input; the 64 bytes before it are those that came before, where there were any
(module
  (import "hash" "memory" (memory 1 65536))

  (global $P32_1 i64 (i64.const 0x9e3779b1))
  (global $P64_1 i64 (i64.const 0x9e3779b185ebca87))
  (global $P64_2 i64 (i64.const 0xc2b2ae3d27d4eb4f))
  (global $P64_3 i64 (i64.const 0x165667b19e3779f9))
  (global $INPUT i32 (i32.const 384))

  ;; Begins an input of more than 240 bytes.
  (func (export "begin")
    (v128.store (i32.const 256) (v128.const i64x2 0xc2b2ae3d 0x9e3779b185ebca87))
    (v128.store (i32.const 272) (v128.const i64x2 0xc2b2ae3d27d4eb4f 0x165667b19e3779f9))
    (v128.store (i32.const 288) (v128.const i64x2 0x85ebca77c2b2ae63 0x85ebca77))
    (v128.store (i32.const 304) (v128.const i64x2 0x27d4eb2f165667c5 0x9e3779b1)))

  ;; Takes the next $blocks blocks of 1024 bytes, after which at least one byte is to come.
  (func $takeBlocks (export "takeBlocks") (param $blocks i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $INPUT))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $blocks)))
        (call $takeStripes (local.get $at) (i32.const 16) (i32.const 0))
        (call $scramble)
        (local.set $at (i32.add (local.get $at) (i32.const 1024)))
        (local.set $blocks (i32.sub (local.get $blocks) (i32.const 1)))
        (br $next)))
    (local.get $at))

  ;; Ends an input of $length bytes, more than 240, with its last $rest bytes, at least one.
  (func (export "end") (param $rest i32) (param $length f64)
    (local $at i32) (local $end i32) (local $sum i64) (local $length64 i64)
    (local.set $length64 (i64.trunc_f64_u (local.get $length)))
    (local.set $end (i32.add (global.get $INPUT) (local.get $rest)))
    (local.set $at (call $takeBlocks (i32.shr_u (i32.sub (local.get $rest) (i32.const 1)) (i32.const 10))))
    (call $takeStripes
      (local.get $at)
      (i32.shr_u (i32.sub (i32.sub (local.get $end) (local.get $at)) (i32.const 1)) (i32.const 6))
      (i32.const 0))
    (call $takeStripes (i32.sub (local.get $end) (i32.const 64)) (i32.const 1) (i32.const 121))
    (local.set $sum (i64.mul (local.get $length64) (global.get $P64_1)))
    (local.set $at (i32.const 0))
    (loop $next
      (local.set $sum
        (i64.add
          (local.get $sum)
          (call $fold
            (i64.xor (i64.load offset=256 (local.get $at)) (i64.load offset=11 (local.get $at)))
            (i64.xor (i64.load offset=264 (local.get $at)) (i64.load offset=19 (local.get $at))))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (i32.const 64))))
    (i64.store (i32.const 192) (call $avalanche (local.get $sum))))

  ;; Adds $stripes stripes of 64 bytes to the accumulators; the secret moves on by 8 bytes with each. Each 64 bits of data go to their own
  ;; sum as the product of the halves of data ^ secret, and to their neighbour's as they are; those change places at the end.
  (func $takeStripes (param $at i32) (param $stripes i32) (param $secret i32)
    (local $sum0 v128) (local $sum1 v128) (local $sum2 v128) (local $sum3 v128)
    (local $plain0 v128) (local $plain1 v128) (local $plain2 v128) (local $plain3 v128)
    (local $data0 v128) (local $data1 v128) (local $key0 v128) (local $key1 v128) (local $low v128) (local $high v128)
    (local.set $sum0 (v128.load (i32.const 256)))
    (local.set $sum1 (v128.load (i32.const 272)))
    (local.set $sum2 (v128.load (i32.const 288)))
    (local.set $sum3 (v128.load (i32.const 304)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $stripes)))
        (local.set $data0 (v128.load (local.get $at)))
        (local.set $data1 (v128.load offset=16 (local.get $at)))
        (local.set $key0 (v128.xor (local.get $data0) (v128.load (local.get $secret))))
        (local.set $key1 (v128.xor (local.get $data1) (v128.load offset=16 (local.get $secret))))
        (local.set $low
          (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $key0) (local.get $key1)))
        (local.set $high
          (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $key0) (local.get $key1)))
        (local.set $sum0 (i64x2.add (local.get $sum0) (i64x2.extmul_low_i32x4_u (local.get $low) (local.get $high))))
        (local.set $sum1 (i64x2.add (local.get $sum1) (i64x2.extmul_high_i32x4_u (local.get $low) (local.get $high))))
        (local.set $plain0 (i64x2.add (local.get $plain0) (local.get $data0)))
        (local.set $plain1 (i64x2.add (local.get $plain1) (local.get $data1)))
        (local.set $data0 (v128.load offset=32 (local.get $at)))
        (local.set $data1 (v128.load offset=48 (local.get $at)))
        (local.set $key0 (v128.xor (local.get $data0) (v128.load offset=32 (local.get $secret))))
        (local.set $key1 (v128.xor (local.get $data1) (v128.load offset=48 (local.get $secret))))
        (local.set $low
          (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $key0) (local.get $key1)))
        (local.set $high
          (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $key0) (local.get $key1)))
        (local.set $sum2 (i64x2.add (local.get $sum2) (i64x2.extmul_low_i32x4_u (local.get $low) (local.get $high))))
        (local.set $sum3 (i64x2.add (local.get $sum3) (i64x2.extmul_high_i32x4_u (local.get $low) (local.get $high))))
        (local.set $plain2 (i64x2.add (local.get $plain2) (local.get $data0)))
        (local.set $plain3 (i64x2.add (local.get $plain3) (local.get $data1)))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (local.set $secret (i32.add (local.get $secret) (i32.const 8)))
        (local.set $stripes (i32.sub (local.get $stripes) (i32.const 1)))
        (br $next)))
    (v128.store (i32.const 256)
      (i64x2.add (local.get $sum0)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $plain0) (local.get $plain0))))
    (v128.store (i32.const 272)
      (i64x2.add (local.get $sum1)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $plain1) (local.get $plain1))))
    (v128.store (i32.const 288)
      (i64x2.add (local.get $sum2)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $plain2) (local.get $plain2))))
    (v128.store (i32.const 304)
      (i64x2.add (local.get $sum3)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $plain3) (local.get $plain3)))))

  ;; After each block.
  (func $scramble
    (local $at i32) (local $sum v128)
    (loop $next
      (local.set $sum (v128.load offset=256 (local.get $at)))
      (v128.store offset=256 (local.get $at)
        (i64x2.mul
          (v128.xor
            (v128.xor (local.get $sum) (i64x2.shr_u (local.get $sum) (i32.const 47)))
            (v128.load offset=128 (local.get $at)))
          (i64x2.splat (global.get $P32_1))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (i32.const 64)))))

  ;; The whole hash of an input of at most 240 bytes.
  (func (export "whole") (param $length i32)
    (i64.store (i32.const 192) (call $short (local.get $length) (i64.extend_i32_u (local.get $length)))))

  (func $short (param $length i32) (param $length64 i64) (result i64)
    (local $end i32) (local $at i32) (local $sum i64) (local $low i64) (local $high i64)
    (local.set $end (i32.add (global.get $INPUT) (local.get $length)))
    (if (i32.eqz (local.get $length))
      (then (return (call $avalanche64 (i64.xor (i64.load (i32.const 56)) (i64.load (i32.const 64)))))))
    (if (i32.le_u (local.get $length) (i32.const 3))
      (then
        (return
          (call $avalanche64
            (i64.xor
              (i64.extend_i32_u (i32.xor (i32.load (i32.const 0)) (i32.load (i32.const 4))))
              (i64.extend_i32_u
                (i32.or
                  (i32.or
                    (i32.shl (i32.load8_u (global.get $INPUT)) (i32.const 16))
                    (i32.shl
                      (i32.load8_u (i32.add (global.get $INPUT) (i32.shr_u (local.get $length) (i32.const 1))))
                      (i32.const 24)))
                  (i32.or
                    (i32.load8_u (i32.sub (local.get $end) (i32.const 1)))
                    (i32.shl (local.get $length) (i32.const 8))))))))))
    (if (i32.le_u (local.get $length) (i32.const 8))
      (then
        (local.set $sum
          (i64.xor
            (i64.xor (i64.load (i32.const 8)) (i64.load (i32.const 16)))
            (i64.add
              (i64.load32_u (i32.sub (local.get $end) (i32.const 4)))
              (i64.shl (i64.load32_u (global.get $INPUT)) (i64.const 32)))))
        (local.set $sum
          (i64.mul
            (i64.xor
              (local.get $sum)
              (i64.xor (i64.rotl (local.get $sum) (i64.const 49)) (i64.rotl (local.get $sum) (i64.const 24))))
            (i64.const 0x9fb21c651e98df25)))
        (local.set $sum
          (i64.mul
            (i64.xor
              (local.get $sum)
              (i64.add (i64.shr_u (local.get $sum) (i64.const 35)) (local.get $length64)))
            (i64.const 0x9fb21c651e98df25)))
        (return (i64.xor (local.get $sum) (i64.shr_u (local.get $sum) (i64.const 28))))))
    (if (i32.le_u (local.get $length) (i32.const 16))
      (then
        (local.set $low
          (i64.xor
            (i64.xor (i64.load (i32.const 24)) (i64.load (i32.const 32)))
            (i64.load (global.get $INPUT))))
        (local.set $high
          (i64.xor
            (i64.xor (i64.load (i32.const 40)) (i64.load (i32.const 48)))
            (i64.load (i32.sub (local.get $end) (i32.const 8)))))
        (return
          (call $avalanche
            (i64.add
              (i64.add (local.get $length64) (call $swapBytes (local.get $low)))
              (i64.add (local.get $high) (call $fold (local.get $low) (local.get $high))))))))
    (local.set $sum (i64.mul (local.get $length64) (global.get $P64_1)))
    (if (i32.le_u (local.get $length) (i32.const 128))
      (then
        ;; Pairs of 16 bytes from both ends, as many as there are.
        (local.set $at (i32.shl (i32.shr_u (i32.sub (local.get $length) (i32.const 1)) (i32.const 5)) (i32.const 4)))
        (loop $next
          (local.set $sum
            (i64.add
              (local.get $sum)
              (i64.add
                (call $mix (i32.add (global.get $INPUT) (local.get $at)) (i32.shl (local.get $at) (i32.const 1)))
                (call $mix
                  (i32.sub (i32.sub (local.get $end) (i32.const 16)) (local.get $at))
                  (i32.add (i32.shl (local.get $at) (i32.const 1)) (i32.const 16))))))
          (local.set $at (i32.sub (local.get $at) (i32.const 16)))
          (br_if $next (i32.ge_s (local.get $at) (i32.const 0))))
        (return (call $avalanche (local.get $sum)))))
    (loop $next
      (local.set $sum
        (i64.add
          (local.get $sum)
          (call $mix
            (i32.add (global.get $INPUT) (local.get $at))
            (select
              (local.get $at)
              (i32.sub (local.get $at) (i32.const 125))
              (i32.lt_u (local.get $at) (i32.const 128))))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (if (i32.eq (local.get $at) (i32.const 128)) (then (local.set $sum (call $avalanche (local.get $sum)))))
      (br_if $next (i32.le_u (i32.add (local.get $at) (i32.const 16)) (local.get $length))))
    (call $avalanche (i64.add (local.get $sum) (call $mix (i32.sub (local.get $end) (i32.const 16)) (i32.const 119)))))

  (func $mix (param $at i32) (param $secret i32) (result i64)
    (call $fold
      (i64.xor (i64.load (local.get $at)) (i64.load (local.get $secret)))
      (i64.xor (i64.load offset=8 (local.get $at)) (i64.load offset=8 (local.get $secret)))))

  ;; The halves of the product of 128 bits, one xor the other.
  (func $fold (param $a i64) (param $b i64) (result i64)
    (local $aHigh i64) (local $bHigh i64) (local $lowLow i64) (local $cross i64) (local $highLow i64)
    (local.set $aHigh (i64.shr_u (local.get $a) (i64.const 32)))
    (local.set $bHigh (i64.shr_u (local.get $b) (i64.const 32)))
    (local.set $lowLow
      (i64.mul (i64.and (local.get $a) (i64.const 0xffffffff)) (i64.and (local.get $b) (i64.const 0xffffffff))))
    (local.set $highLow (i64.mul (local.get $aHigh) (i64.and (local.get $b) (i64.const 0xffffffff))))
    (local.set $cross
      (i64.add
        (i64.add
          (i64.shr_u (local.get $lowLow) (i64.const 32))
          (i64.and (local.get $highLow) (i64.const 0xffffffff)))
        (i64.mul (i64.and (local.get $a) (i64.const 0xffffffff)) (local.get $bHigh))))
    (i64.xor
      (i64.mul (local.get $a) (local.get $b))
      (i64.add
        (i64.add
          (i64.shr_u (local.get $highLow) (i64.const 32))
          (i64.shr_u (local.get $cross) (i64.const 32)))
        (i64.mul (local.get $aHigh) (local.get $bHigh)))))

  (func $swapBytes (param $value i64) (result i64)
    (i64x2.extract_lane 0
      (i8x16.swizzle (i64x2.splat (local.get $value)) (v128.const i8x16 7 6 5 4 3 2 1 0 0 0 0 0 0 0 0 0))))

  (func $avalanche (param $hash i64) (result i64)
    (local.set $hash
      (i64.mul
        (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 37)))
        (i64.const 0x165667919e3779f9)))
    (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 32))))

  ;; XXH64's.
  (func $avalanche64 (param $hash i64) (result i64)
    (local.set $hash
      (i64.mul (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 33))) (global.get $P64_2)))
    (local.set $hash
      (i64.mul (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 29))) (global.get $P64_3)))
    (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 32)))))
