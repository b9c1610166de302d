// Uniform, stable, independent; the broken twin draws by the id's last digits and is caught by the same chi-square.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

#include "engine/contact/holdout.h"

namespace rapport {
namespace {

constexpr size_t kCustomers = 20000;
constexpr double kChiSquareMost = 43.8;  // 19 degrees of freedom, probability .001

std::string Id(size_t i) { return "customer-" + std::to_string(i); }

// Over 20 equal parts of the places; ids that a real shop may have: one after the other.
template <typename PlaceOf>
double ChiSquare(PlaceOf place) {
  std::array<double, 20> counts{};
  for (size_t i = 0; i < kCustomers; ++i) counts[place(i) / 50000] += 1;
  const double expected = static_cast<double>(kCustomers) / counts.size();
  double sum = 0;
  for (double count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(HoldoutTest, PlacesAreUniform) {
  EXPECT_LT(ChiSquare([](size_t i) { return HoldoutPlacePpm("global", Id(i)); }), kChiSquareMost);
  EXPECT_LT(ChiSquare([](size_t i) { return HoldoutPlacePpm("mail", std::to_string(i)); }), kChiSquareMost);
  EXPECT_GT(ChiSquare([](size_t i) { return static_cast<uint32_t>(i); }), kChiSquareMost);  // the twin
}

TEST(HoldoutTest, WhoWasInStaysInWhenTheShareGrows) {
  for (size_t i = 0; i < 2000; ++i) {
    bool before = false;
    for (uint32_t share : {0u, 1000u, 10000u, 50000u, 300000u, 999999u, 1000000u, 2000000u}) {
      const bool in = InHoldout("global", Id(i), share);
      EXPECT_TRUE(in || !before);
      before = in;
    }
    EXPECT_FALSE(InHoldout("global", Id(i), 0));
    EXPECT_TRUE(InHoldout("global", Id(i), kHoldoutWhole));
  }
}

TEST(HoldoutTest, TheShareIsTheShareAndTwoHoldoutsAreIndependent) {
  double first = 0, second = 0, both = 0;
  for (size_t i = 0; i < kCustomers; ++i) {
    const bool a = InHoldout("global", Id(i), 200000), b = InHoldout("mail", Id(i), 300000);
    first += a, second += b, both += a && b;
  }
  const double n = kCustomers;
  EXPECT_NEAR(first / n, 0.2, 4 * std::sqrt(.2 * .8 / n));
  EXPECT_NEAR(second / n, 0.3, 4 * std::sqrt(.3 * .7 / n));
  EXPECT_NEAR(both / n, 0.06, 4 * std::sqrt(.06 * .94 / n));
}

// Name and id cannot be shifted into each other, and the places never change: they are in use.
TEST(HoldoutTest, NamesAndIdsAreApartAndPlacesAreForEver) {
  EXPECT_NE(HoldoutPlacePpm("ab", "c"), HoldoutPlacePpm("a", "bc"));
  EXPECT_EQ(HoldoutPlacePpm("global", "customer-1"), 255754u);
}

}  // namespace
}  // namespace rapport
