// Rooms to guests: the best plan there is, never a forbidden pair, never below first come, first served.
#include "models/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace rapport {
namespace {

AssignmentProblem RandomProblem(size_t guests, size_t places, double forbidden, Random& random) {
  AssignmentProblem problem;
  problem.guests = guests;
  for (size_t p = 0; p < places; ++p) problem.capacity.push_back(static_cast<uint32_t>(random.Below(3)));
  for (size_t j = 0; j < guests * places; ++j) {
    problem.values.push_back(random.Uniform() < 0.2 ? 0 : 100 * random.Uniform());
    problem.forbidden.push_back(random.Uniform() < forbidden ? 1 : 0);
  }
  return problem;
}

bool Forbidden(const AssignmentProblem& problem, size_t guest, size_t place) {
  return !problem.forbidden.empty() && problem.forbidden[guest * problem.capacity.size() + place] != 0;
}

// All plans. (value, guests served) of the best.
double BruteForce(const AssignmentProblem& problem, size_t guest, std::vector<uint32_t>* left) {
  if (guest == problem.guests) return 0;
  double best = BruteForce(problem, guest + 1, left);
  for (size_t p = 0; p < left->size(); ++p) {
    if (Forbidden(problem, guest, p) || (*left)[p] == 0) continue;
    --(*left)[p];
    best = std::max(best, problem.values[guest * left->size() + p] + BruteForce(problem, guest + 1, left));
    ++(*left)[p];
  }
  return best;
}

// Each guest in turn takes the best that is left.
double FirstCome(const AssignmentProblem& problem) {
  std::vector<uint32_t> left = problem.capacity;
  double value = 0;
  for (size_t g = 0; g < problem.guests; ++g) {
    size_t best = left.size();
    for (size_t p = 0; p < left.size(); ++p) {
      if (left[p] == 0 || Forbidden(problem, g, p)) continue;
      if (best == left.size() || problem.values[g * left.size() + p] > problem.values[g * left.size() + best]) best = p;
    }
    if (best == left.size()) continue;
    --left[best];
    value += problem.values[g * left.size() + best];
  }
  return value;
}

void ExpectSound(const AssignmentProblem& problem, const Assignment& plan) {
  std::vector<uint32_t> left = problem.capacity;
  double value = 0;
  for (size_t g = 0; g < problem.guests; ++g) {
    const uint32_t p = plan.place[g];
    if (p != Assignment::kNoPlace) {
      EXPECT_EQ(plan.outcome[g], AssignmentOutcome::kAssigned);
      ASSERT_GT(left[p]--, 0u);
      EXPECT_FALSE(Forbidden(problem, g, p));
      value += problem.values[g * left.size() + p];
      continue;
    }
    bool any_allowed = false;
    for (size_t q = 0; q < left.size(); ++q) any_allowed |= !Forbidden(problem, g, q);
    EXPECT_EQ(plan.outcome[g], any_allowed ? AssignmentOutcome::kFull : AssignmentOutcome::kNothingAllowed);
  }
  // Whoever stands without a place has no free one that is allowed, even one worth nothing.
  for (size_t g = 0; g < problem.guests; ++g) {
    for (size_t p = 0; p < left.size() && plan.place[g] == Assignment::kNoPlace; ++p) {
      EXPECT_TRUE(left[p] == 0 || Forbidden(problem, g, p));
    }
  }
  EXPECT_NEAR(plan.value, value, 1e-6);
}

TEST(AssignmentTest, IsTheBestOfAllPlansOnSmallOnes) {
  Random random(1);
  for (int round = 0; round < 150; ++round) {
    const AssignmentProblem problem = RandomProblem(random.Below(6), random.Below(5), 0.3, random);
    const Result<Assignment> plan = Assign(problem);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    ExpectSound(problem, *plan);
    std::vector<uint32_t> left = problem.capacity;
    EXPECT_NEAR(plan->value, BruteForce(problem, 0, &left), 1e-5);
  }
}

TEST(AssignmentTest, NeverEarnsLessThanFirstCome) {
  Random random(2);
  double gain = 0;
  for (int round = 0; round < 40; ++round) {
    const AssignmentProblem problem = RandomProblem(60, 30, 0.2, random);
    const Result<Assignment> plan = Assign(problem);
    ASSERT_TRUE(plan.ok());
    ExpectSound(problem, *plan);
    EXPECT_GE(plan->value, FirstCome(problem) - 1e-5);
    gain += plan->value - FirstCome(problem);
  }
  EXPECT_GT(gain, 0);  // a twin that serves in turn would be seen
}

// With most_guests every guest more is worth more than all values together: the same brute force says so, with that
// much put on top of each value.
TEST(AssignmentTest, MostGuestsFirstAndThenValue) {
  Random random(3);
  int differ = 0;
  for (int round = 0; round < 150; ++round) {
    AssignmentProblem problem = RandomProblem(1 + random.Below(5), 1 + random.Below(4), 0.4, random);
    const Result<Assignment> by_value = Assign(problem);
    problem.most_guests = true;
    const Result<Assignment> plan = Assign(problem);
    ASSERT_TRUE(plan.ok() && by_value.ok());
    ExpectSound(problem, *plan);
    constexpr double kServed = 1000;  // five values are at most 500
    AssignmentProblem raised = problem;
    for (double& value : raised.values) value += kServed;
    std::vector<uint32_t> left = problem.capacity;
    const auto served = std::count(plan->outcome.begin(), plan->outcome.end(), AssignmentOutcome::kAssigned);
    EXPECT_NEAR(plan->value + kServed * static_cast<double>(served), BruteForce(raised, 0, &left), 1e-5);
    differ += plan->value < by_value->value - 1e-5 ? 1 : 0;
  }
  EXPECT_GT(differ, 0);  // a twin that looks at value alone would be seen
}

TEST(AssignmentTest, HardPreferencesHoldWhateverTheyCost) {
  // One room, for smokers, worth a fortune to a non-smoker; the other guest may have it.
  const AssignmentProblem problem{2, {1}, {1e12, 1}, {1, 0}};
  const Result<Assignment> plan = Assign(problem);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->place, (std::vector<uint32_t>{Assignment::kNoPlace, 0}));
  EXPECT_EQ(plan->outcome[0], AssignmentOutcome::kNothingAllowed);
  EXPECT_STREQ(AssignmentOutcomeName(plan->outcome[0]), "nothing-allowed");
}

TEST(AssignmentTest, BadTablesAreRefused) {
  EXPECT_EQ(Assign({1, {1}, {}, {}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Assign({1, {1}, {-1}, {}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Assign({1, {1}, {0.0 / 0.0}, {}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Assign({1, {1, 1}, {1, 1}, {1}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Assign({1 << 20, std::vector<uint32_t>(100), {}, {}}).status().code(), StatusCode::kResourceExhausted);
  const Result<Assignment> none = Assign({3, {}, {}, {}});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->outcome[2], AssignmentOutcome::kNothingAllowed);
}

}  // namespace
}  // namespace rapport
