// The exact best 100 of a catalogue for `make bench-peers`:
//   rapport_top_k generate FOLDER --items N     items.f32 (N + 1, 64) and queries.f32 (64, 64): factors as training
//   leaves them,
//                                               in principal axes with the first ones large, norms by a power law. Row
//                                               0 is nobody's, as item id 0 is.
//   rapport_top_k work FOLDER --items N [--plant slow|wrong]
//     answers lines of JSON {"mode", "share", "queries"} with {"seconds", "compileSeconds"} per query: CPU time of one
//     thread modes: plain | fresh | cached | viewed (a filter that lets `share` percent pass; "viewed" adds AND NOT
//     viewed, cached)
//     {"mode": "floor"}: seconds to read what a scan has to read; {"mode": "truth", "path"}: the row numbers of the
//     best
// Every list is compared with ScoreAll and TopK over the same bits before it is timed: a wrong one is {"wrong": why}.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/huge_pages.h"
#include "base/random.h"
#include "engine/content/filter_cache.h"
#include "engine/content/filter_parts.h"
#include "models/quantized_scan.h"

namespace rapport::bench {
namespace {

using nlohmann::json;

constexpr size_t kFactors = 64, kQueries = 64, kBest = 100, kViewed = 40;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void WriteFloats(const std::string& path, const std::vector<float>& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
}
std::vector<float> ReadFloats(const std::string& path, size_t count) {
  std::vector<float> values;
  ResizeInHugePages(values, count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(float)));
  if (!file) values.clear();
  return values;
}

// Rows around 400 centres, as tastes are; the first axes largest; norms by a power law where `norm_power` > 0.
std::vector<float> RandomFactors(size_t rows, uint64_t seed, double norm_power) {
  constexpr size_t kCentres = 400;
  constexpr double kCentreShare = 0.8;  // of the variance
  Random of_centres(99), random(seed);
  std::vector<double> centres(kCentres * kFactors);
  for (double& value : centres) value = std::sqrt(kCentreShare) * of_centres.Normal();
  std::vector<float> factors(rows * kFactors);
  for (size_t r = 0; r < rows; ++r) {
    const double norm = std::pow(1.0 + 1000.0 * random.Uniform(), -norm_power);
    const double* centre = centres.data() + random.Below(kCentres) * kFactors;
    for (size_t k = 0; k < kFactors; ++k) {
      const double value = centre[k] + std::sqrt(1 - kCentreShare) * random.Normal();
      factors[r * kFactors + k] = static_cast<float>(norm * value / std::sqrt(1.0 + static_cast<double>(k)));
    }
  }
  return factors;
}

int Generate(const std::string& folder, size_t items) {
  std::vector<float> factors = RandomFactors(items + 1, 1, 0.25);
  std::fill_n(factors.begin(), kFactors, 0.0f);
  WriteFloats(folder + "/items.f32", factors);
  WriteFloats(folder + "/queries.f32", RandomFactors(kQueries, 2, 0));
  std::cout << json{{"items", items}}.dump() << std::endl;
  return 0;
}

// One catalogue and what is asked of it. One thread.
class Work {
 public:
  Work(const std::string& folder, size_t items, std::string plant)
      : items_(items),
        plant_(std::move(plant)),
        factors_(ReadFloats(folder + "/items.f32", (items + 1) * kFactors)),
        queries_(ReadFloats(folder + "/queries.f32", kQueries * kFactors)),
        models_(MakeModels(factors_)),
        copy_(models_->content->als.quantized) {
    Random random(3);
    for (size_t n = 0; n < kViewed; ++n) {
      viewed_.push_back({ItemId{static_cast<uint32_t>(1 + items * n / kViewed + random.Below(items / kViewed))}, true});
    }
  }
  bool ok() const { return !factors_.empty() && !queries_.empty(); }

  json Answer(const json& question) {
    const std::string mode = question.at("mode");
    if (mode == "floor") return {{"seconds", FloorSeconds()}};
    if (mode == "truth") return Truth(question.at("path"));
    text_.clear();
    if (mode != "plain") {
      MakeCatalogue();
      text_ =
          "price < " + std::to_string(question.at("share").get<int>()) + (mode == "viewed" ? " AND NOT viewed" : "");
    }
    const size_t count = std::min<size_t>(kQueries, question.at("queries").get<size_t>());
    Caches kept;
    Passing passing;
    // Cached: asked for before, so often that whatever is kept of a filter is there.
    for (int asked = 0; asked < (mode == "fresh" ? 1 : 3); ++asked) {
      if (!Compile(kept, passing)) return {{"wrong", "the filter was refused: " + text_}};
    }
    std::vector<float> scores(items_ + 1);
    for (size_t q = 0; q < count; ++q) {
      ScoreAll(factors_, Query(q), scores);
      if (Best(q, passing) != TopK(scores, kBest, passing.bits))
        return {{"wrong", "not the best " + std::to_string(kBest)}};
    }
    double compile = 0;
    const double started = CpuSeconds();
    for (size_t q = 0; q < count; ++q) {
      const double before = text_.empty() ? 0 : CpuSeconds();
      if (mode == "fresh") {
        Compile(*std::make_unique<Caches>(), passing);  // and what it made is given back
      } else if (!text_.empty()) {
        Compile(kept, passing);
      }
      if (!text_.empty()) compile += CpuSeconds() - before;
      Best(q, passing);
    }
    if (plant_ == "slow") {
      for (size_t q = 0; q < 4 * count; ++q) Best(q % count, passing);
    }
    const auto runs = static_cast<double>(count);
    return {{"seconds", (CpuSeconds() - started) / runs}, {"compileSeconds", compile / runs}};
  }

 private:
  // What a server keeps of filters, and what one lets pass of the catalogue: all, without bits.
  struct Caches {
    FilterCache filters{16, 1u << 30};
    FilterPartCache parts{16, 1u << 30};
  };
  struct Passing {
    Bitmap bits;
    std::shared_ptr<const FilterPart> part;
  };
  // Row i is item i.
  static std::shared_ptr<const ModelSet> MakeModels(const std::vector<float>& factors) {
    auto content = std::make_shared<ContentModel>();
    content->als.quantized = Quantize(factors, kFactors);
    auto models = std::make_shared<ModelSet>();
    models->generation = 1;
    const size_t rows = factors.size() / kFactors;
    models->row_of_item.resize(rows);
    std::iota(models->row_of_item.begin(), models->row_of_item.end(), 0u);
    models->has_row.assign(WordsFor(rows), ~uint64_t{0});
    models->content = std::move(content);
    return models;
  }
  std::span<const float> Query(size_t q) const { return std::span(queries_).subspan(q * kFactors, kFactors); }
  std::vector<Scored> Best(size_t q, const Passing& passing) {
    std::vector<Scored> best =
        BestItems(copy_, factors_, Query(q), kBest, FilterPart::Allow(passing.bits, passing.part.get()),
                  ScoreFloor::kNone, scratch_);
    if (plant_ == "wrong") std::swap(best.front(), best.back());
    return best;
  }

  // Items 1 to N with prices 0 to 99, in no order.
  void MakeCatalogue() {
    if (index_) return;
    CatalogBuilder builder;
    for (size_t i = 1; i <= items_; ++i) {
      Item item;
      item.id = ItemId{static_cast<uint32_t>(i)};
      item.external_id = std::to_string(i);
      item.catalogued = true;
      item.price = Decimal{static_cast<int64_t>(i * 7919 % 100), 0};
      builder.Put(std::move(item));
    }
    index_ = CatalogIndexCache().Get(builder.Build());
  }

  // What the filter in `text_` leaves of the catalogue, as a page view asks for it.
  bool Compile(Caches& caches, Passing& passing) const {
    if (text_.empty()) return true;
    const auto compiled = caches.filters.Get(text_, *index_);
    if (!compiled.ok() || !*compiled) return false;
    passing.bits = index_->standing();
    (*compiled)->Restrict(viewed_, passing.bits);
    passing.part = caches.parts.Get(std::span(&*compiled, 1), *index_, models_);
    return true;
  }

  json Truth(const std::string& path) {
    std::ofstream file(path, std::ios::binary);
    for (size_t q = 0; q < kQueries; ++q) {
      for (const Scored& one : Best(q, {})) file.write(reinterpret_cast<const char*>(&one.index), sizeof(one.index));
    }
    return {{"queries", kQueries}};
  }

  // The int8 copy, its scales and bounds, read in order with nothing done but adding up.
  double FloorSeconds() const {
    double best = 1e30;
    for (int tries = 0; tries < 7; ++tries) {
      const double started = CpuSeconds();
      volatile uint64_t sink = Sum(copy_.lines.data(), copy_.lines.size() * sizeof(scan::Line)) +
                               Sum(copy_.scales.data(), copy_.scales.size() * sizeof(float)) +
                               Sum(copy_.bounds.data(), copy_.bounds.size() * sizeof(scan::BlockBound));
      static_cast<void>(sink);
      best = std::min(best, CpuSeconds() - started);
    }
    return best;
  }
  typedef uint64_t Words __attribute__((vector_size(64)));
  __attribute__((target_clones("default", "avx2", "avx512f"))) static uint64_t Sum(const void* begin, size_t bytes) {
    const char* at = static_cast<const char*>(begin);
    Words sums[4] = {};
    for (size_t b = 0; b + 256 <= bytes; b += 256) {
      for (size_t i = 0; i < 4; ++i) {
        Words words;
        __builtin_memcpy(&words, at + b + 64 * i, sizeof(words));
        sums[i] += words;
      }
    }
    const Words sum = sums[0] + sums[1] + sums[2] + sums[3];
    return sum[0] + sum[7];
  }

  const size_t items_;
  const std::string plant_;
  const std::vector<float> factors_, queries_;
  const std::shared_ptr<const ModelSet> models_;
  const QuantizedItems& copy_;
  ItemSet viewed_;
  std::shared_ptr<const CatalogIndex> index_;
  std::string text_;
  ScanScratch scratch_;
};

int Run(int argc, char** argv) {
  CLI::App app("The exact best of a catalogue for make bench-peers");
  std::string command, folder, plant;
  size_t items = 20000;
  app.add_option("command", command)->required()->check(CLI::IsMember({"generate", "work"}));
  app.add_option("folder", folder)->required();
  app.add_option("--items", items)->check(CLI::Range(200, 10'000'000));
  app.add_option("--plant", plant)->check(CLI::IsMember({"slow", "wrong"}));
  CLI11_PARSE(app, argc, argv);
  if (command == "generate") return Generate(folder, items);
  Work work(folder, items, plant);
  if (!work.ok()) {
    std::cerr << "rapport_top_k: no factors of that size in " << folder << "\n";
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) std::cout << work.Answer(json::parse(line)).dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace rapport::bench

int main(int argc, char** argv) { return rapport::bench::Run(argc, argv); }
