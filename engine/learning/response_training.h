// Training of the response model: store snapshot -> contacts and visits per customer -> names -> fit -> gate. The fit
// itself holds out the newest trials (models/response_model.h): what it says of them is the judgement.
// Gate: at least kResponseTrialsMin trials were held out, and the personal model is not worse on them than everybody's
// curve: the damped model is at least the global one, or it is refused.
#pragma once

#include <functional>
#include <string>

#include "data/store.h"
#include "engine/contact/contact_settings.h"
#include "engine/contact/response_set.h"
#include "engine/learning/trainer.h"

namespace rapport {

inline constexpr uint64_t kResponseTrialsMin = 100;

struct ResponseTrainOptions {
  ResponseOptions response;
  size_t customers_max = 200'000;  // more: every n-th by the hash of its number
  size_t contents_max = 5000;      // those sent most
  size_t content_sends_min = 20;   // fewer: its kind speaks for it
  size_t traits_max = 1000;        // those that most customers have
  size_t trait_customers_min = 30;
  bool activate = true;
  GateMode gate = GateMode::kEnforce;
};

struct ResponseTrainReport {
  uint64_t generation = 0;  // 0: refused before it was registered
  bool accepted = false, activated = false;
  std::string verdict;
  uint64_t customers = 0, contacts = 0, responses = 0, visits = 0;
  ResponseReport fit;
  double total_seconds = 0;
  std::string file;
};

struct TrainedResponse {
  ResponseSet set;
  ResponseTrainReport report;
};

// kFailedPrecondition when there is nothing to learn from, with what is missing. Contacts after `as_of` are left out.
Result<TrainedResponse> TrainResponse(const Store& store, const Snapshot& snapshot, const ContactLimits& limits,
                                      const ResponseTrainOptions& options, const Clock& clock);

}  // namespace rapport
