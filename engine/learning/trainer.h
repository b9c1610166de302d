// A training run: store snapshot -> training set -> split by time -> fit on the past -> judge on the days after, beside
// popularity and the model in service -> gate -> refit on everything -> sanity check -> file. Publishing is the
// Engine's. Reads the store only through a snapshot, so it runs beside a server or on a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/store.h"
#include "engine/learning/blend_fit.h"
#include "engine/learning/content_parts.h"
#include "engine/learning/drift.h"
#include "engine/learning/foreign_factors.h"
#include "engine/learning/gate.h"
#include "engine/learning/training_set.h"
#include "engine/options.h"
#include "models/als.h"
#include "models/content_model.h"
#include "models/ease.h"
#include "models/metrics.h"
#include "models/neighbours.h"
#include "models/popularity.h"

namespace rapport {

// EASE as one more voice of the blend, for catalogues that it can afford.
struct ShallowOptions {
  EaseOptions ease{.regularization = 200, .size_max = 6000};  // more items: left out
  size_t per_item = 200;                                      // largest weights that are kept
};

struct TrainOptions {
  AlsOptions als;
  NeighbourOptions neighbours{.neighbours = 200};
  ShallowOptions shallow;
  size_t blend_customers_max = 1500;  // cases per held-out window and task; 0: no blend, the factors rank
  PopularityOptions popularity;
  ContentPartsOptions parts;
  double holdout_days = 28;  // judged on the last days of the log; at most a fifth of its span
  bool activate = true;      // put in service when the gate agrees
  GateMode gate = GateMode::kEnforce;
  size_t judged_customers_max = 5000;  // sampled by seed beyond it
  // Factors trained elsewhere, instead of fitting `als`; RunTraining resolves them to `foreign`. `als` then has their
  // settings and stands in for them in the blend's windows. Judged on the days after their trained_until where that
  // lies later than the usual cut; refused when fewer than kGateCustomersMin customers came back in them, unless `gate`
  // says otherwise.
  std::shared_ptr<const FactorTable> table;
  ForeignFactors::Coverage coverage = ForeignFactors::Coverage::kWhole;
  std::shared_ptr<const ForeignFactors> foreign;
};

// One row of the judgement: what was measured on the held-out days, higher is better.
struct JudgedModel {
  std::string name;  // "candidate", "popular", "recent", "in service" (or "in service, refitted")
  Interval ndcg10, recall20;
  double coverage20 = 0;  // share of the catalogue that stands in anybody's top 20
};

struct TrainReport {
  uint64_t generation = 0;  // 0: refused before it was registered
  bool accepted = false, activated = false;
  std::string verdict;   // the gate's words
  bool foreign = false;  // factors from elsewhere
  uint64_t customers = 0, items = 0, interactions = 0, events = 0, judged_customers = 0;
  Timestamp split_at, trained_until;
  std::vector<JudgedModel> judged;
  std::optional<DriftReport> drift;  // of the model that was in service
  double fit_seconds = 0, total_seconds = 0;
  std::string file;
};

// stage: "reading", "fitting", "judging", "refitting", "writing"; false cancels.
using TrainProgress = std::function<bool(const char* stage, double share_done)>;

struct TrainedModel {
  ContentModel model;
  TrainReport report;  // generation and activated still open
};

// The whole run but for registering and publishing. `in_service` may be null. `clock` stamps the report and measures
// stages; kFailedPrecondition when there is nothing to learn from, with what is missing; kUnavailable when cancelled. A
// candidate the gate refuses is no error: report.accepted is false, the words say why, and `model` is the one fitted on
// the past.
Result<TrainedModel> RunTraining(const Store& store, const Snapshot& snapshot, const EventWeights& weights,
                                 const TrainOptions& options, const ContentModel* in_service, const Clock& clock,
                                 const TrainProgress& progress = {});

// The same from a table. Judging "in service": a model that has not seen the held-out days is judged as it is; one that
// has would shine with what it remembers, so its own settings are fitted anew on the past and judged instead.
Result<TrainedModel> TrainOnSet(const TrainingSet& set, double history_half_life_days, const TrainOptions& options,
                                const ContentModel* in_service, const Clock& clock, const TrainProgress& progress = {});

// Fits every part on the whole table, decay taken at `as_of`; rows as the table's. kFailedPrecondition when no weight
// is left above zero.
Result<ContentModel> FitContentModel(const TrainingSet& set, Timestamp as_of, double history_half_life_days,
                                     const TrainOptions& options, const FitProgress& progress = {});

// Windows by where they begin, for repeated collections over the same log with the same options and window length.
using WindowCache = std::map<int64_t, std::shared_ptr<const WindowCases>>;
// The held-out windows before `cut` (blend_fit.h), each scored by a model fitted on what lay before it.
Result<std::vector<std::shared_ptr<const WindowCases>>> CollectWindows(const TrainingSet& set, Timestamp cut,
                                                                       double half_life_days,
                                                                       const TrainOptions& options,
                                                                       const TrainProgress& progress = {},
                                                                       WindowCache* cache = nullptr);

// How a candidate fitted on `past` compares on what came after: rows for the report, and the gate's words.
struct Judgement {
  std::vector<JudgedModel> judged;
  GateVerdict verdict;
  uint64_t customers = 0;
};
Result<Judgement> JudgeCandidate(const TrainingSet& all, const TrainingSet& past, Timestamp split,
                                 std::shared_ptr<const ContentModel> candidate, const ContentModel* in_service,
                                 const TrainOptions& options);

// Where to cut: holdout_days before the last line, or a fifth of the span when that is shorter. Equal to set.first when
// there is no past to speak of.
Timestamp ChooseSplit(const TrainingSet& set, double holdout_days);

}  // namespace rapport
