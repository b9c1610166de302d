// The signature: what a fixed generated shop is recommended, and how well, as one line. It changes only in a commit
// that says so (docs/JUDGING.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>

#include "base/crypto.h"
#include "base/file.h"
#include "engine/learning/evaluation.h"
#include "engine/learning/trainer.h"
#include "learning_fixture.h"
#include "models/top_k.h"

namespace rapport {
namespace {

constexpr const char* kHeader =
    "# Hash of ranked ids and rounded metrics on the fixture shop: see tests/engine/learning_signature_test.cc\n";

std::string SignaturePath() {
  return (std::filesystem::path(RAPPORT_SOURCE_FOLDER) / "tests" / "fixtures" / "signature.txt").string();
}

void AddList(std::string& text, const char* name, uint64_t of, const std::vector<Scored>& list,
             const ContentModel& model) {
  text += name + std::string(" ") + std::to_string(of) + ":";
  for (const Scored& one : list) text += " " + std::to_string(model.item_ids[one.index]);
  text += "\n";
}

// Ids of the ten best by factors for fifty customers, of neighbours for twenty items, and the popular ones.
std::string RankedIds(const TrainingSet& set, const ContentModel& model) {
  std::string text;
  Result<Interactions> history = BuildInteractions(set, set.last, model.history_half_life_days);
  if (!history.ok()) return history.status().ToString();
  FoldInScratch scratch;
  std::vector<float> user(static_cast<size_t>(model.als.options.factors)), scores(model.rows());
  for (uint32_t customer = 0; customer < 50; ++customer) {
    FoldIn(model.als, history->RowColumns(customer), history->RowWeights(customer), scratch, user);
    ScoreAll(model.als.item_factors, user, scores);
    AddList(text, "personal", set.customer_ids[customer], TopK(scores, 10), model);
  }
  for (const NeighbourLists* lists : {&model.similar, &model.bought_together}) {
    for (uint32_t item = 0; item < 20; ++item) {
      text += "near " + std::to_string(model.item_ids[item]) + ":";
      for (const Neighbour& neighbour : lists->Of(item).first(std::min<size_t>(5, lists->Of(item).size()))) {
        text += " " + std::to_string(model.item_ids[neighbour.item]);
      }
      text += "\n";
    }
  }
  AddList(text, "popular", 0, TopK(model.popularity.popular, 10), model);
  AddList(text, "trending", 0, TopK(model.popularity.trending, 10), model);
  return text;
}

std::string RoundedMetrics(const EvaluationReport& report) {
  std::string text;
  char line[160];
  for (const EvaluationTable& table : report.tables) {
    for (const EvaluationRow& row : table.rows) {
      std::snprintf(line, sizeof line, "%s, %s: %.3f %.3f %.3f\n", table.task.c_str(), row.model.c_str(),
                    row.ndcg10.mean, row.recall20.mean, row.coverage20);
      text += line;
    }
  }
  return text;
}

TEST(LearningSignatureTest, IsTheCommittedOne) {
  FixtureShop shop;
  shop.customers = 600;
  const TrainingSet set = FixtureTable(FixtureLines(shop));
  TrainOptions training;
  training.als.factors = 16;
  training.als.epochs = 8;
  const Result<ContentModel> model = FitContentModel(set, set.last, 90, training);
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EvaluationOptions judging;
  judging.rivals.als = training.als;
  const Result<EvaluationReport> report = Evaluate(set, judging);
  ASSERT_TRUE(report.ok()) << report.status().ToString();

  const std::string text = RankedIds(set, *model) + RoundedMetrics(*report);
  const Digest256 digest = Sha256(text);
  const std::string signature = ToHex({reinterpret_cast<const char*>(digest.data()), 16});
  const Result<std::string> committed = ReadFile(SignaturePath(), 4096);
  const std::string expected = kHeader + signature + "\n";
  ASSERT_TRUE(committed.ok()) << committed.status().ToString() << "; write this into it:\n" << expected;
  EXPECT_EQ(*committed, expected)
      << "Rankings or their quality changed. If that was meant, put the line\n  " << signature
      << "\ninto tests/fixtures/signature.txt in the same commit and say in its message why. What is hashed:\n"
      << text.substr(0, 1500) << "...\n"
      << RoundedMetrics(*report);
}

}  // namespace
}  // namespace rapport
