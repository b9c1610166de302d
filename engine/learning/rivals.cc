#include "engine/learning/rivals.h"

#include <cmath>
#include <cstdio>
#include <memory>

#include "engine/learning/trainer.h"

namespace rapport {
namespace {

std::shared_ptr<const Interactions> Share(Interactions interactions) {
  return std::make_shared<const Interactions>(std::move(interactions));
}

Result<Ranker> FitFactors(const TrainingSet& past, const TrainingSet& asked, Timestamp cut,
                          const RivalSettings& settings) {
  Result<Interactions> matrix = BuildInteractions(past, cut, settings.history_half_life_days);
  if (!matrix.ok()) return matrix.status();
  Result<Interactions> history = BuildInteractions(asked, cut, settings.history_half_life_days);
  if (!history.ok()) return history.status();
  Result<AlsFit> fit = FitAls(*matrix, settings.als);
  if (!fit.ok()) return fit.status();
  auto model = std::make_shared<ContentModel>();
  model->item_ids = past.item_ids;
  model->als = std::move(fit->model);
  model->history_half_life_days = settings.history_half_life_days;
  return FactorRanker(RivalName(Rival::kFactors), model, asked, Share(history.Take()));
}

Result<Ranker> FitShallow(const TrainingSet& past, const TrainingSet& asked, Timestamp cut,
                          const RivalSettings& settings) {
  Result<Interactions> matrix = BuildInteractions(past, cut, settings.ease_half_life_days);
  if (!matrix.ok()) return matrix.status();
  Result<Interactions> history = BuildInteractions(asked, cut, settings.ease_half_life_days);
  if (!history.ok()) return history.status();
  Result<EaseModel> model = FitEase(*matrix, settings.ease);
  if (!model.ok()) return model.status();
  return EaseRanker(RivalName(Rival::kShallow), std::make_shared<const EaseModel>(model.Take()), Share(history.Take()));
}

Result<Ranker> FitItemNeighbours(Rival rival, const TrainingSet& past, const TrainingSet& asked, Timestamp cut,
                                 const RivalSettings& settings) {
  Result<Interactions> history = BuildInteractions(asked, cut, settings.neighbour_half_life_days);
  if (!history.ok()) return history.status();
  Result<Interactions> groups = rival == Rival::kBasketNeighbours
                                    ? BuildBaskets(past)
                                    : BuildInteractions(past, cut, settings.history_half_life_days);
  if (!groups.ok()) return groups.status();
  Result<NeighbourLists> lists = FitNeighbours(*groups, settings.neighbours);
  if (!lists.ok()) return lists.status();
  return NeighbourRanker(RivalName(rival), std::make_shared<const NeighbourLists>(lists.Take()), Share(history.Take()));
}

double DrawLog(Random& random, double low, double high) { return low * std::pow(high / low, random.Uniform()); }

}  // namespace

const char* RivalName(Rival rival) {
  switch (rival) {
    case Rival::kPopular: return "popularity";
    case Rival::kRecent: return "recent popularity";
    case Rival::kFrequency: return "personal frequency";
    case Rival::kBasketNeighbours: return "item kNN by baskets";
    case Rival::kCustomerNeighbours: return "item kNN by customers";
    case Rival::kShallow: return "EASE";
    case Rival::kFactors: return "iALS";
  }
  return "";
}

Result<Ranker> FitRival(Rival rival, const TrainingSet& past, const TrainingSet& asked, Timestamp cut,
                        const RivalSettings& settings) {
  const auto decayed = [&](double half_life_days) {
    return DecayedCounts(past.items(), BuildPopularityEvents(past), cut, half_life_days);
  };
  switch (rival) {
    case Rival::kPopular: return PopularityRanker(RivalName(rival), decayed(settings.popular_half_life_days));
    case Rival::kRecent: return PopularityRanker(RivalName(rival), decayed(settings.recent_half_life_days));
    case Rival::kFrequency: {
      Result<Interactions> history = BuildInteractions(asked, cut, settings.frequency_half_life_days);
      if (!history.ok()) return history.status();
      return PersonalFrequencyRanker(RivalName(rival), Share(history.Take()), decayed(settings.recent_half_life_days));
    }
    case Rival::kBasketNeighbours:
    case Rival::kCustomerNeighbours: return FitItemNeighbours(rival, past, asked, cut, settings);
    case Rival::kShallow: return FitShallow(past, asked, cut, settings);
    case Rival::kFactors: return FitFactors(past, asked, cut, settings);
  }
  return Status::Internal("no such rival");
}

RivalSettings DrawSettings(Rival rival, const RivalSettings& defaults, Random& random) {
  RivalSettings drawn = defaults;
  switch (rival) {
    case Rival::kPopular: drawn.popular_half_life_days = DrawLog(random, 30, 1500); break;
    case Rival::kRecent: drawn.recent_half_life_days = DrawLog(random, 1, 30); break;
    case Rival::kFrequency:
      drawn.frequency_half_life_days = DrawLog(random, 30, 1500);
      drawn.recent_half_life_days = DrawLog(random, 1, 30);
      break;
    case Rival::kBasketNeighbours:
    case Rival::kCustomerNeighbours:
      drawn.neighbours.normalization = random.Uniform();
      drawn.neighbour_half_life_days = DrawLog(random, 10, 1500);
      break;
    case Rival::kShallow:
      drawn.ease.regularization = DrawLog(random, 3, 3000);
      drawn.ease_half_life_days = DrawLog(random, 10, 1500);
      break;
    case Rival::kFactors:
      drawn.als.factors = 32 << random.Below(3);
      drawn.als.unobserved_weight = DrawLog(random, 0.03, 30);
      drawn.als.regularization = DrawLog(random, 1e-5, 3e-2);
      drawn.history_half_life_days = DrawLog(random, 20, 1500);
      break;
  }
  return drawn;
}

std::string DescribeSettings(Rival rival, const RivalSettings& settings) {
  char text[160];
  switch (rival) {
    case Rival::kPopular:
      std::snprintf(text, sizeof text, "half-life %.0f days", settings.popular_half_life_days);
      break;
    case Rival::kRecent: std::snprintf(text, sizeof text, "half-life %.1f days", settings.recent_half_life_days); break;
    case Rival::kFrequency:
      std::snprintf(text, sizeof text, "half-life %.0f days, fill %.1f days", settings.frequency_half_life_days,
                    settings.recent_half_life_days);
      break;
    case Rival::kBasketNeighbours:
    case Rival::kCustomerNeighbours:
      std::snprintf(text, sizeof text, "normalization %.2f, history %.0f days", settings.neighbours.normalization,
                    settings.neighbour_half_life_days);
      break;
    case Rival::kShallow:
      std::snprintf(text, sizeof text, "regularization %.3g, history %.0f days", settings.ease.regularization,
                    settings.ease_half_life_days);
      break;
    case Rival::kFactors:
      std::snprintf(text, sizeof text, "%d factors, unobserved weight %.3g, regularization %.3g, history %.0f days",
                    settings.als.factors, settings.als.unobserved_weight, settings.als.regularization,
                    settings.history_half_life_days);
      break;
  }
  return text;
}

}  // namespace rapport
