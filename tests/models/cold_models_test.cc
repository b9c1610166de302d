// Session kNN, repurchase and trait popularity, each against the plain formula of its header.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/random.h"
#include "models/repurchase.h"
#include "models/session_knn.h"
#include "models/trait_popularity.h"

namespace rapport {
namespace {

std::vector<Session> RandomSessions(uint32_t items, size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<Session> sessions;
  for (size_t s = 0; s < count; ++s) {
    Session session{static_cast<int64_t>(random.Below(1000)), {}};
    for (uint64_t n = random.Below(6); n > 0; --n) session.rows.push_back(static_cast<uint32_t>(random.Below(items)));
    sessions.push_back(session);
  }
  return sessions;
}

// The head of session_knn.h, in double, over all sessions.
std::vector<double> PlainSessionScores(const SessionModel& model, const std::vector<uint32_t>& asked,
                                       const SessionOptions& options) {
  const auto count = [&](uint32_t row) {
    return static_cast<double>(std::count(model.rows.begin(), model.rows.end(), row));
  };
  struct One {
    uint32_t session;
    double similarity;
  };
  std::vector<One> sharing;
  for (uint32_t s = 0; s < model.sessions(); ++s) {
    const auto begin = model.rows.begin() + static_cast<ptrdiff_t>(model.offsets[s]);
    const auto end = model.rows.begin() + static_cast<ptrdiff_t>(model.offsets[s + 1]);
    double sum = 0;
    for (size_t p = 0; p < std::min(asked.size(), options.items_asked_max); ++p) {
      if (std::find(begin, end, asked[p]) == end) continue;
      sum += std::pow(1.0 + static_cast<double>(p), -options.position_power) *
             std::log(1 + model.sessions() / count(asked[p]));
    }
    if (sum > 0) sharing.push_back({s, sum / std::sqrt(static_cast<double>(end - begin))});
  }
  std::reverse(sharing.begin(), sharing.end());  // newest first
  if (sharing.size() > options.candidates) sharing.resize(options.candidates);
  std::stable_sort(sharing.begin(), sharing.end(),
                   [](const One& a, const One& b) { return a.similarity > b.similarity + 1e-9; });
  if (sharing.size() > options.neighbours) sharing.resize(options.neighbours);
  std::vector<double> scores(model.items);
  for (const One& one : sharing) {
    for (uint64_t k = model.offsets[one.session]; k < model.offsets[one.session + 1]; ++k) {
      scores[model.rows[k]] += one.similarity;
    }
  }
  return scores;
}

TEST(SessionKnnTest, EqualsThePlainFormula) {
  const uint32_t items = 40;
  SessionOptions options;
  options.candidates = 30;
  options.neighbours = 1000;
  options.items_asked_max = 3;
  const SessionModel model = FitSessions(items, RandomSessions(items, 300, 4), options);
  ASSERT_GT(model.sessions(), 100u);
  Random random(8);
  SessionScratch scratch;
  for (int round = 0; round < 50; ++round) {
    std::vector<uint32_t> asked;
    while (asked.size() < 1 + random.Below(4)) {
      const auto row = static_cast<uint32_t>(random.Below(items));
      if (std::find(asked.begin(), asked.end(), row) == asked.end()) asked.push_back(row);
    }
    std::vector<float> scores(items);
    AddSessionScores(model, asked, options, scratch, scores);
    const std::vector<double> expected = PlainSessionScores(model, asked, options);
    for (uint32_t row = 0; row < items; ++row) EXPECT_NEAR(scores[row], expected[row], 1e-4) << round;
    // Broken twin: the order of what was asked matters.
    if (asked.size() >= 2) {
      std::vector<uint32_t> reversed(asked.rbegin(), asked.rend());
      const std::vector<double> twin = PlainSessionScores(model, reversed, options);
      if (round == 0) {
        EXPECT_NE(twin, expected);
      }
    }
  }
}

TEST(SessionKnnTest, KeepsTheNewestSessionsOfTwoItemsOrMore) {
  SessionOptions options;
  options.sessions_max = 2;
  options.items_max = 3;
  const SessionModel model =
      FitSessions(9, {{5, {1, 1}}, {4, {1, 2}}, {9, {3, 4, 3, 5, 6}}, {1, {7, 8}}, {6, {2, 3}}}, options);
  ASSERT_EQ(model.sessions(), 2u);
  EXPECT_EQ(model.rows, (std::vector<uint32_t>{2, 3, 3, 4, 5})) << "oldest first, cut to three, each item once";
  std::vector<float> scores(9);
  SessionScratch scratch;
  AddSessionScores(FitSessions(9, {}, options), std::vector<uint32_t>{1}, options, scratch, scores);
  EXPECT_EQ(scores, std::vector<float>(9)) << "no sessions say nothing";
}

// Customers who come back for item 0 every 30 days or so, for item 1 hardly ever.
std::vector<Purchase> PlantedPurchases(Timestamp& end) {
  Random random(3);
  std::vector<Purchase> purchases;
  end = {1000 * kDayMs};
  for (uint32_t customer = 0; customer < 800; ++customer) {
    const bool returns = customer % 10 < 7;
    double day = 600 * random.Uniform();
    purchases.push_back({customer, 1, {static_cast<int64_t>(day * kDayMs)}});
    for (int n = 0; n < 100; ++n) {
      if (day >= 1000) break;
      purchases.push_back({customer, 0, {static_cast<int64_t>(day * kDayMs)}});
      if (!returns) break;
      day += 30 * std::exp(0.4 * random.Normal());
    }
  }
  return purchases;
}

TEST(RepurchaseTest, FindsShareAndGapsThatWerePlanted) {
  Timestamp end;
  const std::vector<Purchase> purchases = PlantedPurchases(end);
  const RepurchaseModel model = FitRepurchase(3, purchases, {}, end);
  ASSERT_EQ(model.terms.size(), 3u);
  EXPECT_NEAR(model.terms[0].log_gap, std::log(30), 0.05);
  EXPECT_NEAR(model.terms[0].deviation, 0.4, 0.05);
  // One trial is one order: those who return are most of the orders.
  EXPECT_GT(model.terms[0].share, 0.9);
  EXPECT_LT(model.terms[1].share, 0.1);
  // Broken twin: counting every open order as a refusal, whatever its age, would say less.
  double returns = 0, orders = 0;
  for (const Purchase& one : purchases) {
    if (one.row != 0) continue;
    ++orders;
    returns += std::count_if(purchases.begin(), purchases.end(), [&](const Purchase& other) {
                 return other.customer == one.customer && other.row == 0 && other.time < one.time;
               }) > 0;
  }
  EXPECT_GT(model.terms[0].share, returns / orders);
}

TEST(RepurchaseTest, TheChanceRisesUntilItIsTimeAndFallsAfter) {
  const RepurchaseTerms terms{0.5f, static_cast<float>(std::log(60)), 0.4f};
  const auto chance = [&](double age_days) {
    const std::vector<Timestamp> times{Timestamp{0}};
    return RepurchaseChance(terms, times, {static_cast<int64_t>(age_days * kDayMs)});
  };
  EXPECT_GT(chance(45), chance(5));
  EXPECT_GT(chance(45), chance(300));
  for (double age = 0; age < 500; age += 7) {
    EXPECT_GE(chance(age), 0);
    EXPECT_LE(chance(age), 1);
  }
  // Somebody who came back every 10 days is due again after 10.
  const std::vector<Timestamp> often{{0}, {10 * kDayMs}, {20 * kDayMs}, {30 * kDayMs}};
  EXPECT_GT(RepurchaseChance(terms, often, {35 * kDayMs}), chance(5));
  EXPECT_EQ(RepurchaseChance({0, 1, 1}, std::vector<Timestamp>{{0}}, {kDayMs}), 0);
}

TEST(RepurchaseTest, NobodyCameBackAndAllTimesEqual) {
  std::vector<Purchase> purchases;
  for (uint32_t customer = 0; customer < 50; ++customer) {
    for (int n = 0; n < 3; ++n) purchases.push_back({customer, customer % 4, {5}});
  }
  for (const RepurchaseTerms& terms : FitRepurchase(4, purchases, {}, {5}).terms) {
    EXPECT_EQ(terms.share, 0);
    EXPECT_TRUE(std::isfinite(terms.log_gap) && terms.deviation > 0);
  }
  EXPECT_EQ(FitRepurchase(2, {}, {}, {5}).terms.size(), 2u);
}

TEST(TraitPopularityTest, EqualsThePlainFormulaAndNamesNobody) {
  std::vector<std::vector<uint64_t>> traits;
  std::vector<TraitEvent> events;
  const Timestamp now{100 * kDayMs};
  Random random(2);
  for (uint32_t customer = 0; customer < 200; ++customer) {
    traits.push_back({customer % 4 == 0 ? 11u : 12u});
    if (customer < 4) traits.back().push_back(99);
    for (int n = 0; n < 5; ++n) {
      const uint32_t item = static_cast<uint32_t>(customer % 4 == 0 ? random.Below(5) : 5 + random.Below(5));
      events.push_back({customer, {item, 1.0f, {now.ms - static_cast<int64_t>(random.Below(90)) * kDayMs}}});
    }
  }
  const TraitModel model = FitTraits(10, traits, events, now, 30, 10);
  ASSERT_EQ(model.tokens, (std::vector<uint64_t>{11, 12})) << "four customers are too few for a trait";
  std::vector<double> all(10), own(10);
  double total = 0, mine = 0;
  for (const TraitEvent& one : events) {
    const double weight = std::exp2(-static_cast<double>(now.ms - one.event.time.ms) / kDayMs / 30);
    all[one.event.item] += weight;
    total += weight;
    if (traits[one.customer][0] != 11) continue;
    own[one.event.item] += weight;
    mine += weight;
  }
  std::vector<float> scores(10);
  AddTraitScores(model, std::vector<uint64_t>{11, 99, 1234}, scores);
  for (uint32_t item = 0; item < 10; ++item) {
    EXPECT_NEAR(scores[item], (own[item] + 200 * all[item] / total) / (mine + 200), 1e-6) << item;
  }
}

}  // namespace
}  // namespace rapport
