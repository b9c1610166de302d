// The page view's journey: candidates -> scores -> eligibility -> ranking -> fall-backs, over one catalogue version,
// one model generation and one customer view. A hidden, expired, unavailable, excluded or wrong-audience item never
// appears, on any path: every list, pins and the static list included, passes the one `Eligibility` check at the end.
#pragma once

#include <memory>

#include "base/signing_keys.h"
#include "base/status.h"
#include "data/catalog.h"
#include "engine/customer_view.h"
#include "engine/model_set.h"
#include "engine/options.h"
#include "engine/requests.h"

namespace rapport {

enum class RecommenderSeam : int;  // tests only

// Everything one answer is computed from; held for the length of the request.
// Thread-safe; owned by the Engine. Internally caches compiled filters (bounded).
class Recommender {
 public:
  // kInvalidArgument when a scenario's filter does not parse. `signing_key` signs recommendation ids and impressions.
  static Result<std::unique_ptr<Recommender>> Make(EngineOptions options, const SecretKey& signing_key);
  ~Recommender();

  // Signs with the newest of these from now on, and takes what any of them signed; until then with Make's.
  void UseSigningKeys(SigningKeys keys);

  // To be called before `models` are published: what the first request with them would have to make, seconds of work
  // where many items are new to them.
  void Prepare(const std::shared_ptr<const Catalog>& catalog, const std::shared_ptr<const ModelSet>& models) const;

  Result<RecommendResponse> Recommend(const RecommendContext& context, const RecommendRequest& request) const;
  // The request for the page after the one with this id: its question, customer and all. Whether the asker may have it
  // is the caller's business. kInvalidArgument: not one of ours, expired, or of a list that is not continued.
  Result<RecommendRequest> Continue(const std::string& recommendation_id, Timestamp now) const;
  // What Recommend, Rank and Together would refuse as kInvalidArgument for the question's own sake: nothing is
  // computed.
  Status Check(const RecommendContext& context, const RecommendRequest& question) const;
  Status Check(const RecommendContext& context, const TogetherRequest& page) const;
  // One answer each, on one context; a later one shows nothing that an earlier one shows, unless that is allowed.
  Result<std::vector<RecommendResponse>> Together(const RecommendContext& context,
                                                  const TogetherRequest& request) const;
  // The given items in the order in which Recommend would rank them, were there no others.
  Result<RankResponse> Rank(const RecommendContext& context, const RankRequest& request) const;
  Result<RecommendResponse> Similar(const RecommendContext& context, ItemId item, const ListRequest& request) const;
  Result<RecommendResponse> BoughtTogether(const RecommendContext& context, ItemId item,
                                           const ListRequest& request) const;
  Result<RecommendResponse> Board(const RecommendContext& context, BoardKind board, const ListRequest& request) const;

 private:
  Recommender();
  // engine/content/recommender_seam.h
  friend Result<std::unique_ptr<Recommender>> MakeRecommenderForTest(EngineOptions options,
                                                                     const SecretKey& signing_key,
                                                                     RecommenderSeam seam);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rapport
