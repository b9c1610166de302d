// Judging on a published split of customers' items (engine/learning/published_split.h), as papers do it:
//   rapport_published_split TRAIN TEST [--out FILE.jsonl] [--factors 512,1024] [--seed 1] [--quick]
// Both halves may be packed. One JSON line per fit or measurement, in the order they are made:
//   {"stage": "validation" | "test", "model", "settings", "recall20", "ndcg20", "fitSeconds", "scoreSeconds", ...}
// Every choice (settings, weights of the blend) is made on a validation split of TRAIN; TEST is measured once, at the
// end. --quick: small ranks, for trying out; its figures are no results.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

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
  explicit Journal(const std::string& path) : file_(path.empty() ? nullptr : std::fopen(path.c_str(), "w")) {}
  ~Journal() {
    if (file_ != nullptr) std::fclose(file_);
  }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  void Write(const ordered_json& line) {
    const std::string text = line.dump() + "\n";
    for (std::FILE* to : {stdout, file_}) {
      if (to == nullptr) continue;
      std::fputs(text.c_str(), to);
      std::fflush(to);
    }
  }

 private:
  std::FILE* file_;
};

// Measures, writes the line, gives NDCG@20 back.
double Report(const Stage& stage, const BlockScorer& scorer, ordered_json settings, double fit_seconds,
              Journal& journal) {
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
  ordered_json settings;
  double ndcg20 = 0;
};

Result<Fitted> FitFactors(const Stage& stage, AlsOptions options, Journal& journal) {
  const double started = SecondsNow();
  Result<AlsFit> fit = FitAls(stage.split.train, options);
  if (!fit.ok()) return fit.status();
  const double fit_seconds = SecondsNow() - started;
  const auto model = std::make_shared<const AlsModel>(std::move(fit->model));
  Fitted fitted{FactorBlocks("iALS d = " + std::to_string(options.factors), stage.split, model, 0),
                {{"factors", options.factors},
                 {"unobservedWeight", options.unobserved_weight},
                 {"regularization", options.regularization},
                 {"epochs", options.epochs}}};
  fitted.ndcg20 = Report(stage, fitted.scorer, fitted.settings, fit_seconds, journal);
  return fitted;
}

Result<Fitted> FitShallow(const Stage& stage, const EaseOptions& options, Journal& journal) {
  const double started = SecondsNow();
  Result<EaseByCustomer> fit = EaseByCustomer::Fit(stage.split.train, options);
  if (!fit.ok()) return fit.status();
  const double fit_seconds = SecondsNow() - started;
  const auto model = std::make_shared<const EaseByCustomer>(fit.Take());
  const std::string name = options.customer_power == 0 ? "EASE" : "EASE, customers weighed";
  Fitted fitted{EaseBlocks(name, model, stage.split.train.columns_count),
                {{"regularization", options.regularization}, {"customerPower", options.customer_power}}};
  fitted.ndcg20 = Report(stage, fitted.scorer, fitted.settings, fit_seconds, journal);
  return fitted;
}

Result<Fitted> FitGraph(const Stage& stage, const GraphFilterOptions& options, Journal& journal) {
  const double started = SecondsNow();
  Result<GraphFilter> fit = GraphFilter::Fit(stage.split.train, options);
  if (!fit.ok()) return fit.status();
  const double fit_seconds = SecondsNow() - started;
  const auto model = std::make_shared<const GraphFilter>(fit.Take());
  Fitted fitted{GraphBlocks("graph filter", stage.split, model),
                {{"rank", options.rank}, {"lowPassShare", options.low_pass_share}}};
  fitted.ndcg20 = Report(stage, fitted.scorer, fitted.settings, fit_seconds, journal);
  return fitted;
}

// What was chosen on the validation split.
struct Choices {
  AlsOptions als;
  EaseOptions ease;
  GraphFilterOptions graph;
  std::vector<double> theta;
};

constexpr size_t kBlendDepth = 300;
constexpr uint32_t kEaseCustomersMax = 60000;

AlsOptions FactorSettings(double unobserved_weight, double regularization, int factors) {
  AlsOptions options;
  options.unobserved_weight = unobserved_weight;
  options.regularization = regularization;
  options.epochs = 8;
  options.factors = factors;
  return options;
}

// The setting with the best NDCG@20, each of them fitted and written down.
template <typename Options, typename Fit>
Result<Options> BestOf(const std::vector<Options>& settings, const Fit& fit) {
  Options best = settings.front();
  double highest = -1;
  for (const Options& options : settings) {
    const Result<Fitted> fitted = fit(options);
    if (!fitted.ok()) return fitted.status();
    if (fitted->ndcg20 > highest) best = options;
    highest = std::max(highest, fitted->ndcg20);
  }
  return best;
}

// Nine settings for iALS at a rank that is quick to fit, four each for EASE and the graph filter; EASE on a quarter of
// the customers, because its cost grows with their cube.
Status ChooseSettings(const Stage& stage, const Arguments& arguments, Journal& journal, Choices& choices) {
  std::vector<AlsOptions> als;
  for (const double unobserved_weight : {0.006, 0.012, 0.024}) {
    for (const double regularization : {0.0015, 0.0025, 0.004}) {
      als.push_back(FactorSettings(unobserved_weight, regularization, arguments.quick ? 16 : 128));
    }
  }
  Result<AlsOptions> best_als =
      BestOf(als, [&](const AlsOptions& options) { return FitFactors(stage, options, journal); });
  if (!best_als.ok()) return best_als.status();
  choices.als = best_als.Take();

  std::vector<GraphFilterOptions> graph;
  for (const double share : {0.1, 0.2, 0.4, 0.8}) {
    graph.push_back({.rank = arguments.quick ? 16 : 256, .low_pass_share = share});
  }
  Result<GraphFilterOptions> best_graph =
      BestOf(graph, [&](const GraphFilterOptions& options) { return FitGraph(stage, options, journal); });
  if (!best_graph.ok()) return best_graph.status();
  choices.graph = best_graph.Take();

  const PublishedSplit quarter = SampleCustomers(stage.split, arguments.quick ? 0.03 : 0.25, arguments.seed);
  std::vector<EaseOptions> ease;
  for (const double power : {0.0, 0.3, 0.5, 0.7}) {
    ease.push_back({.regularization = 100, .customer_power = power, .size_max = kEaseCustomersMax});
  }
  Result<EaseOptions> best_ease = BestOf(ease, [&](const EaseOptions& options) {
    return FitShallow({"validation, a quarter of the customers", quarter}, options, journal);
  });
  if (!best_ease.ok()) return best_ease.status();
  choices.ease = best_ease.Take();
  return Status::Ok();
}

Result<Choices> Choose(const Stage& stage, const Arguments& arguments, Journal& journal) {
  Choices choices;
  RAPPORT_RETURN_IF_ERROR(ChooseSettings(stage, arguments, journal, choices));
  std::vector<BlockScorer> scorers;
  if (!arguments.quick) {
    const Result<Fitted> shallow = FitShallow(stage, choices.ease, journal);
    if (!shallow.ok()) return shallow.status();
    scorers.push_back(shallow->scorer);
  }
  AlsOptions largest = choices.als;
  largest.factors = arguments.factors.back();
  Result<Fitted> factors = FitFactors(stage, largest, journal);
  if (!factors.ok()) return factors.status();
  Result<Fitted> graph = FitGraph(stage, choices.graph, journal);
  if (!graph.ok()) return graph.status();
  scorers.push_back(factors->scorer);
  scorers.push_back(graph->scorer);
  PublishedBlendOptions blend;
  blend.depth = kBlendDepth;
  blend.seed = arguments.seed;
  Result<std::vector<double>> theta = FitPublishedBlend(stage.split, scorers, blend);
  if (!theta.ok()) return theta.status();
  choices.theta = theta.Take();
  Report(stage, BlendBlocks("blend", stage.split, scorers, choices.theta, kBlendDepth), {{"theta", choices.theta}}, 0,
         journal);
  return choices;
}

Status MeasureTest(const Stage& stage, const Arguments& arguments, const Choices& choices, Journal& journal) {
  Report(stage, PopularityBlocks(stage.split), ordered_json::object(), 0, journal);
  std::vector<BlockScorer> scorers;
  if (!arguments.quick) {
    EaseOptions plain;
    plain.size_max = kEaseCustomersMax;
    const bool weighed = choices.ease.customer_power != 0;
    // The unweighted one is a check of the metric code against published figures, whether the blend takes it or not.
    {
      const Result<Fitted> fitted = FitShallow(stage, plain, journal);
      if (!fitted.ok()) return fitted.status();
      if (!weighed) scorers.push_back(fitted->scorer);
    }
    if (weighed) {
      const Result<Fitted> fitted = FitShallow(stage, choices.ease, journal);
      if (!fitted.ok()) return fitted.status();
      scorers.push_back(fitted->scorer);
    }
  }
  for (const int count : arguments.factors) {
    AlsOptions options = choices.als;
    options.factors = count;
    const Result<Fitted> fitted = FitFactors(stage, options, journal);
    if (!fitted.ok()) return fitted.status();
    if (count == arguments.factors.back()) scorers.push_back(fitted->scorer);
  }
  const Result<Fitted> graph = FitGraph(stage, choices.graph, journal);
  if (!graph.ok()) return graph.status();
  scorers.push_back(graph->scorer);
  Report(stage, BlendBlocks("blend", stage.split, scorers, choices.theta, kBlendDepth), {{"theta", choices.theta}}, 0,
         journal);
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
  app.add_option("--factors", arguments.factors, "ranks of iALS that are measured; the last one is blended")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  app.add_option("--seed", arguments.seed, "of the validation split and of the blend's customers");
  app.add_flag("--quick", arguments.quick, "small ranks and no EASE, for trying out");
  CLI11_PARSE(app, count, values);
  const rapport::Status status = rapport::Run(arguments);
  if (!status.ok()) std::cerr << "rapport_published_split: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
