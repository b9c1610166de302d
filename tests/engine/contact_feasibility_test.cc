// The hard rules, driven through daylight-saving changes, clock jumps, leap days and zone moves: whatever First()
// allows is checked against a slow second reading of every rule, minute by minute and window by window.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "base/time_zone.h"
#include "engine/contact/feasibility.h"

namespace rapport {
namespace {

Timestamp At(const char* text) { return *ParseRfc3339(text); }

LocalTime Local(const std::string& zone, Timestamp from, Timestamp until) {
  return LocalTime(*TimeZone::Open(zone), {from.ms - Feasibility::kCalendarMs - 400 * kDayMs}, until);
}

// ---- the second reading: no shortcuts, ICU asked every time ----

struct Slow {
  const ContactSettings& settings;
  const ContactCustomer& customer;
  const TimeZone& zone;

  bool Quiet(const ChannelSettings& channel, Timestamp time) const {
    const CivilTime wall = zone.ToWall(time);
    const int minute = wall.hour * 60 + wall.minute, weekday = static_cast<int>(HourOfWeek(wall) / 24);
    for (const DayHours& hours : channel.has_quiet ? channel.quiet : settings.limits.quiet) {
      // Walk back from this minute to where the interval began.
      const int length =
          hours.until_minute == hours.from_minute ? 1440 : (hours.until_minute - hours.from_minute + 1440) % 1440;
      for (int back = 0; back < length; ++back) {
        const int at = minute - back;
        const int day = at < 0 ? (weekday + 6) % 7 : weekday;
        if ((at + 1440) % 1440 == hours.from_minute && (hours.days >> day & 1) != 0) return true;
        if (hours.until_minute == hours.from_minute && (hours.days >> weekday & 1) != 0) return true;
      }
    }
    return false;
  }

  // Every window that holds one of the contacts holds at most the cap.
  bool CapsHold(std::vector<Contact> contacts) const {
    for (const FrequencyCap& cap : settings.limits.caps) {
      std::vector<Timestamp> times;
      for (const Contact& contact : contacts) {
        const bool marketing = contact.purpose != "service" && contact.purpose != "transactional";
        const bool purpose =
            cap.purpose.empty() || cap.purpose == contact.purpose || (cap.purpose == "marketing" && marketing);
        if ((cap.channel.empty() || cap.channel == contact.channel) && purpose) times.push_back(contact.time);
      }
      for (const Timestamp end : times) {
        const CivilTime wall = zone.ToWall(end);
        const auto same = [&](Timestamp t) {
          const CivilTime other = zone.ToWall(t);
          const auto day = [](const CivilTime& c) { return CivilToUtc({c.year, c.month, c.day, 0, 0, 0}).ms / kDayMs; };
          switch (cap.window) {
            case FrequencyCap::Window::kRolling: return t <= end && t.ms > end.ms - cap.rolling_ms;
            case FrequencyCap::Window::kDay: return day(other) == day(wall);
            case FrequencyCap::Window::kWeek: return (day(other) + 3) / 7 == (day(wall) + 3) / 7;
            case FrequencyCap::Window::kMonth: return other.year == wall.year && other.month == wall.month;
          }
          return false;
        };
        if (static_cast<uint32_t>(std::count_if(times.begin(), times.end(), same)) > cap.count) return false;
      }
    }
    return true;
  }
};

// ---- a random shop and customer ----

ContactSettings RandomSettings(Random& random) {
  ContactSettings settings;
  ContactLimits& limits = settings.limits;
  limits.quiet.clear();
  for (uint64_t i = random.Below(3); i > 0; --i) {
    limits.quiet.push_back({static_cast<uint8_t>(1 + random.Below(127)), static_cast<int>(random.Below(1440)),
                            static_cast<int>(random.Below(1440))});
  }
  limits.caps.clear();
  for (uint64_t i = random.Below(4); i > 0; --i) {
    FrequencyCap cap;
    cap.count = 1 + static_cast<uint32_t>(random.Below(3));
    cap.window = static_cast<FrequencyCap::Window>(random.Below(4));
    cap.rolling_ms = static_cast<int64_t>(1 + random.Below(10 * 24 * 60)) * kMinuteMs;
    if (random.Below(2) == 0) cap.channel = "email";
    if (random.Below(2) == 0) cap.purpose = "marketing";
    limits.caps.push_back(cap);
  }
  return settings;
}

ContactCustomer Willing() {
  ContactCustomer customer;
  for (const char* channel : {"email", "sms", "message"}) {
    customer.ledger.push_back({channel, "marketing", true, At("2020-01-01"), "", ""});
  }
  customer.traits = {{"email", std::string("a@b")}, {"phone", std::string("1")}};
  return customer;
}

// What a deliberately broken rule would let through: the test has to notice.
enum class Twin { kNone, kQuietInUtc, kCapsForgetPlanned, kCalendarInUtc };

struct Walk {
  uint64_t allowed = 0, broken = 0;
};

// Plans contacts one after the other through the rules, then reads the whole plan again the slow way.
Walk Drive(const std::string& zone_name, Timestamp start, uint64_t seed, Twin twin) {
  Random random(seed);
  const ContactSettings settings = RandomSettings(random);
  ContactCustomer customer = Willing();
  const TimeZone zone = TimeZone::Open(zone_name).Take();
  const TimeZone utc = TimeZone::Open("UTC").Take();
  const Slow slow{settings, customer, zone};
  Walk walk;
  Timestamp now = start;
  for (int step = 0; step < 12; ++step) {
    const Timestamp until{now.ms + static_cast<int64_t>(1 + random.Below(72)) * kHourMs};
    const bool in_utc = twin == Twin::kQuietInUtc || twin == Twin::kCalendarInUtc;
    const LocalTime local(in_utc ? utc : zone, {now.ms - Feasibility::kCalendarMs}, until);
    ContactCustomer seen = customer;
    if (twin == Twin::kCapsForgetPlanned) std::erase_if(seen.log.contacts, [](const Contact& c) { return c.planned; });
    const Feasibility rules(settings, seen, local);
    Feasibility::Question question;
    question.channel = settings.FindChannel(random.Below(2) == 0 ? "email" : "sms");
    question.purpose = random.Below(3) == 0 ? "service" : "marketing";
    const Feasibility::Moment moment = rules.First(question, now, until);
    if (moment.at) {
      ++walk.allowed;
      EXPECT_GE(*moment.at, now);
      EXPECT_LT(*moment.at, until);
      Contact contact;
      contact.channel = question.channel->name;
      contact.purpose = question.purpose;
      contact.time = *moment.at;
      contact.planned = true;
      customer.log.contacts.push_back(contact);
      std::sort(customer.log.contacts.begin(), customer.log.contacts.end(),
                [](const Contact& a, const Contact& b) { return a.time < b.time; });
      if (slow.Quiet(*question.channel, *moment.at)) ++walk.broken;
    }
    // Clocks jump, forwards and back.
    now = {now.ms + static_cast<int64_t>(random.Below(40)) * kHourMs - static_cast<int64_t>(random.Below(8)) * kHourMs};
  }
  if (!slow.CapsHold(customer.log.contacts)) ++walk.broken;
  return walk;
}

struct Place {
  const char* zone;
  const char* start;
};
// Both changes of the clock, half-hour changes, leap days, the date line, a skipped day, no changes at all.
constexpr Place kPlaces[] = {
    {"Europe/Zurich", "2026-03-27T00:00:00Z"},       {"Europe/Zurich", "2026-10-23T00:00:00Z"},
    {"America/New_York", "2026-03-06T00:00:00Z"},    {"America/St_Johns", "2026-10-30T00:00:00Z"},
    {"Australia/Lord_Howe", "2026-04-03T00:00:00Z"}, {"Asia/Kathmandu", "2028-02-27T00:00:00Z"},
    {"Pacific/Apia", "2011-12-28T00:00:00Z"},        {"Africa/Casablanca", "2026-02-13T00:00:00Z"},
    {"America/Santiago", "2026-09-04T00:00:00Z"},    {"UTC", "2024-02-27T00:00:00Z"}};

TEST(FeasibilityTest, NoRuleIsEverBroken) {
  uint64_t allowed = 0;
  for (const Place& place : kPlaces) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      const Walk walk = Drive(place.zone, At(place.start), seed, Twin::kNone);
      EXPECT_EQ(walk.broken, 0u) << place.zone << " " << place.start << " seed " << seed;
      allowed += walk.allowed;
    }
  }
  EXPECT_GT(allowed, 1500u);
}

TEST(FeasibilityTest, BrokenTwinsAreCaught) {
  for (const Twin twin : {Twin::kQuietInUtc, Twin::kCapsForgetPlanned, Twin::kCalendarInUtc}) {
    uint64_t broken = 0;
    for (uint64_t seed = 1; seed <= 60; ++seed) broken += Drive("Asia/Kathmandu", At("2028-02-27"), seed, twin).broken;
    EXPECT_GT(broken, 0u) << static_cast<int>(twin);
  }
}

// First() leaps; asking every minute in turn must find the same minute.
TEST(FeasibilityTest, FirstIsTheFirstAllowedMinute) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const ContactSettings settings = RandomSettings(random);
    ContactCustomer customer = Willing();
    const Timestamp from = At("2026-10-24T20:07:31Z"), until{from.ms + 30 * kHourMs};
    for (int i = 0; i < 5; ++i) {
      Contact contact;
      contact.channel = random.Below(2) == 0 ? "email" : "sms";
      contact.purpose = random.Below(2) == 0 ? "service" : "marketing";
      contact.time = {from.ms + (static_cast<int64_t>(random.Below(140)) - 90) * kHourMs};
      customer.log.contacts.push_back(contact);
    }
    const LocalTime local = Local("Europe/Zurich", from, until);
    const Feasibility rules(settings, customer, local);
    Feasibility::Question question;
    question.channel = settings.FindChannel("email");
    const Feasibility::Moment found = rules.First(question, from, until);
    std::optional<Timestamp> slow;
    for (Timestamp t{(from.ms / kMinuteMs + 1) * kMinuteMs}; t < until && !slow; t.ms += kMinuteMs) {
      if (rules.At(question, t, nullptr) == ContactRefusal::kNone) slow = t;
    }
    EXPECT_EQ(found.at.has_value(), slow.has_value()) << seed;
    EXPECT_EQ(found.at.value_or(Timestamp{}).ms, slow.value_or(Timestamp{}).ms) << seed;
  }
}

TEST(FeasibilityTest, ConsentIsTheNewestWordAndAWithdrawalWinsATie) {
  std::vector<Consent> ledger;
  EXPECT_EQ(ConsentInForce(ledger, "email", "marketing"), std::nullopt);
  ledger.push_back({"email", "marketing", true, At("2026-01-02"), "", ""});
  EXPECT_EQ(ConsentInForce(ledger, "email", "marketing"), true);
  EXPECT_EQ(ConsentInForce(ledger, "sms", "marketing"), std::nullopt);
  ledger.push_back({"email", "marketing", false, At("2026-01-02"), "", ""});
  EXPECT_EQ(ConsentInForce(ledger, "email", "marketing"), false);
  ledger.push_back({"email", "marketing", true, At("2025-01-01"), "", ""});  // told late, said early
  EXPECT_EQ(ConsentInForce(ledger, "email", "marketing"), false);
  EXPECT_EQ(ConsentInForce(ledger, "email", "topic:wine"), false);
  ledger.push_back({"email", "topic:wine", true, At("2026-02-01"), "", ""});
  EXPECT_EQ(ConsentInForce(ledger, "email", "topic:wine"), true);
  EXPECT_EQ(ConsentInForce(ledger, "email", "marketing"), false);
  ledger.push_back({"*", "*", false, At("2026-03-01"), "", ""});
  EXPECT_EQ(ConsentInForce(ledger, "email", "topic:wine"), false);
  EXPECT_EQ(ConsentInForce(ledger, "push", "service"), false);
}

TEST(FeasibilityTest, EachStandingRuleIsNamed) {
  ContactSettings settings;
  ContactCustomer customer = Willing();
  const LocalTime local = Local("UTC", At("2026-01-01"), At("2026-01-08"));
  const Feasibility rules(settings, customer, local);
  Feasibility::Question question;
  question.channel = settings.FindChannel("email");
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kNone);
  customer.log.open_complaints = 1;
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kComplaint);
  question.purpose = "service";
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kNone) << "service goes on";
  customer.log.open_complaints = 0;
  question.purpose = "marketing";
  customer.log.last_bounce["email"] = At("2026-01-01");
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kBounced);
  customer.address_changed["email"] = At("2026-01-02");
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kNone);
  customer.traits.erase("email");
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kUnreachable);
  customer.ledger.clear();
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kNoConsent);
  customer.log.complete = false;
  EXPECT_EQ(rules.Standing(question), ContactRefusal::kIncomplete);
}

// A cap of 0 means none of that kind, and only that.
TEST(FeasibilityTest, ACapOfZeroStopsItsOwnKindOnly) {
  ContactSettings settings;
  settings.limits.quiet.clear();
  settings.limits.caps = {{.count = 0, .channel = "sms", .purpose = "marketing"}};
  const ContactCustomer customer = Willing();
  const Timestamp from = At("2026-01-01"), until = At("2026-01-08");
  const LocalTime local = Local("UTC", from, until);
  const Feasibility rules(settings, customer, local);
  const auto first = [&](const char* channel, const char* purpose) {
    Feasibility::Question question;
    question.channel = settings.FindChannel(channel);
    question.purpose = purpose;
    return rules.First(question, from, until);
  };
  EXPECT_FALSE(first("sms", "marketing").at);
  EXPECT_EQ(first("sms", "marketing").refusal, ContactRefusal::kCap);
  EXPECT_TRUE(first("sms", "service").at);
  EXPECT_TRUE(first("email", "marketing").at);
}

TEST(FeasibilityTest, InstantMessagesOnlyInTheirWindow) {
  ContactSettings settings;
  settings.limits.quiet.clear();
  ContactCustomer customer = Willing();
  const Timestamp from = At("2026-01-01T10:00:00Z"), until = At("2026-01-08");
  const LocalTime local = Local("UTC", from, until);
  Feasibility::Question question;
  question.channel = settings.FindChannel("message");
  EXPECT_EQ(Feasibility(settings, customer, local).First(question, from, until).refusal,
            ContactRefusal::kMessagingWindow);
  customer.log.last_inbound["message"] = At("2025-12-31T12:00:00Z");
  EXPECT_TRUE(Feasibility(settings, customer, local).First(question, from, until).at);
  EXPECT_FALSE(Feasibility(settings, customer, local).First(question, At("2026-01-01T12:00:00Z"), until).at);
}

}  // namespace
}  // namespace rapport
