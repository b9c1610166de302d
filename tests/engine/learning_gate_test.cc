// The gate refuses what is worse beyond noise, and only that.
#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"
#include "engine/learning/gate.h"

namespace rapport {
namespace {

std::vector<double> Scores(size_t customers, double level, uint64_t seed) {
  Random random(seed);
  std::vector<double> scores;
  for (size_t i = 0; i < customers; ++i) scores.push_back(level + 0.2 * random.Uniform());
  return scores;
}

TEST(GateTest, ABetterCandidatePasses) {
  const GateVerdict verdict =
      PassGate(Scores(500, 0.3, 1), std::vector<GateScores>{{"popular", Scores(500, 0.1, 2)}}, GateMode::kEnforce, 1);
  EXPECT_TRUE(verdict.accepted) << verdict.words;
}

TEST(GateTest, AWorseOneIsRefusedWithTheOpponentsName) {
  const GateVerdict verdict =
      PassGate(Scores(500, 0.1, 1),
               std::vector<GateScores>{{"popular", Scores(500, 0.05, 2)}, {"in service", Scores(500, 0.3, 3)}},
               GateMode::kEnforce, 1);
  EXPECT_FALSE(verdict.accepted);
  EXPECT_NE(verdict.words.find("in service"), std::string::npos) << verdict.words;
  EXPECT_EQ(verdict.words.find("popular"), std::string::npos) << verdict.words;
}

TEST(GateTest, ADifferenceWithinNoisePasses) {
  const GateVerdict verdict = PassGate(
      Scores(200, 0.2, 1), std::vector<GateScores>{{"in service", Scores(200, 0.2005, 2)}}, GateMode::kEnforce, 1);
  EXPECT_TRUE(verdict.accepted) << verdict.words;
}

TEST(GateTest, TheSameScoresPass) {
  const std::vector<double> scores = Scores(100, 0.2, 1);
  EXPECT_TRUE(PassGate(scores, std::vector<GateScores>{{"in service", scores}}, GateMode::kEnforce, 1).accepted);
}

TEST(GateTest, FewCustomersCannotSpeakAgainstACandidate) {
  const GateVerdict verdict =
      PassGate(Scores(kGateCustomersMin - 1, 0.1, 1),
               std::vector<GateScores>{{"popular", Scores(kGateCustomersMin - 1, 0.9, 2)}}, GateMode::kEnforce, 1);
  EXPECT_TRUE(verdict.accepted);
  EXPECT_NE(verdict.words.find("without a comparison"), std::string::npos);
}

TEST(GateTest, TheOperatorMayInsistButNotOnNumbersThatAreNotFinite) {
  const std::vector<GateScores> better = {{"popular", Scores(100, 0.9, 2)}};
  EXPECT_TRUE(PassGate(Scores(100, 0.1, 1), better, GateMode::kReportOnly, 1).accepted);
  std::vector<double> broken = Scores(100, 0.1, 1);
  broken[50] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(PassGate(broken, better, GateMode::kReportOnly, 1).accepted);
}

}  // namespace
}  // namespace rapport
