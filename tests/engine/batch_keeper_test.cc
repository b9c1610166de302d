// Batches that are kept: what the plan says is what the store holds, limits and caps hold between batches and single
// decisions, and a batch that was cut off goes on without writing to anybody twice.
#include "engine/contact/batch_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "engine/contact/variants.h"
#include "tests/engine/batch_keeper_fixture.h"

namespace rapport {
namespace {

TEST_F(BatchKeeperTest, TheStoreHoldsWhatThePlanSays) {
  Budget(1.25);
  const Result<std::unique_ptr<BatchDecision>> plan =
      DecideBatch(*store_, engine_->contact_settings(), engine_->responses(), Question());
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  uint64_t reported = 0;
  BatchKeeping keeping = Keeping("may");
  keeping.progress = [&](const BatchRecord& record) {
    EXPECT_GT(record.decided, reported);
    reported = record.decided;
  };
  const Result<BatchRecord> kept = engine_->DecideBatch(Question(), keeping);
  ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  EXPECT_EQ(kept->state, BatchState::kDone);
  EXPECT_EQ(kept->decided, kCustomers);
  EXPECT_EQ(reported, kCustomers);
  EXPECT_EQ(kept->pages, 3u);
  EXPECT_EQ(Decisions(), kCustomers);
  // The same plan, contact by contact.
  const auto planned = Planned();
  uint64_t sends = 0;
  double money = 0;
  for (uint32_t u = 0; u < kCustomers; ++u) {
    const DrawnArm& drawn = (*plan)->plan.plan.drawn[u];
    const auto found = planned.find((*plan)->roots[u].value);
    ASSERT_EQ(found == planned.end(), drawn.arm.IsNothing()) << u;
    if (drawn.arm.IsNothing()) continue;
    ASSERT_EQ(found->second.size(), 1u);
    const ContactEntry& entry = found->second.front();
    EXPECT_EQ(entry.facts.at, (*plan)->customers->TimeOf(u, drawn.arm));
    EXPECT_EQ(entry.item, (*plan)->customers->frame().contents[drawn.arm.content].item);
    money += entry.channel == "sms" ? 0.07 : 0.01;
    ++sends;
  }
  EXPECT_EQ(sends, kept->sends);
  EXPECT_NEAR(kept->value, (*plan)->plan.plan.value, 1e-6 * kept->value);
  EXPECT_LE(money, 1.25 + 1e-9);
  EXPECT_GT(money, 1.18);
  EXPECT_EQ(kept->nothing.at("no-consent"), kCustomers / 10);
  uint64_t nothing = 0;
  for (const auto& [reason, count] : kept->nothing) nothing += count;
  EXPECT_EQ(nothing + sends, kCustomers);
}

// Cut at every write in turn: before it, and after it with the answer lost.
TEST_F(BatchKeeperTest, ABatchThatWasCutOffGoesOnAndWritesToNobodyTwice) {
  Budget(1.25);
  int number = 0;
  for (const CutSink::Cut cut : {CutSink::Cut::kBefore, CutSink::Cut::kAfter}) {
    for (int writes = 0; writes < 4; ++writes) {
      SCOPED_TRACE(number);
      const std::string name = "batch-" + std::to_string(number++);
      CutSink sink(*store_, writes, cut);
      BatchKeeping keeping = Keeping(name);
      keeping.sink = &sink;
      const auto before = Planned();
      EXPECT_EQ(engine_->DecideBatch(Question(), keeping).status().code(), StatusCode::kUnavailable);
      BatchRequest later = Question();
      later.now.ms += 3 * kHourMs;
      const Result<BatchRecord> done = engine_->DecideBatch(later, Keeping(name));
      ASSERT_TRUE(done.ok()) << done.status().ToString();
      EXPECT_EQ(done->decided, kCustomers);
      uint64_t sends = 0;
      double money = 0;
      for (const auto& [customer, entries] : Planned()) {
        const auto old = before.find(customer);
        const size_t had = old == before.end() ? 0 : old->second.size();
        ASSERT_LE(entries.size(), had + 1);
        if (entries.size() == had) continue;
        ++sends;
        money += entries.back().channel == "sms" ? 0.07 : 0.01;
      }
      EXPECT_EQ(sends, done->sends);
      EXPECT_LE(money, 1.25 + 1e-9);
      // Done is done: again changes nothing.
      const size_t decisions = Decisions();
      const Result<BatchRecord> again = engine_->DecideBatch(later, Keeping(name));
      ASSERT_TRUE(again.ok());
      EXPECT_EQ(again->sends, done->sends);
      EXPECT_EQ(Decisions(), decisions);
    }
  }
}

// The broken twin: without a look at the name the second run spends the budget again.
TEST_F(BatchKeeperTest, WithoutTheNameTheTwinSpendsTwice) {
  Budget(1.25);
  CutSink sink(*store_, 2, CutSink::Cut::kBefore);
  BatchKeeping cut = Keeping("may");
  cut.sink = &sink;
  EXPECT_FALSE(engine_->DecideBatch(Question(), cut).ok());
  BatchKeeping twin = Keeping("may");
  twin.knows_names = false;
  BatchRequest later = Question();
  later.items = {"pot"};  // otherwise it would plan the very same sends, which the store takes once
  later.options.seed = 7;
  ASSERT_TRUE(engine_->DecideBatch(later, twin).ok());
  double money = 0;
  for (const auto& [customer, entries] : Planned()) {
    for (const ContactEntry& entry : entries) money += entry.channel == "sms" ? 0.07 : 0.01;
  }
  EXPECT_GT(money, 1.25 + 1e-9);
}

TEST_F(BatchKeeperTest, ANameStandsForOneRequest) {
  ASSERT_TRUE(engine_->DecideBatch(Question(), Keeping("may")).ok());
  BatchRequest other = Question();
  other.items = {"pot"};
  EXPECT_EQ(engine_->DecideBatch(other, Keeping("may")).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(engine_->CheckBatch(other, Keeping("may")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(engine_->CheckBatch(other, Keeping("may 1")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(engine_->CheckBatch(other, Keeping("")).code(), StatusCode::kInvalidArgument);
  other.items = {"nowhere"};
  EXPECT_EQ(engine_->CheckBatch(other, Keeping("june")).code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(store_->GetSetting(BatchSetting("june")));
}

// Single decisions are taken while the batch is on its way: nobody gets more than the cap says.
TEST_F(BatchKeeperTest, CapsHoldBetweenABatchAndSingleDecisions) {
  settings_.limits.caps = {{.count = 1, .rolling_ms = 30 * kDayMs}};
  ASSERT_TRUE(engine_->UseContactSettings(settings_).ok());
  std::atomic<bool> done{false};
  std::atomic<uint64_t> singles{0};
  std::thread single([&] {
    for (uint32_t u = kCustomers; u-- > 0 && !done;) {  // from the other end
      DecisionRequest request;
      request.customer = Ref(u);
      request.items = request.question.exclude = {};
      request.items = {"tea"};
      request.question.customer = request.customer;
      request.question.count = 1;
      request.now = request.question.now = kNow;
      Result<PreparedDecision> prepared = engine_->Decide(request, {});
      ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
      const bool sends = prepared->decision.outcome.chosen.content != kNothing;
      ASSERT_TRUE(store_->ApplyAndWait(std::move(prepared->operations)).ok());
      prepared->settle();
      singles += sends ? 1 : 0;
    }
  });
  const Result<BatchRecord> kept = engine_->DecideBatch(Question(), Keeping("may"));
  done = true;
  single.join();
  ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  uint64_t contacts = 0;
  for (const auto& [customer, entries] : Planned()) {
    EXPECT_EQ(entries.size(), 1u) << customer;
    contacts += entries.size();
  }
  EXPECT_EQ(contacts, kept->sends + singles);
  // And afterwards the batch's contacts count.
  DecisionRequest request;
  request.customer = request.question.customer.emplace(Ref(0));
  request.items = {"tea"};
  request.question.count = 1;
  request.now = request.question.now = kNow;
  const Result<PreparedDecision> after = engine_->Decide(request, {});
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->decision.outcome.chosen.content, kNothing);
}

// With dice every kept decision can be drawn again from what is kept of it.
TEST_F(BatchKeeperTest, DrawsReplayFromWhatIsKept) {
  Budget(1.25);
  BatchRequest request = Question();
  request.options.temperature = 0.05;
  request.options.exploration = 0.1;
  std::mutex mutex;
  uint64_t replayed = 0, with_choice = 0;
  BatchKeeping keeping = Keeping("dice");
  keeping.format = [&](const DecisionResponse& decision) {
    const std::vector<DecisionArm>& shortlist = decision.outcome.shortlist;
    double left = decision.batch_draw, sum = 0;
    size_t chosen = shortlist.size();
    for (size_t j = 0; j < shortlist.size(); ++j) {
      sum += shortlist[j].propensity;
      if (chosen == shortlist.size() && left < shortlist[j].propensity) chosen = j;
      left -= shortlist[j].propensity;
    }
    std::lock_guard lock(mutex);
    EXPECT_NEAR(sum, 1, 1e-9);
    EXPECT_LT(chosen, shortlist.size());
    if (chosen == shortlist.size()) return std::string("{}");
    const DecisionArm &drawn = shortlist[chosen], &told = decision.outcome.chosen;
    EXPECT_EQ(drawn.content, told.content);
    EXPECT_EQ(drawn.at, told.at);
    EXPECT_EQ(drawn.propensity, told.propensity);
    ++replayed;
    with_choice += shortlist.size() > 1 ? 1 : 0;
    return std::string("{}");
  };
  const Result<BatchRecord> kept = engine_->DecideBatch(request, keeping);
  ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  EXPECT_EQ(replayed, kCustomers);
  EXPECT_GT(with_choice, kCustomers / 4);
  EXPECT_EQ(kept->decided, kCustomers);
}

TEST_F(BatchKeeperTest, AStopLeavesWholeChunks) {
  BatchKeeping keeping = Keeping("may");
  std::atomic<bool> stop{false};
  keeping.cancelled = [&] { return stop.load(); };
  keeping.progress = [&](const BatchRecord&) { stop = true; };
  EXPECT_EQ(engine_->DecideBatch(Question(), keeping).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(Decisions(), 100u);
  const Result<BatchRecord> done = engine_->DecideBatch(Question(), Keeping("may"));
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->decided, kCustomers);
  EXPECT_EQ(Decisions(), kCustomers);
}

// An item with an audience goes to its customers only, and of variants each customer hears the one in their language;
// customer by customer the same as single decisions say.
TEST_F(BatchKeeperTest, AudiencesAndLanguagesAreEachCustomersOwn) {
  std::vector<Operation> operations;
  const auto item = [&](const std::string& id, const std::string& language, std::vector<std::string> audience) {
    PutItem put;
    put.item.external_id = put.item.title = id;
    put.item.language = language;
    put.item.audience = std::move(audience);
    put.item.margin = ParseDecimal("9").Take();
    put.item.attributes["variantGroup"] = std::string("offer");
    operations.push_back(put);
  };
  item("offer-en", "en", {"vip", "staff"});
  item("offer-de", "de", {"vip"});
  for (uint32_t u = 0; u < kCustomers; ++u) {
    UpdateProfile profile;
    profile.customer = Ref(u);
    profile.time = {kNow.ms + 1};
    if (u % 2 == 0) profile.audiences = std::vector<std::string>{u % 4 == 0 ? "vip" : "staff"};
    if (u % 3 == 0) profile.locale = u % 6 == 0 ? "de-CH" : "en_GB";
    operations.push_back(profile);
  }
  ASSERT_TRUE(store_->ApplyAndWait(std::move(operations)).ok());
  BatchRequest request = Question();
  request.items = {"offer-en", "offer-de"};
  const Result<std::unique_ptr<BatchDecision>> plan = engine_->PlanBatch(request, nullptr);
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  size_t in_german = 0, in_english = 0, none = 0;
  for (uint32_t u = 0; u < kCustomers; ++u) {
    const std::string id = (*plan)->refs[u].external_id;
    const auto number = static_cast<uint32_t>(std::stoul(id.substr(1)));
    const DrawnArm& drawn = (*plan)->plan.plan.drawn[u];
    const std::string told = drawn.arm.IsNothing() ? "" : request.items[drawn.arm.content];
    DecisionRequest single;
    single.customer = single.question.customer.emplace(Ref(number));
    single.items = request.items;
    single.question.count = 2;
    single.dry_run = true;
    single.now = single.question.now = kNow;
    const Result<PreparedDecision> alone = engine_->Decide(single, {});
    ASSERT_TRUE(alone.ok());
    const DecisionArm& arm = alone->decision.outcome.chosen;
    const std::string said = arm.content == kNothing ? "" : alone->decision.contents[arm.content].external_id;
    const bool german = number % 6 == 0, known = number % 3 == 0;
    if (number % 2 == 1) {
      EXPECT_EQ(told, "") << id;
      EXPECT_EQ((*plan)->customers->refusal(u) != ContactRefusal::kNone, true);
    } else if (number % 4 == 0 && known && number % 10 != 9) {
      EXPECT_EQ(told, german ? "offer-de" : "offer-en") << id;
      EXPECT_EQ(said, told);
    } else if (number % 10 != 9 && number % 4 == 2) {
      EXPECT_EQ(told, "offer-en") << id;  // the only one for staff
      EXPECT_EQ(said, told);
    }
    in_german += told == "offer-de" ? 1 : 0;
    in_english += told == "offer-en" ? 1 : 0;
    none += told.empty() ? 1 : 0;
  }
  EXPECT_GT(in_german, 10u);
  EXPECT_GT(in_english, 40u);
  EXPECT_GT(none, 100u);
}

// What the content model says of a customer moves the plan: here everybody's own favourite.
TEST_F(BatchKeeperTest, TheContentModelHasASay) {
  auto set = std::make_shared<ResponseSet>(*engine_->responses());
  auto model = std::make_shared<ResponseModel>(*set->model);
  model->affinity = 1;
  set->model = model;
  BatchHooks hooks;
  std::atomic<size_t> asked{0};
  hooks.contents = [&](CustomerId root, const PlanFrame& frame, std::span<float> affinity, std::span<uint8_t> refused) {
    ++asked;
    EXPECT_EQ(affinity.size(), frame.contents.size());
    EXPECT_EQ(refused.size(), frame.contents.size());
    const size_t favourite = root.value % 2;
    affinity[favourite] = 1;
    affinity[1 - favourite] = -1;
    if (root.value % 5 == 0) refused[favourite] = 1;
    return Status::Ok();
  };
  const auto plan = DecideBatch(*store_, engine_->contact_settings(), set, Question(), hooks);
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(asked, kCustomers);
  for (uint32_t u = 0; u < kCustomers; ++u) {
    const DrawnArm& drawn = (*plan)->plan.plan.drawn[u];
    const uint64_t root = (*plan)->roots[u].value;
    if (!drawn.arm.IsNothing()) {
      EXPECT_EQ(drawn.arm.content, root % 5 == 0 ? 1 - root % 2 : root % 2);
    }
  }
}

TEST(VariantsTest, TheNearestLanguageOfEachGroupIsLeft) {
  const std::vector<Variant> contents = {{"", "fr"},  {"a", "de"}, {"a", "de-CH"}, {"a", "en"},
                                         {"b", "de"}, {"b", ""},   {"c", "it"},    {"c", "fr"}};
  const auto left = [&](const std::string& locale, std::vector<uint8_t> refused = std::vector<uint8_t>(8, 0)) {
    KeepOwnLanguage(contents, locale, refused);
    std::string text;
    for (const uint8_t one : refused) text += one != 0 ? '.' : 'x';
    return text;
  };
  EXPECT_EQ(left("de_ch"), "x.x.x.xx");
  EXPECT_EQ(left("de-AT"), "xxx.x.xx");
  EXPECT_EQ(left("en"), "x..x.xxx");
  EXPECT_EQ(left("fr-FR"), "xxxx.x.x");
  EXPECT_EQ(left(""), "xxxx.xxx");
  EXPECT_EQ(left("de-CH", {0, 0, 1, 0, 0, 0, 0, 0}), "xx..x.xx");
}

}  // namespace
}  // namespace rapport
