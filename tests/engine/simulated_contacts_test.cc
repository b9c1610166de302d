// The simulated contacts: same seed same contacts, drawn from the stated probabilities; the dial does what it says,
// held against the truth itself; the fast table of all arms is the formula.
#include "engine/learning/simulated_contacts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/time_zone.h"

namespace rapport {
namespace {

struct Simulated {
  SimulatedShop shop;
  ContactWorld world;
};

Simulated Make(uint64_t seed, double dial, size_t customers = 120, std::vector<size_t> contacts = {20},
               ContactPolicy policy = ContactPolicy::kUniform) {
  SimulatedShopOptions shop_options;
  shop_options.customers = customers;
  shop_options.items = 40;
  shop_options.days = 120;
  shop_options.seed = seed;
  SimulatedContactOptions options;
  options.dial = dial;
  options.contacts = std::move(contacts);
  options.policy = policy;
  Simulated made{MakeSimulatedShop(shop_options).Take(), {}};
  Result<ContactWorld> world = MakeContactWorld(options, &made.shop);
  EXPECT_TRUE(world.ok()) << world.status().message();
  made.world = world.Take();
  return made;
}

std::string Print(const Simulated& made, size_t customer) {
  std::string text;
  for (const SimulatedContact& contact : SimulateContacts(made.world, made.shop, customer).contacts) {
    char line[200];
    std::snprintf(line, sizeof line, "%s %lld %u %u %u %a %a %lld %lld\n", contact.id.c_str(),
                  static_cast<long long>(contact.time.ms), contact.arm.content, contact.arm.hour, contact.arm.channel,
                  contact.propensity, contact.true_response,
                  static_cast<long long>(contact.answered ? contact.answered->ms : 0),
                  static_cast<long long>(contact.unsubscribed ? contact.unsubscribed->ms : 0));
    text += line;
  }
  return text;
}

TEST(SimulatedContactsTest, SameSeedSameContactsWhoeverElseThereIs) {
  const Simulated one = Make(1, 0.5), again = Make(1, 0.5), more = Make(1, 0.5, 300), other = Make(2, 0.5);
  std::string all, others;
  for (size_t u = 0; u < 120; ++u) {
    ASSERT_EQ(Print(one, u), Print(again, u));
    ASSERT_EQ(Print(one, u), Print(more, u));
    all += Print(one, u), others += Print(other, u);
  }
  EXPECT_GT(all.size(), 10'000u);
  EXPECT_NE(all, others);
}

TEST(SimulatedContactsTest, ContactsAreOrderedInTheShopsDaysAndAtTheHourTheySay) {
  const Simulated made = Make(3, 0.5, 60, {0, 5, 80});
  std::set<std::string> ids;
  for (size_t u = 0; u < 60; ++u) {
    const SimulatedCustomer& customer = made.shop.customers[u];
    const TimeZone zone = TimeZone::Open(customer.profile.time_zone).Take();
    const ContactHistory history = SimulateContacts(made.world, made.shop, u);
    if (std::count(history.unsubscribed.begin(), history.unsubscribed.end(), true) < 4) {
      EXPECT_EQ(history.contacts.size(), made.world.options.contacts[u % 3]);
    }
    Timestamp last{0};
    std::array<bool, kContactChannels> left{};
    for (const SimulatedContact& contact : history.contacts) {
      EXPECT_TRUE(ids.insert(contact.id).second);
      EXPECT_GE(contact.time, std::max(last, made.world.start));
      EXPECT_LT(contact.time, made.world.end);
      EXPECT_EQ(HourOfWeek(zone.ToWall(contact.time)), contact.arm.hour);
      EXPECT_TRUE(InSendingWindow(contact.arm.hour));
      EXPECT_FALSE(left[contact.arm.channel]) << "sent after they left this channel";
      EXPECT_TRUE(!contact.answered || (contact.opened && *contact.opened < *contact.answered));
      left[contact.arm.channel] = left[contact.arm.channel] || contact.unsubscribed.has_value();
      last = contact.time;
    }
    EXPECT_EQ(left, history.unsubscribed);
  }
}

// Propensities are those of the draw: over any set of arms, the mean of 1{in the set} / propensity is the size of the
// set. Sets that are often drawn, so that weights stay small. The broken twin says 1 / arms whatever the policy.
TEST(SimulatedContactsTest, PropensitiesAreThoseOfTheDraw) {
  for (const ContactPolicy policy : {ContactPolicy::kUniform, ContactPolicy::kHabit}) {
    const bool habit = policy == ContactPolicy::kHabit;
    const Simulated made = Make(5, 0.5, 600, {40}, policy);
    double weights = 0, twin = 0, count = 0;
    for (size_t u = 0; u < made.shop.customers.size(); ++u) {
      for (const SimulatedContact& contact : SimulateContacts(made.world, made.shop, u).contacts) {
        ASSERT_GT(contact.propensity, 0);
        ASSERT_LE(contact.propensity, 1);
        ++count;
        // The habit's hour and e-mail, any content; or content 0 at any hour on any channel.
        if (habit ? contact.arm.hour != 34 || contact.arm.channel != 0 : contact.arm.content != 0) continue;
        weights += 1 / contact.propensity;
        twin += 12.0 * 105 * 4;
      }
    }
    const double arms = habit ? 12 : 105 * 4;
    EXPECT_NEAR(weights / count / arms, 1, 0.1) << habit;  // less than 1: some have left a channel
    if (habit) {
      EXPECT_GT(twin / count / arms, 100);
    }
  }
}

TEST(SimulatedContactsTest, AnswersAreDrawnFromTheTruth) {
  const Simulated made = Make(7, 0.5, 800, {40});
  double answered = 0, left = 0, response = 0, unsubscribe = 0, variance = 0, twin = 0;
  for (size_t u = 0; u < made.shop.customers.size(); ++u) {
    for (const SimulatedContact& contact : SimulateContacts(made.world, made.shop, u).contacts) {
      answered += contact.answered.has_value(), left += contact.unsubscribed.has_value();
      response += contact.true_response, unsubscribe += contact.true_unsubscribe;
      variance += contact.true_response * (1 - contact.true_response);
      // The truth orders contacts: high probabilities are answered more often. A twin that ignores the arm does not.
      twin += (contact.answered.has_value() - contact.true_response) * contact.true_response;
    }
  }
  EXPECT_LT(std::abs(answered - response), 4 * std::sqrt(variance));
  EXPECT_LT(std::abs(left - unsubscribe), 4 * std::sqrt(unsubscribe));
  EXPECT_LT(std::abs(twin), 4 * std::sqrt(variance));
  EXPECT_GT(answered, 1000);
  EXPECT_GT(left, 20);
}

TEST(SimulatedContactsTest, TheTableOfAllArmsIsTheFormula) {
  for (const double dial : {0.0, 0.3, 1.0}) {
    const Simulated made = Make(9, dial, 8);
    for (size_t u = 0; u < 8; ++u) {
      const ContactPerson& person = made.world.people[u];
      const std::vector<double> logits = ArmLogits(made.world, person.At(made.world.end), person.fatigue * 1.5);
      size_t arms = 0;
      for (uint16_t content = 0; content < 12; ++content) {
        for (uint16_t hour = 0; hour < kHoursOfWeek; ++hour) {
          for (uint8_t channel = 0; channel < kContactChannels; ++channel) {
            const double logit = logits[(size_t{content} * kHoursOfWeek + hour) * kContactChannels + channel];
            if (!InSendingWindow(hour)) {
              EXPECT_EQ(logit, -std::numeric_limits<double>::infinity());
              continue;
            }
            ++arms;
            const double truth = TrueResponse(made.world, person, {content, hour, channel}, 1.5, made.world.end);
            ASSERT_NEAR(1 / (1 + std::exp(-logit)), truth, 1e-12);
          }
        }
      }
      EXPECT_EQ(arms, 12u * 105 * 4);
    }
  }
}

// The head's claim: what arms and customers change has variance 1.3^2, at every place of the dial, and the
// interaction's share of it is the dial: measured by the additive fit, whose residual is the interaction.
TEST(SimulatedContactsTest, TheDialIsTheInteractionsShareOfTheVariance) {
  for (const double dial : {0.0, 0.25, 0.5, 1.0}) {
    double total = 0, interaction = 0, count = 0;
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      const Simulated made = Make(seed, dial, 60);
      for (const ContactPerson& person : made.world.people) {
        std::vector<double> values = ArmLogits(made.world, person.At(made.world.end), 0);
        const auto at = [&](size_t i, size_t h, size_t c) { return (i * kHoursOfWeek + h) * kContactChannels + c; };
        std::vector<double> content(12), hour(kHoursOfWeek), channel(kContactChannels);
        double mean = 0;
        const auto each = [&](const auto& body) {
          for (size_t i = 0; i < 12; ++i)
            for (size_t h = 0; h < kHoursOfWeek; ++h)
              for (size_t c = 0; c < kContactChannels; ++c)
                if (InSendingWindow(h)) body(i, h, c, values[at(i, h, c)]);
        };
        each([&](size_t i, size_t h, size_t c, double v) {
          mean += v / (12 * 105 * 4), content[i] += v / (105 * 4), hour[h] += v / (12 * 4),
              channel[c] += v / (12 * 105);
        });
        each([&](size_t i, size_t h, size_t c, double v) {
          const double rest = v - content[i] - hour[h] - channel[c] + 2 * mean;
          interaction += rest * rest, total += (v - mean) * (v - mean), ++count;
        });
      }
    }
    EXPECT_NEAR(interaction / count, dial * 1.69, 0.05 + 0.15 * dial) << dial;
    EXPECT_NEAR(total / count, 1.69, 0.35) << dial;  // own channels' mean and twelve contents: a little less
  }
}

// With the truth in hand: at dial 0 the best content, hour and channel by their own averages are the best arm; at .5
// they are far from it. The broken twin is the dial itself: a world whose dial did nothing would fail one half.
TEST(SimulatedContactsTest, SeparateChoicesAreRightAtDial0AndMisleadAtDialHalf) {
  for (const double dial : {0.0, 0.5}) {
    double joint = 0, separate = 0;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const Simulated made = Make(seed, dial, 100);
      for (const ContactPerson& person : made.world.people) {
        const std::vector<double> logits = ArmLogits(made.world, person.At(made.world.end), 0);
        std::vector<double> content(12), hour(kHoursOfWeek), channel(kContactChannels);
        double best = 0;
        for (size_t a = 0; a < logits.size(); ++a) {
          const double response = 1 / (1 + std::exp(-logits[a]));
          content[a / kContactChannels / kHoursOfWeek] += response;
          hour[a / kContactChannels % kHoursOfWeek] += response;
          channel[a % kContactChannels] += response;
          best = std::max(best, response);
        }
        const auto top = [](const std::vector<double>& sums) {
          return static_cast<size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
        };
        joint += best;
        separate +=
            1 / (1 + std::exp(-logits[(top(content) * kHoursOfWeek + top(hour)) * kContactChannels + top(channel)]));
      }
    }
    if (dial == 0) {
      EXPECT_NEAR(joint / separate, 1, 1e-9);
    } else {
      EXPECT_GT(joint / separate, 1.15);
    }
  }
}

TEST(SimulatedContactsTest, ImpossibleOptionsAreRefusedWithWhatToChange) {
  SimulatedShopOptions shop_options;
  shop_options.customers = 3;
  shop_options.items = 5;
  SimulatedShop shop = MakeSimulatedShop(shop_options).Take();
  const auto refused = [&](const auto& change, const char* word) {
    SimulatedContactOptions options;
    change(options);
    const Result<ContactWorld> world = MakeContactWorld(options, &shop);
    ASSERT_FALSE(world.ok());
    EXPECT_EQ(world.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(world.status().message().find(word), std::string::npos) << world.status().message();
  };
  refused([](auto& o) { o.dial = 1.1; }, "dial");
  refused([](auto& o) { o.dial = std::nan(""); }, "dial");
  refused([](auto& o) { o.contents = 0; }, "contents");
  refused([](auto& o) { o.contacts = {}; }, "contacts");
  refused([](auto& o) { o.contacts = {1'000'000}; }, "contacts");
  shop.options.days = 8;
  refused([](auto&) {}, "days");
}

}  // namespace
}  // namespace rapport
