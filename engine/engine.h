// The one facade over everything that is decided: no protocol, no clock, no printing. server/ and the commands talk
// to this and to nothing below it, except for plain reads of the store.
//
// Thread-safe: every function may be called from any thread; Train may take minutes and one runs at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/signing_keys.h"
#include "data/store.h"
#include "engine/contact/assigner.h"
#include "engine/contact/batch_keeper.h"
#include "engine/contact/contact_requests.h"
#include "engine/contact/response_set.h"
#include "engine/learning/response_training.h"
#include "engine/learning/trainer.h"
#include "engine/model_set.h"
#include "engine/options.h"
#include "engine/requests.h"

namespace rapport {

class Recommender;    // engine/content/recommender.h
class CustomerViews;  // engine/customer_view.h

class Engine {
 public:
  // Loads the model in service, if there is one and it is sound; a broken one is left out and said in `startup_note()`,
  // so that pages are still answered. `store` must outlive the engine. Installs the store's observer.
  static Result<std::unique_ptr<Engine>> Open(Store& store, EngineOptions options);
  ~Engine();

  // Always an answer, but for a request that is itself wrong (filter syntax, counts): then kInvalidArgument.
  Result<RecommendResponse> Recommend(const RecommendRequest& request) const;
  // The same in two steps, for who keeps answers: what it stands on, and the answer.
  Result<RecommendContext> ContextOf(const std::optional<CustomerRef>& customer) const;
  Result<RecommendResponse> Recommend(const RecommendContext& context, const RecommendRequest& request) const;
  // Whether an answer for this customer (the root of its view) would stand on the same now. False for a customer who
  // was unknown.
  bool Stands(const RecommendGround& ground, CustomerId customer) const;
  // The request for the page after the one with this recommendation id (engine/content/recommender.h): to be checked
  // against who asks, then given to Recommend. kInvalidArgument: forged, expired, or a list that is not continued.
  Result<RecommendRequest> Continue(const std::string& recommendation_id, Timestamp now) const;
  // Several lists of one page on one catalogue, one generation and one view of the customer.
  Result<TogetherResponse> Together(const TogetherRequest& request) const;
  // What Together and Decide would refuse as kInvalidArgument, found without answering: for who has something to write
  // first.
  Status Check(const TogetherRequest& request) const;
  Status Check(const DecisionRequest& request) const;
  Result<RankResponse> Rank(const RankRequest& request) const;
  Result<RecommendResponse> Similar(const std::string& item,
                                    const ListRequest& request) const;  // kNotFound: no such item
  Result<RecommendResponse> BoughtTogether(const std::string& item,
                                           const ListRequest& request) const;  // kNotFound: no such item
  Result<RecommendResponse> Board(BoardKind board, const ListRequest& request) const;

  // Content, time, channel and place together, or nothing, with the body that `format` writes. To be kept by the caller
  // before it is told. kInvalidArgument: a request that is itself wrong;
  // never a rule broken.
  Result<PreparedDecision> Decide(const DecisionRequest& request, const FormatDecision& format) const;
  // A batch of decisions, kept (engine/contact/batch_keeper.h). One at a time: kFailedPrecondition while another runs.
  // CheckBatch says what would be refused at once.
  Status CheckBatch(const BatchRequest& request, const BatchKeeping& keeping) const;
  Result<BatchRecord> DecideBatch(const BatchRequest& request, BatchKeeping keeping);
  // The plan alone: nothing is kept. `settings`: instead of those in force.
  Result<std::unique_ptr<BatchDecision>> PlanBatch(const BatchRequest& request,
                                                   std::shared_ptr<const ContactSettings> settings) const;
  // Rooms, seats or call slots to guests, with reasons; nothing is kept (engine/contact/assigner.h).
  Result<AssignAnswer> Assign(const AssignRequest& request) const;
  // What is in force for contacts, and its number. UseContactSettings keeps nothing: the edge stores its own text.
  std::shared_ptr<const ContactSettings> contact_settings() const;
  uint64_t contact_settings_version() const;
  Status UseContactSettings(ContactSettings settings);

  // Snapshot, split, fit, judge, refit, write, register; and put in service when asked and the gate agrees.
  // kUnavailable while another training runs.
  // `format_report` writes the report that the registry keeps (JSON is the edge's business); none: "{}".
  using FormatReport = std::function<std::string(const TrainReport&)>;
  Result<TrainReport> Train(const TrainOptions& options, const Clock& clock, const TrainProgress& progress = {},
                            const FormatReport& format_report = {});
  // The same for the response model: who answers what, when, on which channel.
  using FormatResponseReport = std::function<std::string(const ResponseTrainReport&)>;
  Result<ResponseTrainReport> TrainResponses(const ResponseTrainOptions& options, const Clock& clock,
                                             const FormatResponseReport& format_report = {});
  // Rolls forward or back to a registered generation (0: no content model): loads, checks, swaps, then records it.
  // Which kind of model it is, its record says.
  Status Activate(uint64_t generation);
  // Takes away the files of older generations than the newest options().models_kept of their kind and those in service;
  // their records stay, as removed. Train and RegisterModel call it. The first error; the rest is tried all the same.
  Status RemoveOldModels();
  // Registers a model file that was trained elsewhere (checked first), already inside models_folder().
  Result<uint64_t> RegisterModel(const std::string& file_name, const std::string& report_json, Timestamp now);

  std::shared_ptr<const ModelSet> models() const;
  std::shared_ptr<const ResponseSet> responses() const;
  const EngineOptions& options() const;
  // For recommendation ids and impressions (Recommender::UseSigningKeys); without it the store's own secret signs.
  void UseSigningKeys(SigningKeys keys);
  const std::string& startup_note() const;  // empty: nothing to say
  Store& store() const;

  // Cache counters for /metrics.
  struct Statistics {
    uint64_t history_hits = 0, history_misses = 0;
    bool training = false;
  };
  Statistics statistics() const;

 private:
  Engine();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rapport
