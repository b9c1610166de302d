// Judging on a published split of customers' items (engine/learning/published_split.h), as papers do it:
//   rapport_published_split TRAIN TEST [--out FILE.jsonl] [--factors 512,1024] [--seed 1] [--quick]
// Both halves may be packed. One JSON line per fit or measurement, in the order they are made:
//   {"stage": "validation" | "test", "model", "settings", "recall20", "ndcg20", "fitSeconds", "scoreSeconds", ...}
// Every choice (settings, weights of the blend) is made on a validation split of TRAIN; TEST is measured once, at the
// end. A run that was cut short goes on from the lines of --out: what stands there is not measured again.
// --quick: small ranks, for trying out; its figures are no results.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/io/byte_source.h"
#include "engine/learning/published_blend.h"
#include "engine/learning/published_split.h"
#include "models/metrics.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

struct Arguments {
  std::string train, test, out;
  std::vector<int> factors{512, 1024};
  uint64_t seed = 1;
  bool quick = false;
};

double SecondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Result<std::string> ReadAll(const std::string& path) {
  Result<std::unique_ptr<ByteSource>> source = OpenByteSource(path);
  if (!source.ok()) return source.status();
  std::string text;
  for (;;) {
    const Result<std::string_view> block = (*source)->Read();
    if (!block.ok()) return block.status();
    if (block->empty()) return text;
    text += *block;
  }
}

// What a stage judges on, and where its lines go.
struct Stage {
  const char* name;
  const PublishedSplit& split;
};

// One owner, one thread.
class Journal {
 public:
  explicit Journal(const std::string& path) {
    if (path.empty()) return;
    std::ifstream before(path);
    for (std::string line; std::getline(before, line);) {
      const ordered_json json = ordered_json::parse(line, nullptr, false);
      if (!json.is_discarded()) known_[KeyOf(json)] = json["ndcg20"]["mean"].get<double>();
    }
    file_ = std::fopen(path.c_str(), "a");
  }
  ~Journal() {
    if (file_ != nullptr) std::fclose(file_);
  }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // NDCG@20 of what this run or an earlier one has measured.
  std::optional<double> Known(const char* stage, const std::string& model, const ordered_json& settings) const {
    const auto found = known_.find(KeyOf({{"stage", stage}, {"model", model}, {"settings", settings}}));
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }
  void Write(const ordered_json& line) {
    known_[KeyOf(line)] = line["ndcg20"]["mean"].get<double>();
    const std::string text = line.dump() + "\n";
    for (std::FILE* to : {stdout, file_}) {
      if (to == nullptr) continue;
      std::fputs(text.c_str(), to);
      std::fflush(to);
    }
  }

 private:
  static std::string KeyOf(const ordered_json& line) {
    return line["stage"].dump() + line["model"].dump() + line["settings"].dump();
  }
  std::FILE* file_ = nullptr;
  std::map<std::string, double> known_;
};

// Measures, writes the line, gives NDCG@20 back.
double Report(const Stage& stage, const BlockScorer& scorer, ordered_json settings, double fit_seconds,
              Journal& journal) {
  if (const std::optional<double> known = journal.Known(stage.name, scorer.name, settings)) return *known;
  const double started = SecondsNow();
  const SplitMeasured measured = MeasureSplit(stage.split, scorer, 0);
  const Interval recall = BootstrapMean(measured.recall20, 1), ndcg = BootstrapMean(measured.ndcg20, 1);
  const auto interval = [](const Interval& i) {
    return ordered_json{{"mean", i.mean}, {"lower", i.lower}, {"upper", i.upper}};
  };
  journal.Write({{"stage", stage.name},
                 {"model", scorer.name},
                 {"settings", std::move(settings)},
                 {"customers", measured.recall20.size()},
                 {"recall20", interval(recall)},
                 {"ndcg20", interval(ndcg)},
                 {"fitSeconds", fit_seconds},
                 {"scoreSeconds", SecondsNow() - started}});
  return ndcg.mean;
}

struct Fitted {
  BlockScorer scorer;
  double ndcg20 = 0;
};

// iALS on customers that weigh (n_u / mean)^-customer_power an item.
struct FactorOptions {
  AlsOptions als;
  double customer_power = 0;
};
std::string NameOf(const FactorOptions& options) { return "iALS d = " + std::to_string(options.als.factors); }
ordered_json SettingsOf(const FactorOptions& options) {
  return {{"factors", options.als.factors},
          {"unobservedWeight", options.als.unobserved_weight},
          {"regularization", options.als.regularization},
          {"customerPower", options.customer_power},
          {"epochs", options.als.epochs},
          {"solver", AlsSolverName(options.als.solver)}};
}
std::string NameOf(const EaseOptions&) { return "EASE"; }
ordered_json SettingsOf(const EaseOptions& options) { return {{"regularization", options.regularization}}; }
std::string NameOf(const GraphFilterOptions&) { return "graph filter"; }
ordered_json SettingsOf(const GraphFilterOptions& options) {
  return {{"rank", options.rank}, {"lowPassShare", options.low_pass_share}};
}

Result<BlockScorer> FitScorer(const PublishedSplit& split, const FactorOptions& options) {
  const Interactions train = WeighCustomers(split.train, options.customer_power);
  Result<AlsFit> fit = FitAls(train, options.als);
  if (!fit.ok()) return fit.status();
  return FactorBlocks(NameOf(options), train, std::make_shared<const AlsModel>(std::move(fit->model)), 0);
}
Result<BlockScorer> FitScorer(const PublishedSplit& split, const EaseOptions& options) {
  Result<EaseByCustomer> fit = EaseByCustomer::Fit(split.train, options);
  if (!fit.ok()) return fit.status();
  return EaseBlocks(NameOf(options), std::make_shared<const EaseByCustomer>(fit.Take()), split.train.columns_count);
}
Result<BlockScorer> FitScorer(const PublishedSplit& split, const GraphFilterOptions& options) {
  Result<GraphFilter> fit = GraphFilter::Fit(split.train, options);
  if (!fit.ok()) return fit.status();
  return GraphBlocks(NameOf(options), split, std::make_shared<const GraphFilter>(fit.Take()));
}

// Fits and measures.
template <typename Options>
Result<Fitted> Fit(const Stage& stage, const Options& options, Journal& journal) {
  const double started = SecondsNow();
  Result<BlockScorer> scorer = FitScorer(stage.split, options);
  if (!scorer.ok()) return scorer.status();
  const double fit_seconds = SecondsNow() - started;
  Fitted fitted{scorer.Take()};
  fitted.ndcg20 = Report(stage, fitted.scorer, SettingsOf(options), fit_seconds, journal);
  return fitted;
}

// What was chosen on the validation split.
struct Choices {
  FactorOptions factors;
  GraphFilterOptions graph;
  std::vector<double> theta;
};

constexpr size_t kBlendDepth = 300;
constexpr uint32_t kEaseCustomersMax = 60000;

FactorOptions FactorSettings(double unobserved_weight, double regularization, double customer_power, int factors) {
  FactorOptions options;
  options.als.unobserved_weight = unobserved_weight;
  options.als.regularization = regularization;
  options.als.epochs = 8;
  options.als.factors = factors;
  options.als.solver = AlsSolver::kConjugateGradient;  // the same marks as exact rows, sooner
  options.als.conjugate_gradient_steps = 4;
  options.customer_power = customer_power;
  return options;
}

// The setting with the best NDCG@20, each of them fitted and written down unless an earlier run has.
template <typename Options>
Result<Options> BestOf(const Stage& stage, const std::vector<Options>& settings, Journal& journal) {
  Options best = settings.front();
  double highest = -1;
  for (const Options& options : settings) {
    std::optional<double> ndcg20 = journal.Known(stage.name, NameOf(options), SettingsOf(options));
    if (!ndcg20) {
      const Result<Fitted> fitted = Fit(stage, options, journal);
      if (!fitted.ok()) return fitted.status();
      ndcg20 = fitted->ndcg20;
    }
    if (*ndcg20 > highest) best = options;
    highest = std::max(highest, *ndcg20);
  }
  return best;
}

EaseOptions Shallow() {
  EaseOptions options;  // lambda 100, as published: a check of the measures. Too slow here to tune, or to blend
  options.size_max = kEaseCustomersMax;
  return options;
}

// What the blend mixes, fitted on one stage's training half.
Result<std::vector<BlockScorer>> FitBlended(const Stage& stage, const Choices& choices, Journal& journal) {
  std::vector<BlockScorer> scorers;
  const auto add = [&](Result<Fitted> fitted) {
    if (fitted.ok()) scorers.push_back(fitted->scorer);
    return fitted.status();
  };
  RAPPORT_RETURN_IF_ERROR(add(Fit(stage, choices.graph, journal)));
  RAPPORT_RETURN_IF_ERROR(add(Fit(stage, choices.factors, journal)));
  return scorers;
}

// Eight settings for iALS at the rank that is blended: the best unobserved weight falls as the rank grows, so a rank
// that is quicker to fit would choose another.
Result<FactorOptions> ChooseFactors(const Stage& stage, const Arguments& arguments, Journal& journal) {
  const int factors = arguments.factors.front();
  std::vector<FactorOptions> settings;
  for (const double unobserved_weight : {0.012, 0.016, 0.024}) {
    for (const double customer_power : {0.0, 0.3}) {
      settings.push_back(FactorSettings(unobserved_weight, 0.0025, customer_power, factors));
    }
  }
  const Result<FactorOptions> best = BestOf(stage, settings, journal);
  if (!best.ok()) return best.status();
  std::vector<FactorOptions> around{*best};
  for (const double regularization : {0.0018, 0.0035}) {
    around.push_back(*best);
    around.back().als.regularization = regularization;
  }
  return BestOf(stage, around, journal);
}

// Four settings for the graph filter, too; then the blend's weights.
Result<Choices> Choose(const Stage& stage, const Arguments& arguments, Journal& journal) {
  Choices choices;
  const Result<FactorOptions> best_factors = ChooseFactors(stage, arguments, journal);
  if (!best_factors.ok()) return best_factors.status();
  choices.factors = *best_factors;
  std::vector<GraphFilterOptions> graph;
  for (const double share : {0.1, 0.2, 0.4, 0.8}) {
    graph.push_back({.rank = arguments.quick ? 16 : 256, .low_pass_share = share});
  }
  Result<GraphFilterOptions> best_graph = BestOf(stage, graph, journal);
  if (!best_graph.ok()) return best_graph.status();
  choices.graph = best_graph.Take();

  const Result<std::vector<BlockScorer>> scorers = FitBlended(stage, choices, journal);
  if (!scorers.ok()) return scorers.status();
  PublishedBlendOptions blend;
  blend.depth = kBlendDepth;
  blend.seed = arguments.seed;
  Result<std::vector<double>> theta = FitPublishedBlend(stage.split, *scorers, blend);
  if (!theta.ok()) return theta.status();
  choices.theta = theta.Take();
  return choices;
}

Status MeasureTest(const Stage& stage, const Arguments& arguments, const Choices& choices, Journal& journal) {
  Report(stage, PopularityBlocks(stage.split), ordered_json::object(), 0, journal);
  {
    const Result<std::vector<BlockScorer>> scorers = FitBlended(stage, choices, journal);
    if (!scorers.ok()) return scorers.status();
    Report(stage, BlendBlocks("blend", stage.split, *scorers, choices.theta, kBlendDepth), {{"theta", choices.theta}},
           0, journal);
  }
  const bool shallow_known = journal.Known(stage.name, NameOf(Shallow()), SettingsOf(Shallow())).has_value();
  if (!arguments.quick && !shallow_known) {  // ten minutes, and nothing else needs it
    const Result<Fitted> fitted = Fit(stage, Shallow(), journal);
    if (!fitted.ok()) return fitted.status();
  }
  for (size_t i = 1; i < arguments.factors.size(); ++i) {
    FactorOptions options = choices.factors;
    options.als.factors = arguments.factors[i];
    const Result<Fitted> fitted = Fit(stage, options, journal);
    if (!fitted.ok()) return fitted.status();
  }
  return Status::Ok();
}

Status Run(const Arguments& arguments) {
  const Result<std::string> train = ReadAll(arguments.train);
  if (!train.ok()) return train.status();
  const Result<std::string> test = ReadAll(arguments.test);
  if (!test.ok()) return test.status();
  const Result<PublishedSplit> split = ParsePublishedSplit(*train, *test);
  if (!split.ok()) return split.status();
  Journal journal(arguments.out);
  const PublishedSplit validation = SplitForValidation(*split, 0.2, arguments.seed);
  const Result<Choices> choices = Choose({"validation", validation}, arguments, journal);
  if (!choices.ok()) return choices.status();
  return MeasureTest({"test", *split}, arguments, *choices, journal);
}

}  // namespace
}  // namespace rapport

int main(int count, char** values) {
  rapport::Arguments arguments;
  CLI::App app("Judges models on a published split; every choice is made on a validation split of TRAIN.");
  app.add_option("train", arguments.train, "one customer per line: customer item item ...")->required();
  app.add_option("test", arguments.test, "the same")->required();
  app.add_option("--out", arguments.out, "JSON lines also to this file");
  app.add_option("--factors", arguments.factors, "ranks of iALS that are measured; the first one is blended")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  app.add_option("--seed", arguments.seed, "of the validation split and of the blend's customers");
  app.add_flag("--quick", arguments.quick, "small ranks and no EASE, for trying out");
  CLI11_PARSE(app, count, values);
  const rapport::Status status = rapport::Run(arguments);
  if (!status.ok()) std::cerr << "rapport_published_split: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
