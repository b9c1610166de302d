// Whether the time of refusing a key says how much of it was right: Welch's t between refusals of secrets that are
// wrong in their first character and of those wrong in their last, interleaved, the slowest tenth left out. Below 4.5:
// nothing to see. The broken twin compares the texts and stops at the first difference.
//
// Both stand in the same bytes of memory when they are asked and are drawn in random order: two texts at two places
// differ in time by where they lie (two equal ones gave t = -63).
//
//   rapport_key_timing [PAIRS]
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/auth.h"

namespace rapport {
namespace {

constexpr int kKeys = 9;

class OneKey final : public KeySource {
 public:
  explicit OneKey(ApiKey key) : key_(std::move(key)) {}
  Result<ApiKey> Find(const std::string& id) const override {
    if (id != key_.id) return Status::NotFound("no such key");
    return key_;
  }

 private:
  const ApiKey key_;
};

using Refuses = std::function<bool(const std::string& text)>;

// Both candidates are read at each turn and one is taken by a mask: which one it is changes nothing but the bytes.
double Nanoseconds(const Refuses& refuses, const std::string& first, const std::string& last, bool is_last,
                   std::string* text) {
  const auto mask = static_cast<unsigned char>(is_last ? 0xff : 0);
  for (size_t i = 0; i < text->size(); ++i) {
    const auto differ = static_cast<unsigned char>(first[i] ^ last[i]);
    (*text)[i] = static_cast<char>(first[i] ^ static_cast<char>(mask & differ));
  }
  const auto begin = std::chrono::steady_clock::now();
  if (!refuses(*text)) std::abort();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

struct Moments {
  double mean = 0, variance = 0, count = 0;
};

Moments MomentsOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  values.resize(values.size() * 9 / 10);
  Moments out;
  out.count = static_cast<double>(values.size());
  for (const double value : values) out.mean += value / out.count;
  for (const double value : values) out.variance += (value - out.mean) * (value - out.mean) / (out.count - 1);
  return out;
}

double WelchT(size_t pairs, const Refuses& refuses, const std::string& first, const std::string& last) {
  std::array<std::vector<double>, 2> took;  // of first and last
  std::string text = first;
  std::mt19937_64 random(1);
  for (size_t i = 0; i < pairs; ++i) {
    const size_t begin = random() & 1;  // a pattern would be learnt by the processor
    for (const size_t which : {begin, 1 - begin}) {
      took[which].push_back(Nanoseconds(refuses, first, last, which == 1, &text));
    }
  }
  const Moments a = MomentsOf(std::move(took[0])), b = MomentsOf(std::move(took[1]));
  return (b.mean - a.mean) / std::sqrt(a.variance / a.count + b.variance / b.count);
}

// Stops where the first difference is. Written out, so that no library does better.
bool EarlyEqual(const std::string& a, const std::string& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (*const_cast<const volatile char*>(&a[i]) != b[i]) return false;
  }
  return true;
}

// One key's t, and the twin's.
std::pair<double, double> OfOneKey(size_t pairs, const NewKey& key) {
  const OneKey keys(key.record);
  Authenticator authenticator(keys, SecretKey{1});
  const std::string good = key.text;
  const auto changed = [&](size_t at) {
    std::string text = good;
    text[at] = text[at] == 'A' ? 'B' : 'A';
    return text;
  };
  const std::string first = changed(ParseKey(good)->secret.data() - good.data()), last = changed(good.size() - 1);
  const Refuses refuses = [&](const std::string& text) {
    return !authenticator.Authenticate({"", text, ""}, Timestamp{1}).ok();
  };
  const Refuses refuses_early = [&](const std::string& text) { return !EarlyEqual(good, text); };
  (void)WelchT(pairs / 10, refuses, first, last);  // warm
  return {WelchT(pairs, refuses, first, last), WelchT(pairs, refuses_early, first, last)};
}

int Run(size_t pairs) {
  std::vector<double> of_keys, of_twins;
  for (int i = 0; i < kKeys; ++i) {
    const Result<NewKey> key = MakeKey("bench", KeyKind::kServer, 0xff, Timestamp{0});
    if (!key.ok()) return 1;
    const auto [t, twin] = OfOneKey(pairs, *key);
    of_keys.push_back(t);
    of_twins.push_back(twin);
  }
  for (auto* all : {&of_keys, &of_twins}) {
    std::sort(all->begin(), all->end());
    std::printf("%s: t = %.2f [%.2f %.2f] over %d keys, %zu pairs each\n", all == &of_keys ? "keys" : "broken twin",
                (*all)[kKeys / 2], all->front(), all->back(), kKeys, pairs);
  }
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) { return rapport::Run(argc > 1 ? static_cast<size_t>(std::atoll(argv[1])) : 200000); }
