// Seeded, forkable random numbers with the same stream on every machine: SplitMix64 seeds xoshiro256++
// (Blackman and Vigna, 2018, https://prng.di.unimi.it). The standard library's distributions are not portable, so the
// few that are needed stand here. Never for secrets: see base/crypto.h.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace rapport {

inline uint64_t SplitMix64(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// One owner, one thread; fork a child per unit of work instead of sharing.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = SplitMix64(seed);
  }

  uint64_t NextU64() {
    const uint64_t result = Rotate(state_[0] + state_[3], 23) + state_[0];
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = Rotate(state_[3], 45);
    return result;
  }
  // Uniform in [0, 1), 53 bits.
  double Uniform() { return static_cast<double>(NextU64() >> 11) * 0x1.0p-53; }
  // Uniform in [0, bound). REQUIRES bound > 0. Lemire's multiply without rejection: bias below bound / 2^64.
  uint64_t Below(uint64_t bound) { return static_cast<uint64_t>((static_cast<Wide>(NextU64()) * bound) >> 64); }
  // Standard normal, Box-Muller (one of the pair is dropped: no hidden state).
  double Normal() {
    const double u = 1.0 - Uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * Uniform());
  }
  double Exponential(double mean) { return -mean * std::log(1.0 - Uniform()); }
  // A stream independent of this one's later output, named by `stream`.
  Random Fork(uint64_t stream) const {
    uint64_t seed = state_[0] ^ (stream * 0xd1342543de82ef95ull + 1);
    return Random(SplitMix64(seed));
  }

 private:
  __extension__ typedef unsigned __int128 Wide;
  static uint64_t Rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  std::array<uint64_t, 4> state_{};
};

}  // namespace rapport
