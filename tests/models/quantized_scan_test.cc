// The int8 scan gives what brute force gives, whatever the numbers; its bound holds, and half of it would not.
#include "models/quantized_scan.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <functional>
#include <limits>
#include <numeric>

#include "base/random.h"

namespace rapport {
namespace {

using kernels::InstructionSet;

std::vector<InstructionSet> SupportedSets() {
  std::vector<InstructionSet> sets;
  for (InstructionSet set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (scan::IsSupported(set)) sets.push_back(set);
  }
  return sets;
}

struct Factors {
  size_t items = 0, factors = 0;
  std::vector<float> values, user;
};

enum class Kind {
  kRandom,
  kClustered,
  kAllEqual,
  kZero,
  kZeroUser,
  kNormSpread,
  kTiny,
  kDenormal,
  kLeast,
  kTooLarge,
  kIntegers,
  kOneAxis,
  kHalves,
  kEnd,
};

float NormalFloat(Random& random, double scale) { return static_cast<float>(scale * random.Normal()); }

// Item i of a kind. Halves: every factor lies as far from its code as it can, all on one side or the other.
void FillItem(Kind kind, size_t i, Random& random, const std::vector<float>& centre, std::span<float> row) {
  const double spread = std::pow(10.0, 30 * random.Uniform() - 18);
  const float side = i % 2 == 0 ? 0.499f : -0.499f;
  for (size_t k = 0; k < row.size(); ++k) {
    switch (kind) {
      case Kind::kClustered: row[k] = centre[(i % 5) * row.size() + k] + NormalFloat(random, 1e-4); break;
      case Kind::kAllEqual: row[k] = centre[k]; break;
      case Kind::kZero: row[k] = 0; break;
      case Kind::kNormSpread: row[k] = NormalFloat(random, spread); break;
      case Kind::kTiny: row[k] = NormalFloat(random, 1e-36); break;
      case Kind::kDenormal: row[k] = NormalFloat(random, 1e-42); break;
      case Kind::kLeast: row[k] = static_cast<float>(random.Below(5)) * std::numeric_limits<float>::denorm_min(); break;
      case Kind::kTooLarge: row[k] = NormalFloat(random, 1e17); break;
      case Kind::kIntegers: row[k] = static_cast<float>(random.Below(3)) - 1; break;
      case Kind::kOneAxis: row[k] = k == 0 ? NormalFloat(random, 1) : NormalFloat(random, 1e-3); break;
      case Kind::kHalves: row[k] = k == 0 ? 127.0f : static_cast<float>(random.Below(20)) + side; break;
      default: row[k] = NormalFloat(random, 1);
    }
  }
}

Factors Make(Kind kind, size_t items, size_t factors, Random& random) {
  Factors out{items, factors, std::vector<float>(items * factors), std::vector<float>(factors)};
  std::vector<float> centre(5 * factors);
  for (float& value : centre) value = NormalFloat(random, 1);
  for (size_t i = 0; i < items; ++i) {
    FillItem(kind, i, random, centre, std::span(out.values).subspan(i * factors, factors));
  }
  for (float& value : out.user) {
    value = kind == Kind::kZeroUser ? 0.0f : kind == Kind::kHalves ? 127.0f : NormalFloat(random, 1);
  }
  return out;
}

// Share of bits set, in a thousand; -1: no bitmap.
std::vector<uint64_t> Bitmap(size_t items, int per_mille, Random& random) {
  if (per_mille < 0) return {};
  std::vector<uint64_t> bits((items + 63) / 64);
  for (size_t i = 0; i < items; ++i) {
    if (static_cast<int>(random.Below(1000)) < per_mille) bits[i / 64] |= uint64_t{1} << (i % 64);
  }
  return bits;
}

void ExpectBruteForce(const Factors& data, const QuantizedItems& copy, Random& random, ScanScratch& scratch,
                      const scan::Kernels& kernels, const std::string& what) {
  std::vector<float> scores(data.items);
  ScoreAll(data.values, data.user, scores);
  for (int per_mille : {-1, 0, 10, 100, 900, 1000}) {
    const std::vector<uint64_t> allowed = Bitmap(data.items, per_mille, random);
    for (size_t k : {size_t{0}, size_t{1}, size_t{2}, size_t{10}, size_t{100}, data.items, data.items + 5}) {
      const auto best = [&](ScoreFloor floor) {
        return BestItems(copy, data.values, data.user, k, allowed, floor, scratch, kernels);
      };
      EXPECT_EQ(best(ScoreFloor::kNone), TopK(scores, k, allowed)) << what << " k " << k << " bits " << per_mille;
      EXPECT_EQ(best(ScoreFloor::kAboveZero), TopKPositive(scores, k, allowed)) << what << " k " << k;
    }
  }
}

// A part of what passes, some of it beside; allowed is some of what passes and some of that.
void ExpectBruteForceWithAPart(const Factors& data, const QuantizedItems& copy, Random& random, ScanScratch& scratch,
                               const scan::Kernels& kernels, const std::string& what) {
  std::vector<float> scores(data.items);
  ScoreAll(data.values, data.user, scores);
  for (int per_mille : {1, 10, 200, 700}) {
    for (size_t items_max : {size_t{0}, size_t{40}, data.items}) {
      std::vector<uint64_t> passing = Bitmap(data.items, per_mille, random), allowed = passing;
      const std::vector<uint64_t> kept = Bitmap(data.items, 800, random), beside = Bitmap(data.items, 20, random);
      std::vector<uint32_t> also;
      for (uint32_t i = 0; i < data.items; ++i) {
        const uint64_t bit = uint64_t{1} << (i % 64);
        if ((kept[i / 64] & bit) == 0) allowed[i / 64] &= ~bit;
        if ((beside[i / 64] & bit) == 0) continue;
        if (random.Below(2) == 0) allowed[i / 64] |= bit;
        passing[i / 64] &= ~bit;
        also.push_back(i);
      }
      const QuantizedPart part = PartOf(copy, passing, items_max);
      AllowedSet set(allowed);
      set.part = &part;
      set.also = also;
      for (size_t k : {size_t{1}, size_t{10}, size_t{100}, data.items}) {
        const auto best = [&](ScoreFloor floor) {
          return BestItems(copy, data.values, data.user, k, set, floor, scratch, kernels);
        };
        EXPECT_EQ(best(ScoreFloor::kNone), TopK(scores, k, allowed)) << what << " k " << k << " bits " << per_mille;
        EXPECT_EQ(best(ScoreFloor::kAboveZero), TopKPositive(scores, k, allowed)) << what << " k " << k;
      }
    }
  }
}

TEST(QuantizedScanTest, EqualsBruteForceForEveryKindOfFactors) {
  Random random(1);
  ScanScratch scratch;
  for (int kind = 0; kind < static_cast<int>(Kind::kEnd); ++kind) {
    for (const auto& [items, factors] : std::vector<std::pair<size_t, size_t>>{
             {1, 1}, {15, 3}, {16, 64}, {17, 5}, {100, 16}, {1100, 33}, {3000, 64}}) {
      const Factors data = Make(static_cast<Kind>(kind), items, factors, random);
      const QuantizedItems copy = Quantize(data.values, factors);
      EXPECT_EQ(copy.items == 0, static_cast<Kind>(kind) == Kind::kTooLarge);
      for (InstructionSet set : SupportedSets()) {
        const std::string what = "kind " + std::to_string(kind) + " items " + std::to_string(items) + " set " +
                                 std::to_string(static_cast<int>(set));
        ExpectBruteForce(data, copy, random, scratch, scan::KernelsOf(set), what);
        ExpectBruteForceWithAPart(data, copy, random, scratch, scan::KernelsOf(set), what);
      }
    }
  }
}

TEST(QuantizedScanTest, ManyFactorsAndMoreThanOneChunk) {
  Random random(2);
  ScanScratch scratch;
  for (size_t factors : {100, 256, 1024}) {
    const Factors data = Make(Kind::kRandom, 2500, factors, random);
    ExpectBruteForce(data, Quantize(data.values, factors), random, scratch, scan::BestKernels(), "many factors");
  }
}

TEST(QuantizedScanTest, NumbersThatAreNoneAreReadFromTheFloats) {
  Random random(3);
  ScanScratch scratch;
  Factors data = Make(Kind::kRandom, 200, 8, random);
  const QuantizedItems copy = Quantize(data.values, 8);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30f}) {
    Factors broken = data;
    broken.user[3] = bad;
    ExpectBruteForce(broken, copy, random, scratch, scan::BestKernels(), "user");
    broken = data;
    broken.values[17] = bad;
    EXPECT_EQ(Quantize(broken.values, 8).items, 0u);
    ExpectBruteForce(broken, Quantize(broken.values, 8), random, scratch, scan::BestKernels(), "item");
  }
  EXPECT_EQ(Quantize(data.values, 0).items, 0u);
  EXPECT_EQ(Quantize({}, 8).items, 0u);
  EXPECT_TRUE(BestItems({}, {}, data.user, 5, {}, ScoreFloor::kNone, scratch).empty());
}

TEST(QuantizedScanTest, AShortBitmapAllowsNothingBeyondItself) {
  Random random(4);
  ScanScratch scratch;
  const Factors data = Make(Kind::kRandom, 300, 16, random);
  const std::vector<uint64_t> allowed{~uint64_t{0}};
  std::vector<float> scores(300);
  ScoreAll(data.values, data.user, scores);
  EXPECT_EQ(BestItems(Quantize(data.values, 16), data.values, data.user, 400, allowed, ScoreFloor::kNone, scratch),
            TopK(scores, 400, allowed));
}

// What the scan is told about one customer, with codes of its own.
scan::Query PlainQuery(const std::vector<int8_t>& codes, std::vector<int16_t>& words) {
  words.assign(codes.begin(), codes.end());
  int32_t sum = 0;
  for (const int8_t code : codes) sum += code;
  return {codes.data(), words.data(), 128 * sum, 1, 0, 0, 0};
}

TEST(ScanKernelsTest, EverySetGivesTheSameIntegers) {
  Random random(5);
  for (size_t factors : {1, 3, 4, 5, 16, 33, 64, 100, 1024}) {
    for (bool extreme : {false, true}) {
      const size_t items = 37, stride = (factors + 15) / 16 * 16, blocks = (items + 15) / 16;
      std::vector<float> values(items * factors);
      for (float& value : values) value = extreme ? (random.Below(2) == 0 ? 1.0f : -1.0f) : NormalFloat(random, 1);
      const QuantizedItems copy = Quantize(values, factors);
      std::vector<int8_t> codes((factors + 63) / 64 * 64);
      for (size_t k = 0; k < factors; ++k) {
        codes[k] = static_cast<int8_t>(extreme ? 127 : static_cast<int>(random.Below(255)) - 127);
      }
      std::vector<int16_t> words;
      const scan::Query query = PlainQuery(codes, words);
      std::vector<int32_t> expected(blocks * 16);
      for (size_t i = 0; i < expected.size(); ++i) {
        for (size_t k = 0; k < factors; ++k) {
          expected[i] += (copy.bytes()[i * stride + k] - 128) * codes[k];
        }
      }
      const scan::Items view{copy.bytes(), copy.order.data(), copy.scales.data(), copy.bounds.data(), items, stride};
      for (InstructionSet set : SupportedSets()) {
        std::vector<int32_t> dots(blocks * 16, -1);
        scan::KernelsOf(set).dots(view, query, blocks, dots.data());
        EXPECT_EQ(dots, expected) << "factors " << factors << " set " << static_cast<int>(set);
      }
    }
  }
}

TEST(ScanKernelsTest, BitsByPlaceFindWhatBitsByItemDo) {
  Random random(12);
  for (const auto& [items, factors] : std::vector<std::pair<size_t, size_t>>{{1, 3}, {16, 64}, {900, 20}, {2011, 64}}) {
    const Factors data = Make(Kind::kRandom, items, factors, random);
    const QuantizedItems copy = Quantize(data.values, factors);
    const scan::Items view{copy.bytes(), copy.order.data(),       copy.scales.data(), copy.bounds.data(),
                           items,        (factors + 15) / 16 * 16};
    std::vector<int8_t> codes((factors + 63) / 64 * 64);
    for (size_t k = 0; k < factors; ++k) codes[k] = static_cast<int8_t>(static_cast<int>(random.Below(255)) - 127);
    std::vector<int16_t> words;
    const scan::Query query = PlainQuery(codes, words);
    for (int per_mille : {0, 1, 30, 200, 999, 1000}) {
      const std::vector<uint64_t> by_item = Bitmap(items, per_mille, random);
      std::vector<uint64_t> by_place(by_item.size());
      for (size_t i = 0; i < items; ++i) {
        const size_t place = copy.places[i];
        by_place[place / 64] |= (by_item[i / 64] >> (i % 64) & 1) << (place % 64);
      }
      for (int turn = 0; turn < 20; ++turn) {
        const size_t blocks = copy.bounds.size(), begin = random.Below(blocks);
        const size_t end = begin + 1 + random.Below(blocks - begin);
        const float threshold = turn % 2 == 0 ? -1e30f : NormalFloat(random, 300);
        for (InstructionSet set : SupportedSets()) {
          const auto survivors = [&](const scan::Allowed& allowed) {
            std::vector<scan::Survivor> out((end - begin) * 16);
            out.resize(scan::KernelsOf(set).survivors(view, query, begin, end, allowed, threshold, out.data()));
            return out;
          };
          const auto found = survivors({by_place.data(), nullptr}), expected = survivors({nullptr, by_item.data()});
          ASSERT_EQ(found.size(), expected.size()) << items << " items, set " << static_cast<int>(set);
          for (size_t i = 0; i < found.size(); ++i) {
            EXPECT_EQ(found[i].index, expected[i].index);
            EXPECT_EQ(found[i].lower, expected[i].lower);
            EXPECT_EQ(found[i].upper, expected[i].upper);
          }
        }
      }
    }
  }
}

// A page of memory a row, which reading ends the program at, but for the rows of `readable`.
class PagedRows {
 public:
  PagedRows(size_t rows, const std::vector<size_t>& readable)
      : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), size_(page_ * (rows + 1)) {
    void* memory = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bytes_ = memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
    for (const size_t row : readable) {
      ok_ = ok_ && bytes_ != nullptr && mprotect(bytes_ + row * page_, page_, PROT_READ) == 0;
    }
  }
  PagedRows(const PagedRows&) = delete;
  PagedRows& operator=(const PagedRows&) = delete;
  ~PagedRows() {
    if (bytes_ != nullptr) munmap(bytes_, size_);
  }
  bool ok() const { return ok_; }
  const uint8_t* bytes() const { return bytes_; }
  size_t stride() const { return page_; }

 private:
  const size_t page_, size_;
  uint8_t* bytes_ = nullptr;
  bool ok_ = true;
};

TEST(ScanKernelsDeathTest, RowsWithoutABitAreNotRead) {
  const std::vector<size_t> allowed{3, 64, 65, 66, 100, 250};
  const size_t items = 256;
  const PagedRows rows(items, allowed);
  ASSERT_TRUE(rows.ok());
  std::vector<uint64_t> bits(items / 64);
  for (const size_t place : allowed) bits[place / 64] |= uint64_t{1} << (place % 64);
  std::vector<uint32_t> order(items);
  std::iota(order.begin(), order.end(), 0u);
  const std::vector<float> ones(items, 1.0f);
  const std::vector<scan::BlockBound> bounds(items / 16, scan::BlockBound{1, 1});
  const scan::Items view{rows.bytes(), order.data(), ones.data(), bounds.data(), items, rows.stride()};
  std::vector<int16_t> words;
  const std::vector<int8_t> codes(rows.stride());
  const scan::Query query = PlainQuery(codes, words);
  for (InstructionSet set : SupportedSets()) {
    const auto found = [&](const scan::Allowed& asked) {
      std::vector<scan::Survivor> out(items);
      return scan::KernelsOf(set).survivors(view, query, 0, items / 16, asked, -1e30f, out.data());
    };
    EXPECT_EQ(found({bits.data(), nullptr}), allowed.size());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these end otherwise
    // The broken twin: asked for by item, all rows are read.
    EXPECT_EXIT(found({nullptr, bits.data()}), testing::KilledBySignal(SIGSEGV), "");
#else
    EXPECT_DEATH(found({nullptr, bits.data()}), "SEGV");
#endif
  }
}

TEST(QuantizedScanTest, ACodeIsTheNearestOfItsScale) {
  Random random(6);
  struct Most {
    double norm = 0, error = 0;
  };
  std::vector<Most> tight(4);
  const size_t factors = 24, stride = 32;
  const Factors data = Make(Kind::kNormSpread, 50, factors, random);
  const QuantizedItems copy = Quantize(data.values, factors);
  for (size_t i = 0; i < 50; ++i) {
    double norm = 0, error = 0;
    for (size_t k = 0; k < factors; ++k) {
      const double value = data.values[copy.order[i] * factors + k];
      const int code = copy.bytes()[i * stride + k] - 128;
      const double left = value - double{copy.scales[i]} * code;
      EXPECT_LE(std::abs(left), 0.5001 * copy.scales[i]);
      EXPECT_LE(std::abs(code), 127);
      norm += value * value;
      error += left * left;
    }
    const scan::BlockBound& bound = copy.bounds[i / 16];
    EXPECT_GE(bound.norm, std::sqrt(norm));
    EXPECT_GE(double{bound.error} * copy.scales[i], std::sqrt(error));
    tight[i / 16].norm = std::max(tight[i / 16].norm, std::sqrt(norm));
    tight[i / 16].error = std::max(tight[i / 16].error, std::sqrt(error) / copy.scales[i]);
  }
  for (size_t block = 0; block < tight.size(); ++block) {
    EXPECT_LE(copy.bounds[block].norm, tight[block].norm * (1 + 1e-6));
    EXPECT_LE(copy.bounds[block].error, tight[block].error * (1 + 1e-6));
  }
}

TEST(QuantizedScanTest, EveryItemLiesWithinTheBoundOfItsBlock) {  // and denormals: 0 as their scale is caught
  Random random(13);
  for (int kind = 0; kind < static_cast<int>(Kind::kEnd); ++kind) {
    const size_t factors = 20, stride = 32;
    const Factors data = Make(static_cast<Kind>(kind), 100, factors, random);
    const QuantizedItems copy = Quantize(data.values, factors);
    for (size_t place = 0; place < copy.items; ++place) {
      double norm = 0, error = 0;
      for (size_t k = 0; k < factors; ++k) {
        const double value = data.values[copy.order[place] * factors + k];
        const double left = value - double{copy.scales[place]} * (copy.bytes()[place * stride + k] - 128);
        norm += value * value;
        error += left * left;
      }
      const scan::BlockBound& bound = copy.bounds[place / 16];
      EXPECT_GE(bound.norm, std::sqrt(norm)) << "kind " << kind;
      EXPECT_GE(double{bound.error} * copy.scales[place] * (1 + 1e-12), std::sqrt(error)) << "kind " << kind;
    }
  }
}

// Two items in the way of the bound: the better one lies above its codes everywhere, the other below, and the codes of
// the other are larger by more than half of what the bound allows for.
Factors NearTheBound() {
  constexpr size_t kFactors = 64;
  Factors data{2, kFactors, std::vector<float>(2 * kFactors), std::vector<float>(kFactors, 127.0f)};
  for (size_t item = 0; item < 2; ++item) {
    data.values[item * kFactors] = 127.0f;
    for (size_t k = 1; k < kFactors; ++k) {
      data.values[item * kFactors + k] = item == 0 ? 10.49f : (k <= 46 ? 10.51f : 9.51f);
    }
  }
  return data;
}

TEST(QuantizedScanTest, HalfTheBoundIsCaught) {  // the broken twin
  const Factors data = NearTheBound();
  std::vector<float> scores(2);
  ScoreAll(data.values, data.user, scores);
  ASSERT_GT(scores[0], scores[1]);
  QuantizedItems copy = Quantize(data.values, data.factors);
  ScanScratch scratch;
  const auto best = [&] {
    return BestItems(copy, data.values, data.user, 1, {}, ScoreFloor::kNone, scratch).front().index;
  };
  EXPECT_EQ(best(), 0u);
  for (scan::BlockBound& bound : copy.bounds) bound = {bound.norm / 2, bound.error / 2};
  EXPECT_EQ(best(), 1u) << "half the bound would still do: this case has lost its teeth";
}

// The kernels of this machine, counting the blocks that they are asked for.
size_t blocks_asked_for = 0;
scan::Kernels CountingKernels() {
  scan::Kernels kernels = scan::BestKernels();
  kernels.survivors = [](const scan::Items& items, const scan::Query& query, size_t begin, size_t end,
                         const scan::Allowed& allowed, float threshold, scan::Survivor* out) {
    blocks_asked_for += end - begin;
    return scan::BestKernels().survivors(items, query, begin, end, allowed, threshold, out);
  };
  return kernels;
}

TEST(QuantizedScanTest, TheScanEndsWhereNormsCannotReachTheBest) {
  Random random(8);
  ScanScratch scratch;
  Factors data = Make(Kind::kRandom, 20000, 16, random);
  for (size_t i = 0; i < data.items; ++i) {  // lengths by a power law, in no order
    const float length = static_cast<float>(1 / std::sqrt(1 + static_cast<double>(random.Below(data.items))));
    for (size_t k = 0; k < data.factors; ++k) data.values[i * data.factors + k] *= length;
  }
  const QuantizedItems copy = Quantize(data.values, data.factors);
  EXPECT_TRUE(std::is_sorted(copy.bounds.begin(), copy.bounds.end(),
                             [](const scan::BlockBound& a, const scan::BlockBound& b) { return a.norm > b.norm; }));
  for (uint32_t place = 0; place < copy.items; ++place) EXPECT_EQ(copy.places[copy.order[place]], place);
  std::vector<float> scores(data.items);
  ScoreAll(data.values, data.user, scores);
  for (const int per_mille : {-1, 10, 100, 150, 250, 300, 900}) {  // few: bits by place; many: bits by item
    const std::vector<uint64_t> allowed = Bitmap(data.items, per_mille, random);
    blocks_asked_for = 0;
    const auto best =
        BestItems(copy, data.values, data.user, 20, allowed, ScoreFloor::kNone, scratch, CountingKernels());
    EXPECT_EQ(best, TopK(scores, 20, allowed)) << per_mille;
    if (per_mille < 0 || per_mille == 900) {
      EXPECT_LT(blocks_asked_for, 20000 / 16 / 4) << per_mille;
    }
  }
}

TEST(QuantizedScanTest, APartIsWhatPassesAsFarAsItReaches) {
  Random random(10);
  const Factors data = Make(Kind::kRandom, 5000, 20, random);
  const QuantizedItems copy = Quantize(data.values, data.factors);
  for (const int per_mille : {10, 300, 1000}) {
    const std::vector<uint64_t> passing = Bitmap(data.items, per_mille, random);
    for (const size_t items_max : {0, 1, 100, 5000}) {
      const QuantizedPart part = PartOf(copy, passing, items_max);
      EXPECT_LE(part.items, items_max);
      EXPECT_EQ(part.reach % 16, 0u);
      if (items_max == 5000) {
        EXPECT_GE(part.reach, data.items);
      }
      size_t at = 0;
      for (size_t place = 0; place < std::min<size_t>(part.reach, copy.items); ++place) {
        const uint32_t row = copy.order[place];
        if ((passing[row / 64] >> (row % 64) & 1) == 0) continue;
        ASSERT_LT(at, part.items);
        EXPECT_EQ(part.order[at], row);
        EXPECT_EQ(part.scales[at], copy.scales[place]);
        EXPECT_GE(part.bounds[at / 16].norm, copy.bounds[place / 16].norm);
        EXPECT_GE(part.bounds[at / 16].error, copy.bounds[place / 16].error);
        if (at % 16 == 0) {
          EXPECT_EQ(part.bounds[at / 16].norm, copy.bounds[place / 16].norm);
        }
        for (size_t k = 0; k < data.factors; ++k) {
          const auto byte = [&](const QuantizedRows& rows, size_t where) { return rows.bytes()[where * 32 + k]; };
          ASSERT_EQ(byte(part, at), byte(copy, place));
        }
        ++at;
      }
      EXPECT_EQ(at, part.items);
      EXPECT_GE(part.bytes(), part.items * (32 + 8));
    }
  }
}

TEST(QuantizedScanTest, APartThatHasNotWhatIsAllowedIsCaught) {  // the broken twin
  Random random(11);
  ScanScratch scratch;
  const Factors data = Make(Kind::kRandom, 3000, 16, random);
  const QuantizedItems copy = Quantize(data.values, data.factors);
  std::vector<uint64_t> passing = Bitmap(data.items, 100, random);
  std::vector<float> scores(data.items);
  ScoreAll(data.values, data.user, scores);
  const std::vector<Scored> expected = TopK(scores, 20, passing);
  AllowedSet set(passing);
  QuantizedPart part = PartOf(copy, passing, data.items);
  set.part = &part;
  const auto best = [&] { return BestItems(copy, data.values, data.user, 20, set, ScoreFloor::kNone, scratch); };
  EXPECT_EQ(best(), expected);
  std::vector<uint64_t> fewer = passing;
  const uint32_t lost = expected[3].index;
  fewer[lost / 64] &= ~(uint64_t{1} << (lost % 64));
  part = PartOf(copy, fewer, data.items);
  EXPECT_NE(best(), expected);
  set.also = std::span(&lost, 1);  // named beside it, it is found
  EXPECT_EQ(best(), expected);
}

TEST(QuantizedScanTest, AnEndTooSoonIsCaught) {  // the broken twin: a norm too small where a chunk begins
  Random random(9);
  ScanScratch scratch;
  const Factors data = Make(Kind::kRandom, 3000, 16, random);
  QuantizedItems copy = Quantize(data.values, data.factors);
  std::vector<float> scores(data.items);
  ScoreAll(data.values, data.user, scores);
  const auto best = [&] { return BestItems(copy, data.values, data.user, 100, {}, ScoreFloor::kNone, scratch); };
  EXPECT_EQ(best(), TopK(scores, 100));
  copy.bounds[512 / 16].norm = 0;
  EXPECT_NE(best(), TopK(scores, 100));
}

}  // namespace
}  // namespace rapport
