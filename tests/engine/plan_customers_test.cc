// The tables of a batch say what the response model and the hard rules say, arm by arm.
#include "engine/contact/plan_customers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace rapport {
namespace {

ResponseModel RandomModel(uint32_t channels, uint32_t kinds, uint32_t contents, Random& random) {
  ResponseModel model;
  model.shape.channels = channels;
  model.shape.kinds = kinds;
  const auto fill = [&](std::vector<float>& row, size_t size) {
    row.resize(size);
    for (float& x : row) x = static_cast<float>(0.5 * random.Normal());
  };
  for (uint32_t i = 0; i < contents; ++i) model.shape.content_kind.push_back(static_cast<uint8_t>(i % kinds));
  model.level = -2;
  fill(model.channel_hour, channels * kHoursOfWeek);
  fill(model.kind_hour, kinds * kHoursOfWeek);
  fill(model.kind_channel_hour, channels * kinds * kHoursOfWeek);
  model.shape.traits = 1;
  fill(model.factors, 2 * channels * kinds * kHoursOfWeek);
  model.trait_factors = {0.5, -0.5};
  fill(model.content_channel, contents * channels);
  fill(model.kind_channel, kinds * channels);
  fill(model.fatigue, channels * 2);
  fill(model.unsubscribe, channels);
  model.place.assign(1, 0);
  model.affinity = 0.3f;
  model.unsubscribe_recent = 0.2f;
  return model;
}

CustomerResponse RandomResponse(const ResponseModel& model, Random& random) {
  CustomerResponse response;
  if (random.Below(3) == 0) return response;  // the global curve
  response.level = static_cast<float>(random.Normal());
  const auto fill = [&](std::vector<float>& row, size_t size) {
    row.resize(size);
    for (float& x : row) x = static_cast<float>(0.3 * random.Normal());
  };
  fill(response.own_hour, kHoursOfWeek);
  fill(response.own_channel, model.shape.channels);
  fill(response.own_kind, model.shape.kinds);
  if (random.Below(2) == 0) fill(response.together, 2);
  return response;
}

// Somebody with some consents, contacts and complaints, some of them in the way.
ContactCustomer RandomCustomer(Timestamp from, Random& random) {
  ContactCustomer customer;
  customer.traits["email"] = std::string("a@b.ch");
  if (random.Below(2) == 0) customer.traits["phone"] = std::string("1");
  for (const char* channel : {"email", "sms", "message", "push"}) {
    if (random.Below(4) > 0)
      customer.ledger.push_back({channel, "marketing", random.Below(4) > 0, {from.ms - kDayMs}, "", ""});
    if (random.Below(4) == 0) customer.ledger.push_back({channel, "topic:wine", random.Below(2) == 0, from, "", ""});
  }
  for (uint64_t j = random.Below(4); j > 0; --j) {
    Contact contact;
    contact.channel = random.Below(2) == 0 ? "email" : "sms";
    contact.purpose = random.Below(4) == 0 ? "service" : "marketing";
    contact.time = {from.ms + static_cast<int64_t>(random.Below(16 * 24)) * kHourMs - 10 * kDayMs};
    contact.planned = contact.time > from;
    customer.log.contacts.push_back(contact);
  }
  std::sort(customer.log.contacts.begin(), customer.log.contacts.end(),
            [](const Contact& a, const Contact& b) { return a.time < b.time; });
  if (random.Below(3) == 0)
    customer.log.last_inbound["message"] = {from.ms - static_cast<int64_t>(random.Below(30)) * kHourMs};
  if (random.Below(8) == 0) customer.log.open_complaints = 1;
  if (random.Below(8) == 0) customer.log.last_bounce["email"] = from;
  return customer;
}

TEST(PlanCustomersTest, EveryArmIsWhatTheModelAndTheRulesSay) {
  Random random(17);
  ContactSettings settings;
  settings.limits.caps.push_back({.count = 1, .window = FrequencyCap::Window::kDay, .channel = "sms"});
  for (ChannelSettings& channel : settings.channels) {
    if (channel.name == "message") channel.messaging_window_hours = 24;
    channel.at_place = false;
  }
  const auto channels = static_cast<uint32_t>(settings.channels.size());
  const ResponseModel model = RandomModel(channels, 3, 4, random);
  // Across the change to winter time in Europe.
  PlanFrame frame{settings, model, ParseRfc3339("2024-10-24T05:00:00Z").Take(), "marketing", {}, {}, true};
  for (uint32_t c = 0; c < channels; ++c) frame.channels.push_back({c, static_cast<uint8_t>(c)});
  for (uint32_t i = 0; i < 4; ++i) {
    frame.contents.push_back(
        {ItemId{i + 1}, "item", i == 3 ? kNoContent : i, static_cast<uint8_t>(i % 3), 10.0 + i, i == 1 ? "wine" : ""});
  }
  ASSERT_TRUE(frame.Check().ok()) << frame.Check().ToString();
  const uint32_t count = 120;
  PlanCustomers customers(frame, count);
  const std::vector<std::string> zones = {"Europe/Zurich", "Asia/Kolkata", "America/Los_Angeles"};
  CustomerArms arms(customers.shape());
  size_t allowed = 0, refused = 0;
  ZoneBook book;
  for (uint32_t u = 0; u < count; ++u) {
    const std::string& name = zones[random.Below(zones.size())];
    const LocalTime local = book.Read(name, {frame.from.ms - Feasibility::kCalendarMs}, frame.until()).Take();
    const ContactCustomer customer = RandomCustomer(frame.from, random);
    const CustomerResponse response = RandomResponse(model, random);
    const std::vector<float> affinity = {0.5f, -1, 0, 2};
    const float recent = static_cast<float>(3 * random.Uniform());
    PlanEvidence evidence{
        "c" + std::to_string(u), customers.Zone(name).Take(), &customer, &response, recent, false, affinity};
    customers.Set(u, evidence);
    customers.Fill(u, &arms);
    const Feasibility rules(settings, customer, local);
    bool any = false;
    for (uint32_t i = 0; i < 4; ++i) {
      for (uint32_t c = 0; c < channels; ++c) {
        Feasibility::Question question{"marketing", frame.contents[i].topic, &settings.channels[c], nullptr, nullptr};
        const bool standing = rules.Standing(question) == ContactRefusal::kNone;
        for (uint32_t s = 0; s < kSlots; ++s) {
          const Arm arm{static_cast<uint16_t>(i), static_cast<uint8_t>(c), static_cast<uint8_t>(s)};
          const float value = ValueOf(customers.shape(), arms, arm);
          if (std::isinf(value)) {
            ++refused;
            // Never stricter than the rules at the slot's own minute.
            const Timestamp at = customers.TimeOf(u, arm);
            if (standing && at.ms >= frame.from.ms + s * kHourMs) {
              EXPECT_NE(rules.At(question, at, nullptr), ContactRefusal::kNone);
            }
            continue;
          }
          any = true;
          ++allowed;
          const Timestamp at = customers.TimeOf(u, arm);
          EXPECT_TRUE(standing);
          EXPECT_EQ(rules.At(question, at, nullptr), ContactRefusal::kNone) << name << " slot " << s;
          EXPECT_GE(at.ms, frame.from.ms + s * kHourMs);
          EXPECT_LT(at.ms, frame.from.ms + (s + 1) * kHourMs);
          ResponseArm asked{frame.contents[i].row,
                            static_cast<uint16_t>(local.HourOfWeekAt({frame.from.ms + s * kHourMs})),
                            static_cast<uint8_t>(c),
                            0,
                            frame.contents[i].kind,
                            affinity[i],
                            recent};
          const double expected =
              model.Probability(response, asked) * frame.contents[i].margin - settings.channels[c].cost -
              model.UnsubscribeProbability(static_cast<uint8_t>(c), recent) * settings.limits.lifetime_value;
          ASSERT_NEAR(value, expected, 2e-4);
        }
      }
    }
    if (!any) {
      EXPECT_NE(customers.refusal(u), ContactRefusal::kNone);
    }
  }
  EXPECT_GT(allowed, 1000u);
  EXPECT_GT(refused, 1000u);
}

TEST(PlanCustomersTest, BadFramesAreRefused) {
  Random random(1);
  ContactSettings settings;
  const ResponseModel model = RandomModel(2, 2, 2, random);
  PlanFrame frame{settings, model, {0}, "marketing", {{0, 0}}, {{ItemId{1}, "a", 0, 0, 5, ""}}, false};
  EXPECT_TRUE(frame.Check().ok());
  const auto fails = [&](auto change) {
    PlanFrame bad = frame;
    change(bad);
    return !bad.Check().ok();
  };
  EXPECT_TRUE(fails([](PlanFrame& f) { f.channels.clear(); }));
  EXPECT_TRUE(fails([](PlanFrame& f) { f.channels[0].settings = 99; }));
  EXPECT_TRUE(fails([](PlanFrame& f) { f.channels[0].model = 7; }));
  EXPECT_TRUE(fails([](PlanFrame& f) { f.contents.clear(); }));
  EXPECT_TRUE(fails([](PlanFrame& f) { f.contents.resize(10'001, f.contents[0]); }));
  EXPECT_TRUE(fails([](PlanFrame& f) { f.contents[0].margin = -1; }));
  EXPECT_TRUE(fails([](PlanFrame& f) { f.contents[0].kind = 9; }));
  EXPECT_TRUE(fails([](PlanFrame& f) { f.from.ms = 5; }));
  PlanCustomers customers(frame, 1);
  EXPECT_EQ(customers.Zone("Mars/Olympus").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rapport
