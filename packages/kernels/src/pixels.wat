;; Resizing of 8-bit images by taps, in integers only, over one imported memory. Every address is a byte offset. Loads and stores reach at
;; most 15 bytes beyond what they are for; what is read there counts for nothing, what is written there is written again or is slack.
;;
;; Taps, one entry for each output pixel of a line: i32 first input pixel, i32 pairs of inputs, then for each pair the i16 weights high0,
;; high1, low0, low1, where a weight of 22 binary places is high * 4096 + low: two products of 16 bits with exact 32-bit sums instead of one
;; of 32 bits.
(module
  (import "arena" "memory" (memory 0 65536))

  ;; Across: $rows rows of pixels of $channels bytes (1 or 3), $rowBytes apart at $from, become $size pixels each, one row after the other
  ;; at $to.
  (func (export "weighPixels")
    (param $to i32) (param $from i32) (param $rows i32) (param $rowBytes i32) (param $channels i32)
    (param $taps i32) (param $tapBytes i32) (param $size i32)
    (local $mask v128) (local $tap i32) (local $x i32) (local $at i32) (local $weights i32) (local $pairs i32)
    (local $two v128) (local $high v128) (local $low v128)
    ;; Two pixels lie side by side; their values of one channel come together, as 16-bit numbers.
    (local.set $mask
      (select
        (v128.const i8x16 0 -1 3 -1 1 -1 4 -1 2 -1 5 -1 -1 -1 -1 -1)
        (v128.const i8x16 0 -1 1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1)
        (i32.eq (local.get $channels) (i32.const 3))))
    (block $done
      (loop $nextRow
        (br_if $done (i32.eqz (local.get $rows)))
        (local.set $tap (local.get $taps))
        (local.set $x (local.get $size))
        (loop $nextPixel
          (local.set $at (i32.add (local.get $from) (i32.mul (i32.load (local.get $tap)) (local.get $channels))))
          (local.set $pairs (i32.load offset=4 (local.get $tap)))
          (local.set $weights (i32.add (local.get $tap) (i32.const 8)))
          (local.set $high (v128.const i32x4 0 0 0 0))
          (local.set $low (v128.const i32x4 0x200000 0x200000 0x200000 0x200000)) ;; a half
          (loop $nextPair
            (local.set $two (i8x16.swizzle (v128.load64_zero (local.get $at)) (local.get $mask)))
            (local.set $high
              (i32x4.add (local.get $high) (i32x4.dot_i16x8_s (local.get $two) (v128.load32_splat (local.get $weights)))))
            (local.set $low
              (i32x4.add (local.get $low) (i32x4.dot_i16x8_s (local.get $two) (v128.load32_splat offset=4 (local.get $weights)))))
            (local.set $at (i32.add (local.get $at) (i32.shl (local.get $channels) (i32.const 1))))
            (local.set $weights (i32.add (local.get $weights) (i32.const 8)))
            (br_if $nextPair (local.tee $pairs (i32.sub (local.get $pairs) (i32.const 1)))))
          (local.set $two (call $rounded (local.get $high) (local.get $low)))
          (local.set $two (i16x8.narrow_i32x4_s (local.get $two) (local.get $two)))
          (i32.store (local.get $to) (i32x4.extract_lane 0 (i8x16.narrow_i16x8_u (local.get $two) (local.get $two))))
          (local.set $to (i32.add (local.get $to) (local.get $channels)))
          (local.set $tap (i32.add (local.get $tap) (local.get $tapBytes)))
          (br_if $nextPixel (local.tee $x (i32.sub (local.get $x) (i32.const 1)))))
        (local.set $from (i32.add (local.get $from) (local.get $rowBytes)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (br $nextRow))))

  ;; Down: rows of $rowBytes bytes, one after the other at $from, become $size rows at $to.
  (func (export "weighRows")
    (param $to i32) (param $from i32) (param $rowBytes i32) (param $taps i32) (param $tapBytes i32) (param $size i32)
    (local $at i32) (local $column i32) (local $weights i32) (local $pairs i32) (local $above v128) (local $below v128)
    (local $two v128) (local $high v128) (local $low v128)
    (local $high0 v128) (local $high1 v128) (local $high2 v128) (local $high3 v128)
    (local $low0 v128) (local $low1 v128) (local $low2 v128) (local $low3 v128)
    (loop $nextRow
      (local.set $column (i32.const 0))
      (loop $nextColumns
        (local.set $at
          (i32.add
            (i32.add (local.get $from) (local.get $column))
            (i32.mul (i32.load (local.get $taps)) (local.get $rowBytes))))
        (local.set $pairs (i32.load offset=4 (local.get $taps)))
        (local.set $weights (i32.add (local.get $taps) (i32.const 8)))
        (local.set $high0 (v128.const i32x4 0 0 0 0))
        (local.set $high1 (local.get $high0))
        (local.set $high2 (local.get $high0))
        (local.set $high3 (local.get $high0))
        (local.set $low0 (v128.const i32x4 0x200000 0x200000 0x200000 0x200000)) ;; a half
        (local.set $low1 (local.get $low0))
        (local.set $low2 (local.get $low0))
        (local.set $low3 (local.get $low0))
        (loop $nextPair
          (local.set $above (v128.load (local.get $at)))
          (local.set $below (v128.load (i32.add (local.get $at) (local.get $rowBytes))))
          (local.set $high (v128.load32_splat (local.get $weights)))
          (local.set $low (v128.load32_splat offset=4 (local.get $weights)))
          (local.set $two
            (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $above) (local.get $below)))
          (local.set $below
            (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $above) (local.get $below)))
          (local.set $above (i16x8.extend_low_i8x16_u (local.get $two)))
          (local.set $two (i16x8.extend_high_i8x16_u (local.get $two)))
          (local.set $high0 (i32x4.add (local.get $high0) (i32x4.dot_i16x8_s (local.get $above) (local.get $high))))
          (local.set $low0 (i32x4.add (local.get $low0) (i32x4.dot_i16x8_s (local.get $above) (local.get $low))))
          (local.set $high1 (i32x4.add (local.get $high1) (i32x4.dot_i16x8_s (local.get $two) (local.get $high))))
          (local.set $low1 (i32x4.add (local.get $low1) (i32x4.dot_i16x8_s (local.get $two) (local.get $low))))
          (local.set $above (i16x8.extend_low_i8x16_u (local.get $below)))
          (local.set $two (i16x8.extend_high_i8x16_u (local.get $below)))
          (local.set $high2 (i32x4.add (local.get $high2) (i32x4.dot_i16x8_s (local.get $above) (local.get $high))))
          (local.set $low2 (i32x4.add (local.get $low2) (i32x4.dot_i16x8_s (local.get $above) (local.get $low))))
          (local.set $high3 (i32x4.add (local.get $high3) (i32x4.dot_i16x8_s (local.get $two) (local.get $high))))
          (local.set $low3 (i32x4.add (local.get $low3) (i32x4.dot_i16x8_s (local.get $two) (local.get $low))))
          (local.set $at (i32.add (local.get $at) (i32.shl (local.get $rowBytes) (i32.const 1))))
          (local.set $weights (i32.add (local.get $weights) (i32.const 8)))
          (br_if $nextPair (local.tee $pairs (i32.sub (local.get $pairs) (i32.const 1)))))
        (v128.store (i32.add (local.get $to) (local.get $column))
          (i8x16.narrow_i16x8_u
            (i16x8.narrow_i32x4_s
              (call $rounded (local.get $high0) (local.get $low0))
              (call $rounded (local.get $high1) (local.get $low1)))
            (i16x8.narrow_i32x4_s
              (call $rounded (local.get $high2) (local.get $low2))
              (call $rounded (local.get $high3) (local.get $low3)))))
        (local.set $column (i32.add (local.get $column) (i32.const 16)))
        (br_if $nextColumns (i32.lt_u (local.get $column) (local.get $rowBytes))))
      (local.set $to (i32.add (local.get $to) (local.get $rowBytes)))
      (local.set $taps (i32.add (local.get $taps) (local.get $tapBytes)))
      (br_if $nextRow (local.tee $size (i32.sub (local.get $size) (i32.const 1))))))

  ;; Sums of products to whole numbers; a half is in $low already.
  (func $rounded (param $high v128) (param $low v128) (result v128)
    (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $high) (i32.const 12)) (local.get $low)) (i32.const 22)))

  ;; Pixels of $step bytes, $side x $side of them at $from, become one plane of float32 at $to: each value is looked up in the 256 at
  ;; $table. $turn is 4 from left to right; -4 mirrors, and $to is then the end of the first row.
  (func (export "lookUpPlane")
    (param $to i32) (param $from i32) (param $table i32) (param $side i32) (param $step i32) (param $turn i32)
    (local $x i32) (local $y i32)
    (local.set $y (local.get $side))
    (loop $nextRow
      (local.set $x (local.get $side))
      (loop $nextPixel
        (f32.store (local.get $to) (f32.load (i32.add (local.get $table) (i32.shl (i32.load8_u (local.get $from)) (i32.const 2)))))
        (local.set $from (i32.add (local.get $from) (local.get $step)))
        (local.set $to (i32.add (local.get $to) (local.get $turn)))
        (br_if $nextPixel (local.tee $x (i32.sub (local.get $x) (i32.const 1)))))
      ;; Mirrored rows were written from their end: the next one begins two rows on.
      (if (i32.lt_s (local.get $turn) (i32.const 0))
        (then (local.set $to (i32.add (local.get $to) (i32.shl (local.get $side) (i32.const 3))))))
      (br_if $nextRow (local.tee $y (i32.sub (local.get $y) (i32.const 1)))))))
