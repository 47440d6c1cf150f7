// exp and GELU on vectors.
#pragma once
#include "simd.h"

// exp(x) for x <= 88: Cody and Waite's reduction, Cephes' polynomial (expf.c), relative error 1e-7; 0 below the smallest normal number.
INLINE Floats exponential(Floats x) {
  const Ints vanishes = x < all(-87.33654f);
  const Floats shift = all(12582912.f); // 1.5 * 2^23: adding it rounds to a whole number, which is then in the low bits
  const Floats shifted = multiply_add(x, all(1.44269504f), shift);
  const Floats n = shifted - shift;
  Floats r = multiply_add(n, all(-0.693359375f), x);
  r = multiply_add(n, all(2.12194440e-4f), r);
  Floats p = all(1.9875691500e-4f);
  p = multiply_add(p, r, all(1.3981999507e-3f));
  p = multiply_add(p, r, all(8.3334519073e-3f));
  p = multiply_add(p, r, all(4.1665795894e-2f));
  p = multiply_add(p, r, all(1.6666665459e-1f));
  p = multiply_add(p, r, all(5.0000001201e-1f));
  p = multiply_add(r * r, p, r + all(1.f));
  const Ints power = (Ints)((Words)((Ints)shifted - 0x4B400000 + 127) << 23); // 2^n
  return (Floats)((Ints)(p * (Floats)power) & ~vanishes);
}

// The normal distribution's Phi(u), by Abramowitz & Stegun 7.1.26 (error 1.5e-7), and exp(-u^2 / 2).
INLINE Floats normal(Floats u, Floats *density) {
  const Floats z = (Floats)((Ints)u & 0x7fffffff) * all(0.70710678f);
  *density = exponential(u * u * all(-.5f));
  const Floats t = all(1.f) / multiply_add(z, all(0.3275911f), all(1.f));
  Floats p = all(1.061405429f * .5f);
  p = multiply_add(p, t, all(-1.453152027f * .5f));
  p = multiply_add(p, t, all(1.421413741f * .5f));
  p = multiply_add(p, t, all(-0.284496736f * .5f));
  p = multiply_add(p, t, all(0.254829592f * .5f));
  const Floats tail = p * t * *density;
  return choose(u >= all(0.f), all(1.f) - tail, tail);
}

// gelu(u), and its derivative: together, as both need the exponential and the division.
INLINE Floats gelu(Floats u, Floats *slope) {
  Floats density;
  const Floats phi = normal(u, &density);
  *slope = multiply_add(u * density, all(0.39894228f), phi);
  return u * phi;
}
