#include "engine/learning/tuning.h"

#include <numeric>

namespace rapport {
namespace {

double MeanNdcg(const Measured& measured) {
  if (measured.ndcg10.empty()) return 0;
  return std::accumulate(measured.ndcg10.begin(), measured.ndcg10.end(), 0.0) /
         static_cast<double>(measured.ndcg10.size());
}

}  // namespace

const char* TaskName(JudgedTask task) { return task == JudgedTask::kNextBasket ? "next basket" : "new items"; }

CaseOptions TaskCases(JudgedTask task, Timestamp split, Timestamp until) {
  CaseOptions options;
  options.split = split;
  options.until = until;
  options.relevant = task == JudgedTask::kNextBasket ? RelevantSet::kNextBasket : RelevantSet::kWindow;
  options.repeats = task == JudgedTask::kNextBasket ? RepeatTask::kWithRepeats : RepeatTask::kNewItemsOnly;
  return options;
}

TunedRivals UntunedRivals(const RivalSettings& defaults) {
  TunedRivals tuned;
  for (auto& task : tuned.settings) task.fill(defaults);
  return tuned;
}

Result<TunedRivals> TuneRivals(const TrainingSet& set, Timestamp begin, Timestamp until,
                               const std::vector<Rival>& rivals, const RivalSettings& defaults,
                               const TuningOptions& options, const TuningProgress& progress) {
  TunedRivals tuned = UntunedRivals(defaults);
  if (options.runs <= 0) return tuned;
  const TrainingSet past = LinesBefore(set, begin);
  if (past.lines.empty()) {
    return Status::FailedPrecondition("nothing happened before the validation window at " + FormatRfc3339(begin) +
                                      "; choose a later split");
  }
  std::array<JudgedCases, 2> cases;
  for (const JudgedTask task : kJudgedTasks) {
    CaseOptions wanted = TaskCases(task, begin, until);
    wanted.cases_max = options.customers_max;
    wanted.seed = options.seed;
    cases[static_cast<size_t>(task)] = MakeCases(set, past, wanted);
  }
  size_t done = 0;
  for (const Rival rival : rivals) {
    Random random = Random(options.seed).Fork(static_cast<uint64_t>(rival));
    std::array<double, 2> best = {-1, -1};
    for (int run = 0; run < options.runs; ++run, ++done) {
      if (progress && !progress(static_cast<double>(done) / static_cast<double>(rivals.size() * options.runs))) {
        return Status::Unavailable("evaluation cancelled while tuning");
      }
      const RivalSettings settings = run == 0 ? defaults : DrawSettings(rival, defaults, random);
      const Result<Ranker> ranker = FitRival(rival, past, past, begin, settings);
      if (!ranker.ok()) return ranker.status();
      TuningRun line{rival, DescribeSettings(rival, settings), {}};
      for (size_t task = 0; task < cases.size(); ++task) {
        line.ndcg10[task] = MeanNdcg(Measure(*ranker, past, cases[task], options.threads));
        if (line.ndcg10[task] <= best[task]) continue;
        best[task] = line.ndcg10[task];
        tuned.settings[task][static_cast<size_t>(rival)] = settings;
      }
      tuned.runs.push_back(std::move(line));
    }
  }
  return tuned;
}

}  // namespace rapport
