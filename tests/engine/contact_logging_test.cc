// Contacts that a simulated shop's own model spends: the first weeks are the uniform log's, then the product's decision
// draws, with the propensity it says, from arms that are better than chance, and never what the world forbids.
#include "engine/learning/contact_logging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/time_zone.h"

namespace rapport {
namespace {

struct Shop {
  SimulatedShop shop;
  ContactWorld world;
  KnownVisits visits;
};

Shop Make(ContactPolicy policy, std::vector<size_t> contacts, ModelSpending spending = {}) {
  SimulatedShopOptions shop_options;
  shop_options.customers = 240;
  shop_options.items = 40;
  shop_options.seed = 21;
  SimulatedContactOptions options;
  options.contacts = std::move(contacts);
  options.policy = policy;
  options.spending = spending;
  Shop made{MakeSimulatedShop(shop_options).Take(), {}, {}};
  made.world = MakeContactWorld(options, &made.shop).Take();
  made.visits = ReadVisits(made.shop, 1);
  return made;
}

ModelSpending TwoRounds() {
  ModelSpending spending;
  spending.uniform_weeks = 4;
  spending.rounds = 2;
  spending.temperature = 0.3;
  return spending;
}

std::vector<ContactHistory> Log(const Shop& made, int threads = 1) {
  ResponseOptions response;
  response.rounds = 3;
  Result<std::vector<ContactHistory>> log = LogContacts(made.world, made.shop, made.visits, response, threads);
  EXPECT_TRUE(log.ok()) << log.status().message();
  return log.Take();
}

bool Same(const ContactHistory& a, const ContactHistory& b) {
  const auto same = [](const SimulatedContact& one, const SimulatedContact& other) {
    return one.id == other.id && one.time == other.time && one.arm.content == other.arm.content &&
           one.arm.hour == other.arm.hour && one.arm.channel == other.arm.channel &&
           one.propensity == other.propensity && one.recent_sends == other.recent_sends &&
           one.answered == other.answered && one.unsubscribed == other.unsubscribed;
  };
  return a.unsubscribed == b.unsubscribed && std::abs(a.recent_sends - b.recent_sends) < 1e-9 &&
         std::equal(a.contacts.begin(), a.contacts.end(), b.contacts.begin(), b.contacts.end(), same);
}

// With as many uniform weeks as there are, nothing is left to the model: the twin that shows the prefix to be the log.
TEST(ContactLoggingTest, TheFirstWeeksAreTheUniformLogs) {
  ModelSpending all;
  all.uniform_weeks = 1000;
  const std::vector<size_t> contacts{0, 5, 30};
  const Shop uniform = Make(ContactPolicy::kUniform, contacts);
  const std::vector<ContactHistory> drawn = Log(uniform), first = Log(Make(ContactPolicy::kModel, contacts, all)),
                                    spent = Log(Make(ContactPolicy::kModel, contacts, TwoRounds()));
  size_t others = 0;
  for (size_t u = 0; u < drawn.size(); ++u) {
    EXPECT_TRUE(Same(drawn[u], first[u])) << u;
    ContactHistory prefix = spent[u], whole = drawn[u];
    const Timestamp begin = ContactWeekStart(uniform.world, 4), sure{begin.ms - kDayMs};  // zones begin around it
    const auto early = [&](const SimulatedContact& one) { return one.time < sure; };
    const auto count = static_cast<size_t>(std::count_if(whole.contacts.begin(), whole.contacts.end(), early));
    others += !Same(drawn[u], spent[u]);
    whole.contacts.resize(count);
    ASSERT_GE(prefix.contacts.size(), count);
    prefix.contacts.resize(count);
    prefix.unsubscribed = whole.unsubscribed, prefix.recent_sends = whole.recent_sends;
    EXPECT_TRUE(Same(whole, prefix)) << u;
  }
  EXPECT_GT(others, 100u);
}

TEST(ContactLoggingTest, TheSameOnAnyNumberOfThreads) {
  const Shop made = Make(ContactPolicy::kModel, {20}, TwoRounds());
  const std::vector<ContactHistory> one = Log(made, 1), three = Log(made, 3);
  for (size_t u = 0; u < one.size(); ++u) EXPECT_TRUE(Same(one[u], three[u])) << u;
}

TEST(ContactLoggingTest, NothingIsSentThatTheWorldForbids) {
  const Shop made = Make(ContactPolicy::kModel, {0, 80}, TwoRounds());
  const std::vector<ContactHistory> log = Log(made);
  for (size_t u = 0; u < log.size(); ++u) {
    const TimeZone zone = TimeZone::Open(made.shop.customers[u].profile.time_zone).Take();
    std::array<bool, kContactChannels> left{};
    double recent = 0;
    Timestamp last = made.world.start;
    for (const SimulatedContact& contact : log[u].contacts) {
      EXPECT_GE(contact.time, last);
      EXPECT_LT(contact.time, made.world.end);
      EXPECT_EQ(HourOfWeek(zone.ToWall(contact.time)), contact.arm.hour);
      EXPECT_TRUE(InSendingWindow(contact.arm.hour));
      EXPECT_FALSE(left[contact.arm.channel]) << "sent after they left this channel";
      recent *= std::exp2(-static_cast<double>(contact.time.ms - last.ms) / kDayMs / kRecentHalfLifeDays);
      EXPECT_NEAR(contact.recent_sends, recent, 1e-9);
      left[contact.arm.channel] |= contact.unsubscribed.has_value();
      recent += 1;
      last = contact.time;
    }
    EXPECT_EQ(left, log[u].unsubscribed);
    if (u % 2 == 0) {
      EXPECT_TRUE(log[u].contacts.empty());
    }
    if (u % 2 == 1 && left == std::array<bool, kContactChannels>{}) {
      EXPECT_GE(log[u].contacts.size(), 77u) << "but for a few draws of nothing";
      EXPECT_LE(log[u].contacts.size(), 80u);
    }
    recent *= std::exp2(-static_cast<double>(made.world.end.ms - last.ms) / kDayMs / kRecentHalfLifeDays);
    EXPECT_NEAR(log[u].recent_sends, recent, 1e-9);
  }
}

// A draw from n arms has E[1 / propensity] = n: here 63 arms and nothing. The broken twin keeps the uniform draw's.
// The worlds' answers come with their true probabilities.
TEST(ContactLoggingTest, PropensitiesAreTheDecisionsOwnAndAnswersTheWorlds) {
  ModelSpending spending = TwoRounds();
  spending.temperature = 1;
  spending.exploration = 0.5;
  const Shop made = Make(ContactPolicy::kModel, {60}, spending);
  const Timestamp begin{ContactWeekStart(made.world, 4).ms + kDayMs};
  double weights = 0, twin = 0, count = 0, answered = 0, response = 0, variance = 0;
  for (const ContactHistory& history : Log(made)) {
    for (const SimulatedContact& contact : history.contacts) {
      answered += contact.answered.has_value(), response += contact.true_response;
      variance += contact.true_response * (1 - contact.true_response);
      if (contact.time < begin) continue;
      ASSERT_GE(contact.propensity, 0.5 / 64);
      weights += 1 / contact.propensity, twin += 12.0 * 105 * 4, ++count;
    }
  }
  EXPECT_GT(count, 5000);
  EXPECT_NEAR(weights / count, 63, 3);  // per draw; those of nothing are no contact
  EXPECT_GT(std::abs(twin / count - 63), 1000);
  EXPECT_LT(std::abs(answered - response), 4 * std::sqrt(variance));
}

TEST(ContactLoggingTest, WhatTheModelSpendsIsAnsweredMoreThanChance) {
  const Shop model = Make(ContactPolicy::kModel, {40}, TwoRounds());
  const auto mean_response = [&](const std::vector<ContactHistory>& log) {
    double sum = 0, count = 0;
    for (const ContactHistory& history : log) {
      for (const SimulatedContact& contact : history.contacts) {
        if (contact.time.ms > ContactWeekStart(model.world, 11).ms) sum += contact.true_response, ++count;
      }
    }
    return sum / count;
  };
  EXPECT_GT(mean_response(Log(model)), 2 * mean_response(Log(Make(ContactPolicy::kUniform, {40}))));
}

TEST(ContactLoggingTest, NobodyToLearnFromIsNoErrorAndBadOptionsAre) {
  for (const ContactHistory& history : Log(Make(ContactPolicy::kModel, {0}, TwoRounds()))) {
    EXPECT_TRUE(history.contacts.empty());
  }
  const auto code = [](auto&& change) {
    ModelSpending spending;
    change(spending);
    const Shop made = Make(ContactPolicy::kModel, {5}, spending);
    return LogContacts(made.world, made.shop, made.visits, {}, 1).status().code();
  };
  EXPECT_EQ(code([](ModelSpending& s) { s.uniform_weeks = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](ModelSpending& s) { s.rounds = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](ModelSpending& s) { s.temperature = -1; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](ModelSpending& s) { s.exploration = 0; }), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport
