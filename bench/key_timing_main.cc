// Whether the time of refusing a key says how much of it was right: Welch's t between refusals of secrets that are
// wrong in their first character and of those wrong in their last, interleaved, the slowest tenth left out. Below 4.5:
// nothing to see. The broken twin compares the texts and stops at the first difference.
//
//   rapport_key_timing [PAIRS]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "server/auth.h"

namespace rapport {
namespace {

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

double Nanoseconds(const std::function<bool()>& refuses) {
  const auto begin = std::chrono::steady_clock::now();
  if (!refuses()) std::abort();
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

double WelchT(size_t pairs, const std::function<bool()>& first, const std::function<bool()>& last) {
  std::vector<double> of_first, of_last;
  for (size_t i = 0; i < pairs; ++i) {
    of_first.push_back(Nanoseconds(i % 2 ? first : last));
    of_last.push_back(Nanoseconds(i % 2 ? last : first));
    if (i % 2 == 0) std::swap(of_first.back(), of_last.back());
  }
  const Moments a = MomentsOf(std::move(of_first)), b = MomentsOf(std::move(of_last));
  return (b.mean - a.mean) / std::sqrt(a.variance / a.count + b.variance / b.count);
}

// Stops where the first difference is. Written out, so that no library does better.
bool EarlyEqual(const std::string& a, const std::string& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (*const_cast<const volatile char*>(&a[i]) != b[i]) return false;
  }
  return true;
}

int Run(size_t pairs) {
  const Result<NewKey> key = MakeKey("bench", KeyKind::kServer, 0xff, Timestamp{0});
  if (!key.ok()) return 1;
  const OneKey keys(key->record);
  Authenticator authenticator(keys, SecretKey{1});
  const std::string good = key->text;
  const auto changed = [&](size_t at) {
    std::string text = good;
    text[at] = text[at] == 'A' ? 'B' : 'A';
    return text;
  };
  const std::string first = changed(ParseKey(good)->secret.data() - good.data()), last = changed(good.size() - 1);
  const auto refuses = [&](const std::string& text) {
    return [&authenticator, &text] { return !authenticator.Authenticate({"", text, ""}, Timestamp{1}).ok(); };
  };
  const auto refuses_early = [&](const std::string& text) {
    return [&good, &text] { return !EarlyEqual(good, text); };
  };
  (void)WelchT(pairs / 10, refuses(first), refuses(last));  // warm
  std::printf("keys: t = %.2f over %zu pairs\n", WelchT(pairs, refuses(first), refuses(last)), pairs);
  std::printf("broken twin: t = %.2f\n", WelchT(pairs, refuses_early(first), refuses_early(last)));
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) { return rapport::Run(argc > 1 ? static_cast<size_t>(std::atoll(argv[1])) : 500000); }
