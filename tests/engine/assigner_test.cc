// Rooms and call slots through the facade: held to all plans there are on small problems, with what the filters mean
// said a second time; hard preferences, capacities and rules of contact never broken; every word of the reasons true.
#include "engine/contact/assigner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/limits.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "engine/engine.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'772'366'400'000};  // Sunday 2026-03-01T12:00:00Z

struct Room {
  bool smoking = false, balcony = false;
  int floor = 0;
  bool in_catalogue = false, hidden = false, for_members = false;
};

struct Wish {
  const char* filter;
  std::function<bool(const Room&)> means;
};
const std::vector<Wish>& Wishes() {
  static const std::vector<Wish> kWishes = {
      {"attributes.smoking = false", [](const Room& r) { return !r.smoking; }},
      {"attributes.floor >= 2", [](const Room& r) { return r.floor >= 2; }},
      {"NOT attributes.balcony", [](const Room& r) { return !r.balcony; }},
      {"attributes.balcony AND attributes.floor IN (0, 1)", [](const Room& r) { return r.balcony && r.floor <= 1; }},
      {"attributes.sauna", [](const Room&) { return false; }},
      {"", [](const Room&) { return true; }},
  };
  return kWishes;
}

struct Problem {
  std::vector<Room> rooms;
  AssignRequest request;
  std::vector<size_t> musts;                // by guest, index into Wishes()
  std::vector<std::vector<size_t>> wishes;  // likewise
  std::vector<bool> member;                 // by guest
};

bool Allowed(const Problem& p, size_t g, size_t r) {
  const Room& room = p.rooms[r];
  if (room.in_catalogue && (room.hidden || (room.for_members && !p.member[g]))) return false;
  return Wishes()[p.musts[g]].means(room);
}

double Worth(const Problem& p, size_t g, size_t r) {
  const AssignGuest& guest = p.request.guests[g];
  const auto own = guest.worth_by_place.find(p.request.places[r].id);
  double worth = own != guest.worth_by_place.end() ? own->second : guest.worth;
  for (size_t w = 0; w < p.wishes[g].size(); ++w) {
    if (Wishes()[p.wishes[g][w]].means(p.rooms[r])) worth += guest.wishes[w].worth;
  }
  return worth;
}

struct Total {
  size_t placed = 0;
  double worth = 0;
};
bool Better(const Total& a, const Total& b, bool most_guests) {
  if (most_guests && a.placed != b.placed) return a.placed > b.placed;
  return a.worth > b.worth;
}

// Of all plans.
Total Best(const Problem& p, size_t g, std::vector<uint32_t>* left) {
  if (g == p.request.guests.size()) return {};
  Total best = Best(p, g + 1, left);
  for (size_t r = 0; r < left->size(); ++r) {
    if ((*left)[r] == 0 || !Allowed(p, g, r)) continue;
    --(*left)[r];
    Total with = Best(p, g + 1, left);
    ++(*left)[r];
    ++with.placed;
    with.worth += Worth(p, g, r);
    if (Better(with, best, p.request.most_guests)) best = with;
  }
  return best;
}

std::vector<uint32_t> Capacities(const Problem& p) {
  std::vector<uint32_t> left;
  for (const AssignPlace& place : p.request.places) left.push_back(place.capacity.value_or(1));
  return left;
}

// What of the answer is not as promised; empty: nothing.
std::string Fault(const Problem& p, const AssignAnswer& answer) {
  std::vector<uint32_t> left = Capacities(p);
  Total total;
  for (size_t g = 0; g < answer.guests.size(); ++g) {
    const uint32_t r = answer.guests[g].place;
    if (r == Assignment::kNoPlace) continue;
    if (!Allowed(p, g, r)) return "guest " + std::to_string(g) + " is where it must not be";
    if (left[r]-- == 0) return "place " + std::to_string(r) + " is taken by too many";
    ++total.placed;
    total.worth += Worth(p, g, r);
  }
  if (total.placed != answer.placed || std::abs(total.worth - answer.worth) > 1e-9) return "the totals are not true";
  std::vector<uint32_t> empty = Capacities(p);
  const Total best = Best(p, 0, &empty);
  if (best.placed != total.placed && p.request.most_guests) return "more could be placed";
  if (std::abs(best.worth - total.worth) > 1e-6) return "there is a plan worth more";
  const Total turn{answer.first_come_placed, answer.first_come_worth};
  if (Better({turn.placed, turn.worth - 1e-6}, total, p.request.most_guests))
    return "first come, first served is better";
  return "";
}

class AssignerTest : public ::testing::Test {
 protected:
  AssignerTest() {
    store_ = Store::Open(folder_.path() + "/store", StoreOptions{.durability = Durability::kNoSync}).Take();
    engine_ = Engine::Open(*store_, EngineOptions{}).Take();
    UpdateProfile profile;
    profile.customer = {CustomerNamespace::kUser, "member"};
    profile.time = kNow;
    profile.audiences = std::vector<std::string>{"members"};
    Apply({profile});
  }
  void Apply(std::vector<Operation> operations) {
    const auto results = store_->ApplyAndWait(std::move(operations));
    ASSERT_TRUE(results.ok());
    for (const OperationResult& result : *results) ASSERT_TRUE(result.status.ok()) << result.status.ToString();
  }

  Problem RandomProblem(Random& random) {
    Problem p;
    const size_t rooms = 1 + random.Below(4), guests = 1 + random.Below(5);
    p.request.now = kNow;
    p.request.most_guests = random.Below(2) == 0;
    for (size_t r = 0; r < rooms; ++r) {
      Room room;
      room.smoking = random.Below(2) == 0;
      room.balcony = random.Below(2) == 0;
      room.floor = static_cast<int>(random.Below(4));
      room.in_catalogue = random.Below(3) == 0;
      room.hidden = random.Below(6) == 0;
      room.for_members = random.Below(3) == 0;
      p.rooms.push_back(room);
      AssignPlace place;
      place.id = "room-" + std::to_string(r);
      place.capacity = static_cast<uint32_t>(random.Below(3));
      Attributes attributes{{"smoking", room.smoking}, {"floor", static_cast<double>(room.floor)}};
      if (room.balcony) attributes["balcony"] = true;
      if (room.in_catalogue) {
        PutItem put;
        put.item.external_id = place.item = place.id;
        put.item.hidden = room.hidden;
        if (room.for_members) put.item.audience = {"members"};
        put.item.attributes = attributes;
        Apply({put});
      } else {
        place.attributes = attributes;
      }
      p.request.places.push_back(place);
    }
    for (size_t g = 0; g < guests; ++g) {
      AssignGuest guest;
      guest.name = "guest-" + std::to_string(g);
      p.member.push_back(random.Below(3) == 0);
      if (p.member.back()) guest.customer = CustomerRef{CustomerNamespace::kUser, "member"};
      p.musts.push_back(random.Below(2) == 0 ? Wishes().size() - 1 : random.Below(Wishes().size()));
      guest.must = Wishes()[p.musts.back()].filter;
      guest.worth = static_cast<double>(random.Below(20));
      if (random.Below(3) == 0) guest.worth_by_place["room-0"] = static_cast<double>(random.Below(30));
      p.wishes.emplace_back();
      for (uint64_t n = random.Below(3); n > 0; --n) {
        p.wishes.back().push_back(random.Below(Wishes().size() - 1));
        guest.wishes.push_back({Wishes()[p.wishes.back().back()].filter, static_cast<double>(1 + random.Below(40))});
      }
      p.request.guests.push_back(guest);
    }
    return p;
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(AssignerTest, IsTheBestOfAllPlansAndBreaksNothing) {
  Random random(1);
  int reasons[5] = {};
  size_t nothing_allowed = 0, full = 0;
  double gain = 0;
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    const Problem p = RandomProblem(random);
    const Result<AssignAnswer> answer = engine_->Assign(p.request);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    EXPECT_EQ(Fault(p, *answer), "");
    gain += answer->worth - answer->first_come_worth;
    for (size_t g = 0; g < answer->guests.size(); ++g) {
      const AssignedGuest& guest = answer->guests[g];
      uint32_t forbidden = 0, allowed = 0;
      for (const auto& [reason, places] : guest.forbidden) forbidden += places;
      for (size_t r = 0; r < p.rooms.size(); ++r) allowed += Allowed(p, g, r) ? 1 : 0;
      EXPECT_EQ(forbidden + allowed, p.rooms.size());
      nothing_allowed += guest.outcome == AssignmentOutcome::kNothingAllowed ? 1 : 0;
      full += guest.outcome == AssignmentOutcome::kFull ? 1 : 0;
      EXPECT_EQ(guest.outcome == AssignmentOutcome::kFull, guest.place == Assignment::kNoPlace && allowed > 0);
      for (size_t w = 0; w < guest.wishes.size(); ++w) {
        ++reasons[static_cast<int>(guest.wishes[w])];
        bool met = false, any = false, any_allowed = false, better = false;
        for (uint32_t r = 0; r < p.rooms.size(); ++r) {
          if (!Wishes()[p.wishes[g][w]].means(p.rooms[r])) continue;
          any = true;
          met |= guest.place == r;
          any_allowed |= Allowed(p, g, r);
          better |= Allowed(p, g, r) && (guest.place == Assignment::kNoPlace || Worth(p, g, r) > guest.worth);
        }
        const WishOutcome told = met            ? WishOutcome::kMet
                                 : !any         ? WishOutcome::kNoPlace
                                 : !any_allowed ? WishOutcome::kForbidden
                                 : better       ? WishOutcome::kTaken
                                                : WishOutcome::kOutweighed;
        EXPECT_EQ(guest.wishes[w], told) << WishOutcomeName(guest.wishes[w]);
      }
    }
  }
  EXPECT_GT(gain, 0);
  for (const int count : reasons) EXPECT_GT(count, 0);
  EXPECT_GT(nothing_allowed, 0u);
  EXPECT_GT(full, 0u);
}

// Broken twins: whoever moves a guest, forgets a preference or serves in turn is caught.
TEST_F(AssignerTest, WrongPlansAreCaught) {
  Random random(2);
  std::map<std::string, int> caught;
  for (int round = 0; round < 200; ++round) {
    const Problem p = RandomProblem(random);
    Problem deaf = p;  // to hard preferences
    for (AssignGuest& guest : deaf.request.guests) guest.must.clear();
    const Result<AssignAnswer> unheeded = engine_->Assign(deaf.request), good = engine_->Assign(p.request);
    ASSERT_TRUE(unheeded.ok() && good.ok());
    ++caught[Fault(p, *unheeded)];
    AssignAnswer crowded = *good;
    for (AssignedGuest& guest : crowded.guests) guest.place = 0;
    ++caught[Fault(p, crowded)];
    AssignAnswer lazy = *good;
    lazy.placed = 0;
    lazy.worth = 0;
    for (AssignedGuest& guest : lazy.guests) guest.place = Assignment::kNoPlace;
    ++caught[Fault(p, lazy)];
  }
  for (const char* fault : {"more could be placed", "there is a plan worth more"})
    EXPECT_GT(caught[fault], 10) << fault;
  int forbidden = 0, crowded = 0;
  for (const auto& [fault, count] : caught) {
    forbidden += fault.find("must not be") != std::string::npos ? count : 0;
    crowded += fault.find("too many") != std::string::npos ? count : 0;
  }
  EXPECT_GT(forbidden, 20);
  EXPECT_GT(crowded, 20);
}

TEST_F(AssignerTest, NobodyGoesWithoutForAnothersWishUnlessAsked) {
  AssignRequest request;
  request.now = kNow;
  request.places = {{.id = "sea", .attributes = {{"view", std::string("sea")}}}, {.id = "yard"}};
  AssignGuest ada{.name = "Ada", .wishes = {{"attributes.view = 'sea'", 100}}};
  AssignGuest bob{.name = "Bob", .must = "itemId = 'sea'"};
  request.guests = {ada, bob};
  Result<AssignAnswer> answer = engine_->Assign(request);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_EQ(answer->guests[0].place, 1u);
  EXPECT_EQ(answer->guests[0].wishes[0], WishOutcome::kTaken);
  EXPECT_EQ(answer->guests[1].place, 0u);
  EXPECT_EQ(answer->first_come_placed, 1u);
  request.most_guests = false;
  answer = engine_->Assign(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->guests[0].place, 0u);
  EXPECT_EQ(answer->guests[1].outcome, AssignmentOutcome::kFull);
  EXPECT_EQ(answer->guests[1].taken, std::vector<uint32_t>{0});
  EXPECT_EQ(answer->guests[1].forbidden, (std::vector<std::pair<std::string, uint32_t>>{{"must", 1}}));
}

// A slot is a contact: the rules of contacts stand before every worth.
TEST_F(AssignerTest, SlotsHeedConsentQuietHoursCapsAndTheHour) {
  ContactSettings settings;
  settings.limits.time_zone = "UTC";
  settings.limits.quiet = {{.from_minute = 21 * 60, .until_minute = 8 * 60}};
  settings.limits.caps = {{.count = 1, .rolling_ms = kDayMs}};
  ASSERT_TRUE(engine_->UseContactSettings(settings).ok());
  std::vector<Operation> operations;
  const auto customer = [](const std::string& id) { return CustomerRef{CustomerNamespace::kUser, id}; };
  for (const char* id : {"willing", "tokyo", "silent", "called"}) {
    UpdateProfile profile;
    profile.customer = customer(id);
    profile.time = kNow;
    profile.traits["phone"] = std::string("1");
    if (std::string(id) == "tokyo") profile.time_zone = "Asia/Tokyo";
    operations.push_back(profile);
    if (std::string(id) != "silent") {
      operations.push_back(RecordConsent{customer(id), {"call", "marketing", true, kNow, "form", ""}});
    }
  }
  AppendEvent placed{customer("called"), {}, {}};
  placed.event.type = EventType::kSent;
  placed.event.name = "Call Placed";
  placed.event.channel = "call";
  placed.event.message_id = "m";
  placed.event.time = placed.event.received_at = {kNow.ms - kHourMs};
  operations.push_back(placed);
  Apply(std::move(operations));

  AssignRequest request;
  request.now = kNow;
  request.channel = "call";
  const Timestamp monday_9{kNow.ms + 21 * kHourMs}, monday_13{kNow.ms + 25 * kHourMs}, tonight{kNow.ms + 8 * kHourMs};
  request.places = {{.id = "tonight", .capacity = 9, .at = tonight},    // 20:00; 05:00 in Tokyo
                    {.id = "mon-9", .capacity = 9, .at = monday_9},     // 18:00 in Tokyo
                    {.id = "mon-13", .capacity = 9, .at = monday_13}};  // 22:00 in Tokyo
  for (const char* id : {"willing", "tokyo", "silent", "called", "stranger"}) {
    request.guests.push_back({.name = id, .customer = customer(id), .wishes = {{"itemId = 'tonight'", 1e9}}});
  }
  Result<AssignAnswer> answer = engine_->Assign(request);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  using Reasons = std::vector<std::pair<std::string, uint32_t>>;
  EXPECT_EQ(answer->guests[0].place, 0u);
  EXPECT_EQ(answer->guests[1].place, 1u);
  EXPECT_EQ(answer->guests[1].forbidden, (Reasons{{"quiet-hours", 2}}));
  EXPECT_EQ(answer->guests[1].wishes[0], WishOutcome::kForbidden);
  EXPECT_EQ(answer->guests[2].forbidden, (Reasons{{"no-consent", 3}}));
  EXPECT_EQ(answer->guests[2].outcome, AssignmentOutcome::kNothingAllowed);
  EXPECT_EQ(answer->guests[3].place, 2u);  // a day after the call is over at 11:00
  EXPECT_EQ(answer->guests[3].forbidden, (Reasons{{"frequency-cap", 2}}));
  EXPECT_FALSE(answer->guests[4].known);
  EXPECT_EQ(answer->guests[4].forbidden, (Reasons{{"no-consent", 3}}));

  // Nor may the slots take more than the channel's hour has.
  for (ChannelSettings& channel : settings.channels) channel.capacity_per_hour = channel.name == "call" ? 2 : 0;
  settings.limits.holdout_ppm = 1'000'000;
  ASSERT_TRUE(engine_->UseContactSettings(settings).ok());
  answer = engine_->Assign(request);
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.status().message().find("call has 2 left in that hour"), std::string::npos)
      << answer.status().message();
  for (AssignPlace& place : request.places) place.capacity = 2;
  answer = engine_->Assign(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->guests[0].forbidden, (Reasons{{"holdout", 3}}));
}

TEST_F(AssignerTest, FiltersAskForTheCustomerToo) {
  PutItem put;
  put.item.external_id = "suite";
  put.item.stock = 2;
  AppendEvent viewed{{CustomerNamespace::kUser, "member"}, {}, {}};
  viewed.event.type = EventType::kViewed;
  viewed.event.name = "Product Viewed";
  viewed.event.message_id = "m";
  viewed.event.time = viewed.event.received_at = kNow;
  viewed.lines.push_back({"suite", 1, std::nullopt});
  Apply({put, viewed});
  AssignRequest request;
  request.now = kNow;
  request.places = {{.id = "suite", .item = "suite"}};
  request.guests = {
      {.name = "new", .must = "viewed"},
      {.name = "was here", .customer = CustomerRef{CustomerNamespace::kUser, "member"}, .must = "viewed"}};
  const Result<AssignAnswer> answer = engine_->Assign(request);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->capacity[0], 2u);  // the stock
  EXPECT_EQ(answer->guests[0].place, Assignment::kNoPlace);
  EXPECT_EQ(answer->guests[1].place, 0u);
}

TEST_F(AssignerTest, WhatIsWrongIsSaid) {
  PutItem put;
  put.item.external_id = "suite";
  put.item.stock = 2;
  Apply({put});
  AssignRequest good;
  good.now = kNow;
  good.places = {{.id = "a"}, {.id = "b"}};
  good.guests = {{.name = "Ada"}, {.name = "Bob"}};
  ASSERT_TRUE(engine_->Assign(good).ok());
  const auto refused = [&](const std::function<void(AssignRequest&)>& spoil) {
    AssignRequest bad = good;
    spoil(bad);
    const Result<AssignAnswer> answer = engine_->Assign(bad);
    EXPECT_EQ(answer.status().code(), StatusCode::kInvalidArgument);
    return answer.status().message();
  };
  const auto holds = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  holds(refused([](AssignRequest& r) { r.places.clear(); }), "places is empty");
  holds(refused([](AssignRequest& r) { r.guests.clear(); }), "guests is empty");
  holds(refused([](AssignRequest& r) { r.guests.resize(limits::kAssignGuestsMax + 1); }), "guests has more than 1000");
  holds(refused([](AssignRequest& r) { r.places[1].id = "a"; }), "places[1]: 'a' stands there twice");
  holds(refused([](AssignRequest& r) { r.guests[1].name = "Ada"; }), "guests[1]: 'Ada' stands there twice");
  holds(refused([](AssignRequest& r) { r.places[0].item = "no-such"; }), "there is no item 'no-such'");
  holds(refused([](AssignRequest& r) { r.places[0].item = "suite", r.places[0].capacity = 3; }), "has 2 in stock");
  holds(refused([](AssignRequest& r) { r.places[0].item = "suite", r.places[0].attributes["floor"] = 1.0; }),
        "has its own attributes");
  holds(refused([](AssignRequest& r) { r.guests[0].worth = -1; }), "worth must be from 0");
  holds(refused([](AssignRequest& r) { r.guests[0].worth_by_place["c"] = 1; }), "'c', which is no place here");
  holds(refused([](AssignRequest& r) { r.guests[0].wishes = {{"", 0}}; }), "worth of a wish must be above 0");
  holds(refused([](AssignRequest& r) { r.guests[0].must = "attributes.smoking ="; }),
        "guests[0]: must: filter: at byte");
  holds(refused([](AssignRequest& r) { r.guests[1].wishes = {{"((", 1}}; }), "guests[1]: prefer[0]: filter: at byte");
  holds(refused([](AssignRequest& r) { r.channel = "pigeon"; }), "there is no channel 'pigeon'");
  holds(refused([](AssignRequest& r) { r.channel = "call"; }), "contact.slots[0]: at is missing");
  holds(refused([](AssignRequest& r) { r.places[0].at = kNow; }), "name its channel");
  holds(refused([](AssignRequest& r) {
          r.channel = "call";
          for (AssignPlace& place : r.places) place.at = {kNow.ms - 1};
        }),
        "lies in the past");
  holds(refused([](AssignRequest& r) {
          r.channel = "call";
          for (AssignPlace& place : r.places) place.at = kNow;
          for (AssignGuest& guest : r.guests) guest.customer = CustomerRef{CustomerNamespace::kUser, "member"};
        }),
        "one slot each");
}

}  // namespace
}  // namespace rapport
