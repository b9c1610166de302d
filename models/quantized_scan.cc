#include "models/quantized_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "base/huge_pages.h"
#include "models/kernels.h"

namespace rapport {
namespace {

constexpr double kCodeMax = 127;
constexpr double kNormMin = 1e-15, kNormMax = 1e15;  // of a customer; of an item the upper one
constexpr double kRounding = 0x1.0p-24;              // u
constexpr double kRadiusGrowth = 1 + 0x1.0p-16;
constexpr float kSlack = 1e-36f;
constexpr size_t kSparse = 8;        // fewer than one in so many allowed: most blocks have none
constexpr size_t kChunkBlocks = 32;  // scanned with one threshold

float RoundedUp(double value) {
  return value == 0 ? 0.0f : std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

double Norm(std::span<const float> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
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
    out.error_norm += error * error;
    out.coded_norm += coded * coded;
  }
  out.norm = Norm(values);
  out.error_norm = std::sqrt(out.error_norm);
  out.coded_norm = std::sqrt(out.coded_norm);
  return out;
}

// The k-th largest. Counted in bins of equal width, then selected among those of its bin: a selection that compares
// guesses most of its branches wrong. REQUIRES 0 < k <= values, values finite; they are reordered.
float KthLargest(std::span<float> values, size_t k) {
  constexpr size_t kBins = 256;
  const auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
  const float low = *lowest, width = *highest - low;
  const float scale = static_cast<float>(kBins - 1) / width;
  size_t kept = values.size();
  if (std::isfinite(width) && std::isfinite(scale)) {
    std::array<uint32_t, kBins> counts{};
    const auto bin_of = [&](float value) { return std::min(kBins - 1, static_cast<size_t>((value - low) * scale)); };
    for (const float value : values) ++counts[bin_of(value)];
    size_t bin = kBins - 1;
    for (; counts[bin] < k; --bin) k -= counts[bin];
    kept = 0;
    for (const float value : values) {  // what is kept stands before what is read
      values[kept] = value;
      kept += bin_of(value) == bin ? 1 : 0;
    }
  }
  const auto kth = values.begin() + static_cast<ptrdiff_t>(k - 1);
  std::nth_element(values.begin(), kth, values.begin() + static_cast<ptrdiff_t>(kept), std::greater<>());
  return *kth;
}

// One search over one copy.
class Search {
 public:
  Search(const QuantizedItems& copy, std::span<const float> item_factors, std::span<const float> user, size_t k,
         ScanScratch& scratch)
      : copy_(copy), item_factors_(item_factors), user_(user), k_(k), scratch_(scratch) {
    const size_t groups = (copy.factors + scan::kGroupFactors - 1) / scan::kGroupFactors;
    items_ = {copy.lines.data(),
              copy.order.data(),
              copy.scales.data(),
              copy.norms.data(),
              copy.errors.data(),
              copy.items,
              groups};
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
    reach_ = static_cast<float>(kRadiusGrowth * coded.norm / (1 - roundings));
    return true;
  }

  // Finds everything that can be among the best k with a score of `lowest` or more.
  void Scan(const scan::Kernels& kernels, std::span<const uint64_t> allowed, float lowest) {
    threshold_ = lowest;
    const scan::Allowed bits = BitsFor(allowed);
    const size_t blocks = copy_.scales.size() / scan::kBlockItems;
    size_t limit = 2 * k_ + 256, narrow_at = kChunkBlocks;
    for (size_t begin = 0; begin < blocks; begin += kChunkBlocks) {
      if (reach_ * copy_.norms[begin * scan::kBlockItems] + kSlack < threshold_) break;
      const size_t end = std::min(blocks, begin + kChunkBlocks), room = count_ + (end - begin) * scan::kBlockItems;
      if (scratch_.survivors.size() < room) scratch_.survivors.resize(2 * room);
      count_ += kernels.survivors(items_, query_, begin, end, bits, threshold_, scratch_.survivors.data() + count_);
      // Early and now and then: the higher the threshold, the sooner the scan ends.
      if (count_ < limit && end < narrow_at && end < blocks) continue;
      Narrow();
      limit = std::max<size_t>(1024 + 2 * k_, 2 * count_);
      if (end >= narrow_at) narrow_at *= 4;
    }
    Narrow();
  }

  std::vector<Scored> Certify(float lowest) {
    const std::span<scan::Survivor> found = Found();
    const size_t first = std::min(k_, count_);
    if (first < count_) {
      std::nth_element(found.begin(), found.begin() + static_cast<ptrdiff_t>(first), found.end(),
                       [](const auto& a, const auto& b) { return a.lower + a.upper > b.lower + b.upper; });
    }
    std::vector<Scored> best;
    scratch_.rows.clear();
    for (size_t i = 0; i < first; ++i) scratch_.rows.push_back(found[i].index);
    const float reached = Offer(lowest, best);
    scratch_.rows.clear();
    for (size_t i = first; i < count_; ++i) {
      if (found[i].upper >= reached) scratch_.rows.push_back(found[i].index);
    }
    Offer(lowest, best);
    KeepBest(k_, best);
    return best;
  }

 private:
  std::span<scan::Survivor> Found() { return std::span(scratch_.survivors).first(count_); }
  // Where few are allowed, the bits of their places; else those of the items, with one for each.
  scan::Allowed BitsFor(std::span<const uint64_t> allowed) {
    if (allowed.empty()) return {};
    const size_t words = (copy_.items + 63) / 64;
    allowed = allowed.first(std::min(words, allowed.size()));
    size_t count = 0;
    for (const uint64_t word : allowed) count += static_cast<size_t>(std::popcount(word));
    if (count * kSparse >= copy_.items) {
      if (allowed.size() == words) return {nullptr, allowed.data()};
      scratch_.bits.assign(allowed.begin(), allowed.end());  // what a bitmap does not speak of is not allowed
      scratch_.bits.resize(words);
      return {nullptr, scratch_.bits.data()};
    }
    scratch_.bits.assign(words, 0);
    for (size_t w = 0; w < allowed.size(); ++w) {
      for (uint64_t bits = allowed[w]; bits != 0; bits &= bits - 1) {
        const size_t item = 64 * w + static_cast<size_t>(std::countr_zero(bits));
        if (item >= copy_.items) break;
        const uint32_t place = copy_.places[item];
        scratch_.bits[place / 64] |= uint64_t{1} << (place % 64);
      }
    }
    return {scratch_.bits.data(), nullptr};
  }
  // Raises the threshold to the k-th largest lower bound and drops what cannot reach it.
  void Narrow() {
    if (count_ < k_) return;
    const std::span<scan::Survivor> found = Found();
    scratch_.floats.clear();
    for (const scan::Survivor& one : found) scratch_.floats.push_back(one.lower);
    threshold_ = std::max(threshold_, KthLargest(scratch_.floats, k_));
    const auto kept = std::remove_if(found.begin(), found.end(),
                                     [this](const scan::Survivor& one) { return one.upper < threshold_; });
    count_ = static_cast<size_t>(kept - found.begin());
  }
  // Scores of scratch.rows as ScoreOne tells them, to `best` from `lowest` on; the lowest of them.
  float Offer(float lowest, std::vector<Scored>& best) {
    const std::vector<uint32_t>& rows = scratch_.rows;
    scratch_.floats.resize(rows.size());
    kernels::BestKernels().dot_named(item_factors_.data(), rows.data(), rows.size(), user_.size(), user_.data(),
                                     scratch_.floats.data());
    float reached = std::numeric_limits<float>::max();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (scratch_.floats[i] >= lowest) best.push_back({rows[i], scratch_.floats[i]});
      reached = std::min(reached, scratch_.floats[i]);
    }
    return reached;
  }

  const QuantizedItems& copy_;
  const std::span<const float> item_factors_, user_;
  const size_t k_;
  ScanScratch& scratch_;
  scan::Items items_{};
  scan::Query query_{};
  float threshold_ = 0;
  float reach_ = 0;   // (1 + g) |x|
  size_t count_ = 0;  // of scratch.survivors in use
};

}  // namespace

QuantizedItems Quantize(std::span<const float> item_factors, size_t factors) {
  if (factors == 0 || factors > kernels::kSizeMax || item_factors.size() < factors) return {};
  const size_t items = item_factors.size() / factors;
  const auto row = [&](size_t i) { return item_factors.subspan(i * factors, factors); };
  std::vector<float> norms(items);
  for (size_t i = 0; i < items; ++i) {
    if (!AllFinite(row(i))) return {};
    const double norm = Norm(row(i));
    if (!(norm <= kNormMax)) return {};
    norms[i] = RoundedUp(norm);
  }
  QuantizedItems copy;
  copy.items = static_cast<uint32_t>(items);
  copy.factors = static_cast<uint32_t>(factors);
  const size_t blocks = (items + scan::kBlockItems - 1) / scan::kBlockItems;
  const size_t groups = (factors + scan::kGroupFactors - 1) / scan::kGroupFactors;
  copy.order.resize(blocks * scan::kBlockItems);
  std::iota(copy.order.begin(), copy.order.begin() + static_cast<ptrdiff_t>(items), 0u);
  std::stable_sort(copy.order.begin(), copy.order.begin() + static_cast<ptrdiff_t>(items),
                   [&](uint32_t a, uint32_t b) { return norms[a] > norms[b]; });
  copy.places.resize(items);
  for (size_t place = 0; place < items; ++place) copy.places[copy.order[place]] = static_cast<uint32_t>(place);
  ResizeInHugePages(copy.lines, blocks * groups);
  std::fill_n(copy.lines.data()->bytes, copy.lines.size() * sizeof(scan::Line), uint8_t{128});
  for (std::vector<float>* column : {&copy.scales, &copy.norms, &copy.errors}) {
    column->resize(blocks * scan::kBlockItems);
  }
  std::vector<int8_t> codes(factors);
  for (size_t place = 0; place < items; ++place) {
    const Coded coded = Encode(row(copy.order[place]), codes.data());
    copy.scales[place] = coded.unit;
    copy.norms[place] = norms[copy.order[place]];
    copy.errors[place] = RoundedUp(coded.error_norm);
    scan::Line* lines = copy.lines.data() + place / scan::kBlockItems * groups;
    for (size_t k = 0; k < factors; ++k) {
      const size_t at = place % scan::kBlockItems * scan::kGroupFactors + k % scan::kGroupFactors;
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
