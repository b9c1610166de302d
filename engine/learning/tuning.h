// Tuning of the rivals (rivals.h) on a validation window before the test window, each with the same number of draws,
// all of them logged. The test window is never looked at: everything is a function of the lines before `until`.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/learning/rivals.h"

namespace rapport {

enum class JudgedTask : uint8_t { kNextBasket, kNewItems };
inline constexpr std::array kJudgedTasks = {JudgedTask::kNextBasket, JudgedTask::kNewItems};
const char* TaskName(JudgedTask task);  // "next basket"
CaseOptions TaskCases(JudgedTask task, Timestamp split, Timestamp until);

struct TuningOptions {
  int runs = 0;  // draws per rival, the defaults being the first; 0: everybody keeps the defaults
  size_t customers_max = 2000;
  uint64_t seed = 1;
  int threads = 0;
};

// One fit on the past of the validation window.
struct TuningRun {
  Rival rival = Rival::kPopular;
  std::string settings;               // DescribeSettings
  std::array<double, 2> ndcg10 = {};  // by JudgedTask; 0 where nobody could be judged
};

struct TunedRivals {
  // settings[task][rival]; the defaults without tuning.
  std::array<std::array<RivalSettings, kRivals.size()>, 2> settings;
  std::vector<TuningRun> runs;
  const RivalSettings& Of(JudgedTask task, Rival rival) const {
    return settings[static_cast<size_t>(task)][static_cast<size_t>(rival)];
  }
};

// `share_done` of the runs; false cancels (kUnavailable).
using TuningProgress = std::function<bool(double share_done)>;

// Everybody with `defaults`.
TunedRivals UntunedRivals(const RivalSettings& defaults);
// Draws and judges `runs` settings per rival of `rivals` on [begin, until); keeps the best by NDCG@10 for each task.
Result<TunedRivals> TuneRivals(const TrainingSet& set, Timestamp begin, Timestamp until,
                               const std::vector<Rival>& rivals, const RivalSettings& defaults,
                               const TuningOptions& options, const TuningProgress& progress = {});

}  // namespace rapport
