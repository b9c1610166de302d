// A training run: store snapshot -> training set -> split by time -> fit on the past -> judge on the days after, beside
// popularity and the model in service -> gate -> refit on everything -> sanity check -> file. Publishing is the
// Engine's. Reads the store only through a snapshot, so it runs beside a server or on a checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/store.h"
#include "engine/options.h"
#include "models/als.h"
#include "models/content_model.h"
#include "models/metrics.h"
#include "models/neighbours.h"
#include "models/popularity.h"

namespace rapport {

enum class GateMode : uint8_t { kEnforce, kReportOnly /* the operator insists */ };

struct TrainOptions {
  AlsOptions als;
  NeighbourOptions neighbours;
  PopularityOptions popularity;
  double holdout_days = 28;        // judged on the last days of the log; shortened when the log is short
  bool activate = true;            // put in service when the gate agrees
  GateMode gate = GateMode::kEnforce;
  size_t judged_customers_max = 5000;  // sampled by seed beyond it
};

// One row of the judgement: what was measured on the held-out days, higher is better.
struct JudgedModel {
  std::string name;      // "candidate", "in service", "popular", "recent"
  Interval ndcg10, recall20;
  double coverage20 = 0;  // share of the catalogue that stands in anybody's top 20
};

struct TrainReport {
  uint64_t generation = 0;      // 0: refused before it was registered
  bool accepted = false, activated = false;
  std::string verdict;          // the gate's words
  uint64_t customers = 0, items = 0, interactions = 0, events = 0, judged_customers = 0;
  Timestamp split_at, trained_until;
  std::vector<JudgedModel> judged;
  double fit_seconds = 0, total_seconds = 0;
  std::string file;
};

// stage: "reading", "fitting", "judging", "refitting", "writing"; false cancels.
using TrainProgress = std::function<bool(const char* stage, double share_done)>;

struct TrainedModel {
  ContentModel model;
  TrainReport report;   // generation and activated still open
};

// The whole run but for registering and publishing. `in_service` may be null. `clock` stamps the report and measures stages;
// kFailedPrecondition when there is nothing to learn from, with what is missing.
Result<TrainedModel> RunTraining(const Store& store, const Snapshot& snapshot, const EventWeights& weights,
                                 const TrainOptions& options, const ContentModel* in_service,
                                 const Clock& clock, const TrainProgress& progress = {});

}  // namespace rapport
