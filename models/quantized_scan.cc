#include "models/quantized_scan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "models/kernels.h"

namespace rapport {
namespace {

constexpr double kCodeMax = 127;
constexpr double kNormMin = 1e-15, kNormMax = 1e15;  // of a customer; of an item the upper one
constexpr double kRounding = 0x1.0p-24;              // u
constexpr double kRadiusGrowth = 1 + 0x1.0p-16;
constexpr float kSlack = 1e-36f;
constexpr size_t kChunkBlocks = 64;  // scanned with one threshold

float RoundedUp(double value) {
  return value == 0 ? 0.0f : std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// Codes of one vector, its unit, and the lengths that the bound needs.
struct Coded {
  float unit = 0;
  double norm = 0, error_norm = 0, coded_norm = 0;
};

// REQUIRES finite values.
Coded Encode(std::span<const float> values, int8_t* codes) {
  Coded out;
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  out.unit = static_cast<float>(largest / kCodeMax);
  for (size_t k = 0; k < values.size(); ++k) {
    const double value = values[k];
    const double code = out.unit > 0 ? std::clamp(std::nearbyint(value / out.unit), -kCodeMax, kCodeMax) : 0.0;
    codes[k] = static_cast<int8_t>(code);
    const double coded = code * out.unit, error = value - coded;
    out.norm += value * value;
    out.error_norm += error * error;
    out.coded_norm += coded * coded;
  }
  out.norm = std::sqrt(out.norm);
  out.error_norm = std::sqrt(out.error_norm);
  out.coded_norm = std::sqrt(out.coded_norm);
  return out;
}

// One search over one copy.
class Search {
 public:
  Search(const QuantizedItems& copy, std::span<const float> item_factors, std::span<const float> user, size_t k,
         ScanScratch& scratch)
      : copy_(copy), item_factors_(item_factors), user_(user), k_(k), scratch_(scratch) {
    const size_t groups = (copy.factors + scan::kGroupFactors - 1) / scan::kGroupFactors;
    items_ = {copy.lines.data(), copy.scales.data(), copy.norms.data(), copy.errors.data(), copy.items, groups};
  }

  // False: the bound does not hold for this customer.
  bool Prepare() {
    if (!AllFinite(user_)) return false;
    scratch_.codes.assign(items_.groups * scan::kGroupFactors, 0);
    const Coded coded = Encode(user_, scratch_.codes.data());
    if (!(coded.norm >= kNormMin && coded.norm <= kNormMax)) return false;
    scratch_.words.assign(scratch_.codes.begin(), scratch_.codes.end());
    int32_t sum = 0;
    for (const int8_t code : scratch_.codes) sum += code;
    const double roundings = static_cast<double>(copy_.factors / 16 + 8) * kRounding;
    const double norm_weight =
        coded.error_norm + roundings / (1 - roundings) * coded.norm + 4 * kRounding * coded.coded_norm;
    query_ = {scratch_.codes.data(),
              scratch_.words.data(),
              128 * sum,
              coded.unit,
              static_cast<float>(kRadiusGrowth * norm_weight),
              static_cast<float>(kRadiusGrowth * (1 + 4 * kRounding) * coded.coded_norm),
              kSlack};
    return true;
  }

  // Finds everything that can be among the best k with a score of `lowest` or more.
  void Scan(const scan::Kernels& kernels, std::span<const uint64_t> allowed, float lowest) {
    threshold_ = lowest;
    size_t blocks = copy_.scales.size() / scan::kBlockItems;
    if (!allowed.empty()) blocks = std::min(blocks, allowed.size() * 64 / scan::kBlockItems);
    size_t limit = 2 * k_ + 256;
    for (size_t begin = 0; begin < blocks; begin += kChunkBlocks) {
      const size_t end = std::min(blocks, begin + kChunkBlocks), room = count_ + (end - begin) * scan::kBlockItems;
      if (scratch_.survivors.size() < room) scratch_.survivors.resize(2 * room);
      count_ += kernels.survivors(items_, query_, begin, end, allowed.empty() ? nullptr : allowed.data(), threshold_,
                                  scratch_.survivors.data() + count_);
      if (count_ < limit && end < blocks) continue;
      Narrow();
      limit = std::max<size_t>(1024 + 2 * k_, 2 * count_);
    }
  }

  std::vector<Scored> Certify(float lowest) {
    const std::span<scan::Survivor> found = Found();
    const size_t first = std::min(k_, count_);
    if (first < count_) {
      std::nth_element(found.begin(), found.begin() + static_cast<ptrdiff_t>(first), found.end(),
                       [](const auto& a, const auto& b) { return a.lower + a.upper > b.lower + b.upper; });
    }
    std::vector<Scored> best;
    float reached = std::numeric_limits<float>::max();
    for (size_t i = 0; i < first; ++i) reached = std::min(reached, Offer(i, lowest, best));
    for (size_t i = first; i < count_; ++i) {
      if (found[i].upper >= reached) Offer(i, lowest, best);
    }
    KeepBest(k_, best);
    return best;
  }

 private:
  std::span<scan::Survivor> Found() { return std::span(scratch_.survivors).first(count_); }
  // Raises the threshold to the k-th largest lower bound and drops what cannot reach it.
  void Narrow() {
    if (count_ < k_) return;
    const std::span<scan::Survivor> found = Found();
    scratch_.floats.clear();
    for (const scan::Survivor& one : found) scratch_.floats.push_back(one.lower);
    const auto kth = scratch_.floats.begin() + static_cast<ptrdiff_t>(k_ - 1);
    std::nth_element(scratch_.floats.begin(), kth, scratch_.floats.end(), std::greater<>());
    threshold_ = std::max(threshold_, *kth);
    const auto kept = std::remove_if(found.begin(), found.end(),
                                     [this](const scan::Survivor& one) { return one.upper < threshold_; });
    count_ = static_cast<size_t>(kept - found.begin());
  }
  float Offer(size_t survivor, float lowest, std::vector<Scored>& best) {
    const std::span<const scan::Survivor> found = Found();
    if (survivor + 4 < count_) {  // rows are spread over memory: ask for one before it is read
      const float* row = item_factors_.data() + size_t{found[survivor + 4].index} * user_.size();
      for (size_t k = 0; k < user_.size(); k += 16) __builtin_prefetch(row + k);
    }
    const float score = ScoreOne(item_factors_, user_, found[survivor].index);
    if (score >= lowest) best.push_back({found[survivor].index, score});
    return score;
  }

  const QuantizedItems& copy_;
  const std::span<const float> item_factors_, user_;
  const size_t k_;
  ScanScratch& scratch_;
  scan::Items items_{};
  scan::Query query_{};
  float threshold_ = 0;
  size_t count_ = 0;  // of scratch.survivors in use
};

}  // namespace

QuantizedItems Quantize(std::span<const float> item_factors, size_t factors) {
  if (factors == 0 || factors > kernels::kSizeMax || item_factors.size() < factors) return {};
  QuantizedItems copy;
  const size_t items = item_factors.size() / factors;
  const size_t blocks = (items + scan::kBlockItems - 1) / scan::kBlockItems;
  const size_t groups = (factors + scan::kGroupFactors - 1) / scan::kGroupFactors;
  copy.items = static_cast<uint32_t>(items);
  copy.factors = static_cast<uint32_t>(factors);
  copy.lines.resize(blocks * groups);
  std::fill_n(copy.lines.data()->bytes, copy.lines.size() * sizeof(scan::Line), uint8_t{128});
  for (std::vector<float>* column : {&copy.scales, &copy.norms, &copy.errors}) {
    column->resize(blocks * scan::kBlockItems);
  }
  std::vector<int8_t> codes(factors);
  for (size_t i = 0; i < items; ++i) {
    const std::span<const float> row = item_factors.subspan(i * factors, factors);
    if (!AllFinite(row)) return {};
    const Coded coded = Encode(row, codes.data());
    if (!(coded.norm <= kNormMax)) return {};
    copy.scales[i] = coded.unit;
    copy.norms[i] = RoundedUp(coded.norm);
    copy.errors[i] = RoundedUp(coded.error_norm);
    scan::Line* lines = copy.lines.data() + i / scan::kBlockItems * groups;
    for (size_t k = 0; k < factors; ++k) {
      const size_t at = i % scan::kBlockItems * scan::kGroupFactors + k % scan::kGroupFactors;
      lines[k / scan::kGroupFactors].bytes[at] = static_cast<uint8_t>(codes[k] + 128);
    }
  }
  return copy;
}

float ScoreOne(std::span<const float> item_factors, std::span<const float> user, size_t item) {
  float score = 0;
  kernels::BestKernels().dot_rows(item_factors.data() + item * user.size(), 1, user.size(), user.data(), &score);
  return score;
}

std::vector<Scored> BestItems(const QuantizedItems& copy, std::span<const float> item_factors,
                              std::span<const float> user, size_t k, std::span<const uint64_t> allowed,
                              ScoreFloor floor, ScanScratch& scratch, const scan::Kernels& kernels) {
  if (k == 0 || user.empty()) return {};
  const size_t items = item_factors.size() / user.size();
  const bool positive = floor == ScoreFloor::kAboveZero;
  const float lowest = positive ? std::numeric_limits<float>::denorm_min() : std::numeric_limits<float>::lowest();
  Search search(copy, item_factors, user, k, scratch);
  if (copy.items == items && copy.factors == user.size() && items > 0 && search.Prepare()) {
    search.Scan(kernels, allowed, lowest);
    return search.Certify(lowest);
  }
  scratch.floats.resize(items);
  ScoreAll(item_factors, user, scratch.floats);
  return positive ? TopKPositive(scratch.floats, k, allowed) : TopK(scratch.floats, k, allowed);
}

}  // namespace rapport
