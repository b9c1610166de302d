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
constexpr size_t kSampledWords = 512;
constexpr size_t kChunkBlocks = 32;  // scanned with one threshold, where all is allowed
constexpr size_t kChunkGrowth = 32;  // at most, where little is

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
  if (largest > 0) out.unit = std::max(out.unit, std::numeric_limits<float>::denorm_min());
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

struct Range {
  float low = 0, high = 0;
};
// In lanes: one after the other each would wait for the one before it.
Range RangeOf(std::span<const float> values) {
  constexpr size_t kLanes = 8;
  std::array<float, kLanes> low, high;
  low.fill(values[0]);
  high.fill(values[0]);
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      const float value = values[i + l];
      low[l] = value < low[l] ? value : low[l];
      high[l] = value > high[l] ? value : high[l];
    }
  }
  for (; i < values.size(); ++i) {
    low[0] = std::min(low[0], values[i]);
    high[0] = std::max(high[0], values[i]);
  }
  return {*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
}

// The k-th largest. Counted in bins of equal width, then selected among those of its bin: a selection that compares
// guesses most of its branches wrong. REQUIRES 0 < k <= values, values finite; they are reordered.
float KthLargest(std::span<float> values, size_t k) {
  constexpr size_t kBins = 256;
  const Range range = RangeOf(values);
  const float low = range.low, width = range.high - low;
  const float scale = static_cast<float>(kBins - 1) / width;  // rounded, no value's bin is beyond the last
  size_t kept = values.size();
  if (std::isfinite(width) && std::isfinite(scale)) {
    std::array<uint32_t, kBins> counts{};
    const auto bin_of = [&](float value) {
      return static_cast<uint32_t>(std::min<int32_t>(kBins - 1, static_cast<int32_t>((value - low) * scale)));
    };
    for (const float value : values) ++counts[bin_of(value)];
    uint32_t bin = kBins - 1;
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

size_t StrideOf(size_t factors) { return kernels::RoundUp(factors, scan::kRowStep); }

uint8_t* BytesOf(QuantizedRows& rows) { return rows.lines.data()->bytes; }

scan::Items ViewOf(const QuantizedRows& rows) {
  return {rows.bytes(), rows.order.data(), rows.scales.data(), rows.bounds.data(), rows.items, StrideOf(rows.factors)};
}

// Fewer than one in so many allowed: bits are put by place, so that only their rows are read. It costs something for
// each, more where the places do not fit the caches.
size_t SparseShare(size_t items) { return items < 500'000 ? 3 : 4; }

// How many bits are set, about, by a sample: it decides how bits are asked, never what is found.
size_t EstimateCount(std::span<const uint64_t> words) {
  const size_t stride = std::max<size_t>(1, words.size() / kSampledWords);
  size_t count = 0;
  for (size_t w = 0; w < words.size(); w += stride) count += static_cast<size_t>(std::popcount(words[w]));
  return count * stride;
}

// Bits of items as bits of their places in the copy.
void PlacesOf(const QuantizedItems& copy, std::span<const uint64_t> bits, std::vector<uint64_t>& out) {
  const size_t words = (copy.items + 63) / 64;
  out.assign(words, 0);
  for (size_t w = 0; w < std::min(words, bits.size()); ++w) {
    for (uint64_t rest = bits[w]; rest != 0; rest &= rest - 1) {
      const size_t item = 64 * w + static_cast<size_t>(std::countr_zero(rest));
      if (item >= copy.items) break;
      const uint32_t place = copy.places[item];
      out[place / 64] |= uint64_t{1} << (place % 64);
    }
  }
}

// One search over one copy.
class Search {
 public:
  Search(const QuantizedItems& copy, std::span<const float> item_factors, std::span<const float> user, size_t k,
         ScanScratch& scratch)
      : copy_(copy), item_factors_(item_factors), user_(user), k_(k), scratch_(scratch) {}

  // False: the bound does not hold for this customer.
  bool Prepare() {
    if (!AllFinite(user_)) return false;
    scratch_.codes.assign(kernels::RoundUp(copy_.factors, scan::kCodeStep), 0);
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
  void Scan(const scan::Kernels& kernels, const AllowedSet& allowed, float lowest) {
    threshold_ = lowest;
    limit_ = 2 * k_ + 256;
    const QuantizedPart* part = allowed.bits.empty() ? nullptr : allowed.part;
    size_t begin = 0;
    bool ended = false;
    if (part != nullptr) {
      begin = part->reach / scan::kBlockItems;
      ended = ScanBlocks(kernels, *part, 0, kChunkBlocks, {nullptr, BitsOfAll(allowed.bits)});
    }
    const size_t blocks = copy_.bounds.size();
    if (!ended && begin < blocks) {
      const size_t about = part == nullptr && !allowed.bits.empty() ? EstimateCount(allowed.bits) : copy_.items;
      if (about * SparseShare(copy_.items) < copy_.items) {
        const size_t growth = std::min(kChunkGrowth, copy_.items / std::max<size_t>(1, about));
        ScanBlocks(kernels, copy_, begin, kChunkBlocks * growth, BitsByPlace(allowed.bits));
      } else {
        ScanBlocks(kernels, copy_, begin, kChunkBlocks, {nullptr, BitsOfAll(allowed.bits)});
      }
    }
    Narrow();
    if (part != nullptr) AddAll(allowed, part->reach);
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
  // Blocks of `rows` from `begin` on, `chunk` with one threshold. Whether it ended because no norm that follows can
  // reach the threshold.
  bool ScanBlocks(const scan::Kernels& kernels, const QuantizedRows& rows, size_t begin, size_t chunk,
                  const scan::Allowed& bits) {
    const scan::Items view = ViewOf(rows);
    const size_t blocks = rows.bounds.size();
    for (; begin < blocks; begin += chunk) {
      if (reach_ * rows.bounds[begin].norm + kSlack < threshold_) return true;
      const size_t end = std::min(blocks, begin + chunk), room = count_ + (end - begin) * scan::kBlockItems;
      if (scratch_.survivors.size() < room) scratch_.survivors.resize(2 * room);
      count_ += kernels.survivors(view, query_, begin, end, bits, threshold_, scratch_.survivors.data() + count_);
      ++scanned_;
      // Early and now and then: the higher the threshold, the sooner the scan ends.
      if (count_ < limit_ && scanned_ < narrow_at_ && end < blocks) continue;
      Narrow();
      limit_ = std::max<size_t>(1024 + 2 * k_, 2 * count_);
      if (scanned_ >= narrow_at_) narrow_at_ *= 2;
    }
    return false;
  }
  // What the part has not: certified without a bound.
  void AddAll(const AllowedSet& allowed, size_t reach) {
    constexpr float kMost = std::numeric_limits<float>::max();
    scratch_.survivors.resize(std::max(scratch_.survivors.size(), count_ + allowed.also.size()));
    for (const uint32_t row : allowed.also) {
      const bool set = row / 64 < allowed.bits.size() && (allowed.bits[row / 64] >> (row % 64) & 1) != 0;
      if (set && row < copy_.items && copy_.places[row] < reach) scratch_.survivors[count_++] = {row, -kMost, kMost};
    }
  }
  // A word for every item: what a bitmap does not speak of is not allowed. Null where there are no bits.
  const uint64_t* BitsOfAll(std::span<const uint64_t> allowed) {
    const size_t words = (copy_.items + 63) / 64;
    if (allowed.empty() || allowed.size() >= words) return allowed.data();
    scratch_.bits.assign(allowed.begin(), allowed.end());
    scratch_.bits.resize(words);
    return scratch_.bits.data();
  }
  scan::Allowed BitsByPlace(std::span<const uint64_t> allowed) {
    PlacesOf(copy_, allowed, scratch_.bits);
    return {scratch_.bits.data(), nullptr};
  }
  // Raises the threshold to the k-th largest lower bound and drops what cannot reach it.
  void Narrow() {
    if (count_ < k_) return;
    const std::span<scan::Survivor> found = Found();
    scratch_.floats.resize(found.size());
    for (size_t i = 0; i < found.size(); ++i) scratch_.floats[i] = found[i].lower;
    threshold_ = std::max(threshold_, KthLargest(scratch_.floats, k_));
    count_ = 0;
    for (const scan::Survivor one : found) {  // what is kept stands before what is read
      found[count_] = one;
      count_ += one.upper < threshold_ ? 0 : 1;
    }
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
  scan::Query query_{};
  float threshold_ = 0;
  float reach_ = 0;                     // (1 + g) |x|
  size_t count_ = 0;                    // of scratch.survivors in use
  size_t limit_ = 0;                    // survivors at which the threshold is raised
  size_t scanned_ = 0, narrow_at_ = 1;  // chunks
};

// Room for `items` rows, which are to be filled; 128 behind them.
void MakeRoom(QuantizedRows& rows, size_t items, size_t factors) {
  const size_t places = kernels::RoundUp(items, scan::kBlockItems), stride = StrideOf(factors);
  rows.items = static_cast<uint32_t>(items);
  rows.factors = static_cast<uint32_t>(factors);
  rows.order.resize(places);
  ResizeInHugePages(rows.lines, (places * stride + scan::kBytesBehind) / sizeof(scan::Line) + 1);
  std::fill(BytesOf(rows) + items * stride, BytesOf(rows) + rows.lines.size() * sizeof(scan::Line), uint8_t{128});
  rows.scales.resize(places);
  rows.bounds.resize(places / scan::kBlockItems);
}

// The next of falling norms, at `place`: what its block must hold for it.
void Widen(QuantizedRows& rows, size_t place, float norm, float error) {
  scan::BlockBound& bound = rows.bounds[place / scan::kBlockItems];
  bound.norm = std::max(bound.norm, norm);
  bound.error = std::max(bound.error, error);
}

// The places of the passing rows, ascending, of the first blocks that have no more than `items_max`; how far they go.
// Walked by place, or by row where that is less to walk.
size_t PassingPlaces(const QuantizedItems& copy, std::span<const uint64_t> passing, size_t items_max,
                     std::vector<uint32_t>& places) {
  const size_t about = EstimateCount(passing);
  std::vector<uint64_t> by_place;
  if (about * about < items_max * copy.items) PlacesOf(copy, passing, by_place);
  size_t reach = 0;
  for (; reach < copy.order.size(); reach += scan::kBlockItems) {
    uint64_t bits = 0;
    if (!by_place.empty()) {
      bits = by_place[reach / 64] >> (reach % 64) & 0xffff;
    } else {
      for (size_t i = 0; i < std::min<size_t>(scan::kBlockItems, copy.items - reach); ++i) {
        const uint32_t row = copy.order[reach + i];
        const bool set = row / 64 < passing.size() && (passing[row / 64] >> (row % 64) & 1) != 0;
        bits |= static_cast<uint64_t>(set) << i;
      }
    }
    if (places.size() + static_cast<size_t>(std::popcount(bits)) > items_max) break;
    for (; bits != 0; bits &= bits - 1) {
      places.push_back(static_cast<uint32_t>(reach + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
  return reach;
}

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
  MakeRoom(copy, items, factors);
  const size_t stride = StrideOf(factors);
  std::iota(copy.order.begin(), copy.order.begin() + static_cast<ptrdiff_t>(items), 0u);
  std::stable_sort(copy.order.begin(), copy.order.begin() + static_cast<ptrdiff_t>(items),
                   [&](uint32_t a, uint32_t b) { return norms[a] > norms[b]; });
  copy.places.resize(items);
  for (size_t place = 0; place < items; ++place) copy.places[copy.order[place]] = static_cast<uint32_t>(place);
  std::vector<int8_t> codes(factors);
  for (size_t place = 0; place < items; ++place) {
    const Coded coded = Encode(row(copy.order[place]), codes.data());
    copy.scales[place] = coded.unit;
    const float error = coded.unit > 0 ? RoundedUp(coded.error_norm / coded.unit) : 0.0f;
    Widen(copy, place, norms[copy.order[place]], error);
    uint8_t* bytes = BytesOf(copy) + place * stride;
    for (size_t k = 0; k < stride; ++k) bytes[k] = static_cast<uint8_t>((k < factors ? codes[k] : 0) + 128);
  }
  return copy;
}

size_t QuantizedPart::bytes() const {
  return lines.size() * sizeof(scan::Line) + scales.size() * (sizeof(uint32_t) + sizeof(float)) +
         bounds.size() * sizeof(scan::BlockBound);
}

QuantizedPart PartOf(const QuantizedItems& copy, std::span<const uint64_t> passing, size_t items_max) {
  QuantizedPart part;
  if (copy.items == 0) return part;
  std::vector<uint32_t> places;
  part.reach = PassingPlaces(copy, passing, items_max, places);
  MakeRoom(part, places.size(), copy.factors);
  const size_t stride = StrideOf(copy.factors);
  constexpr size_t kAhead = 64;  // rows asked for before they are read
  for (size_t to = 0; to < places.size(); ++to) {
    if (to + kAhead < places.size()) __builtin_prefetch(copy.bytes() + places[to + kAhead] * stride);
    const uint32_t from = places[to];
    part.order[to] = copy.order[from];
    part.scales[to] = copy.scales[from];
    const scan::BlockBound& bound = copy.bounds[from / scan::kBlockItems];
    Widen(part, to, bound.norm, bound.error);
    std::copy_n(copy.bytes() + from * stride, stride, BytesOf(part) + to * stride);
  }
  return part;
}

float ScoreOne(std::span<const float> item_factors, std::span<const float> user, size_t item) {
  float score = 0;
  kernels::BestKernels().dot_rows(item_factors.data() + item * user.size(), 1, user.size(), user.data(), &score);
  return score;
}

std::vector<Scored> BestItems(const QuantizedItems& copy, std::span<const float> item_factors,
                              std::span<const float> user, size_t k, const AllowedSet& allowed, ScoreFloor floor,
                              ScanScratch& scratch, const scan::Kernels& kernels) {
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
  return positive ? TopKPositive(scratch.floats, k, allowed.bits) : TopK(scratch.floats, k, allowed.bits);
}

}  // namespace rapport
